"""What transformers calls the tensors of a decoder, and which others stand beside them in its files."""

# pyright: standard

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from promptlight.salience.loading.architecture import Architecture, Shape, list_shapes

HEADS = ("lm_head.weight", "language_model.lm_head.weight")
PREFIXES = ("model.", "", "language_model.model.", "model.language_model.", "language_model.")
TABLE = "embed_tokens_per_layer.weight"
_WHOLE = {
    "embedding": "embed_tokens.weight",
    "final_norm": "norm.weight",
    "per_layer_projection": "per_layer_model_projection.weight",
    "per_layer_norm": "per_layer_projection_norm.weight",
}
_STACKS = {"stream_projections": "altup_projections", "stream_unprojections": "altup_unembed_projections"}
_IN_LAYERS = {
    "attention_norm": "input_layernorm.weight",
    **{name: f"self_attn.{name[0]}_proj.weight" for name in ("query", "key", "value", "output")},
    **{f"{name}_bias": f"self_attn.{name[0]}_proj.bias" for name in ("query", "key", "value", "output")},
    "query_norm": "self_attn.q_norm.weight",
    "key_norm": "self_attn.k_norm.weight",
    "post_attention_norm": "post_attention_layernorm.weight",
    "feed_forward_norm": "pre_feedforward_layernorm.weight",
    **{name: f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")},
    "post_feed_forward_norm": "post_feedforward_layernorm.weight",
    "per_layer_gate": "per_layer_input_gate.weight",
    "per_layer_up": "per_layer_projection.weight",
    "per_layer_norm": "post_per_layer_input_norm.weight",
    "scale": "layer_scalar",
    # experts
    "router_norm": "router.scale",
    "router": "router.proj.weight",
    "expert_scale": "router.per_expert_scale",
    "experts_norm": "pre_feedforward_layernorm_2.weight",
    "expert_gate": "experts.gate_up_proj",
    "expert_up": "experts.gate_up_proj",
    "expert_down": "experts.down_proj",
    "dense_output_norm": "post_feedforward_layernorm_1.weight",
    "experts_output_norm": "post_feedforward_layernorm_2.weight",
    # streams
    "stream_router_norm": "altup.router_norm.weight",
    "stream_router": "altup.modality_router.weight",
    "stream_prediction": "altup.prediction_coefs.weight",
    "stream_correction": "altup.correction_coefs.weight",
    "stream_scale": "altup.correct_output_scale",
    "laurel_left": "laurel.linear_left.weight",
    "laurel_right": "laurel.linear_right.weight",
    "laurel_norm": "laurel.post_laurel_norm.weight",
}
_HALVES = {"expert_gate": 0, "expert_up": 1}  # of the second axis
_IN_LAYER = re.compile(r"layers\.(\d+)\.(\w+)")
# buffers that old versions stored and that follow from the config
_BUFFERS = re.compile(r".*\brotary_emb(_local)?\.(\w+_)?inv_freq")
_TOWERS = {  # by the key of a config that has them
    "vision_config": re.compile(r"(model\.)?(vision_tower|vision_embedder|multi_modal_projector|embed_vision)\..+"),
    "audio_config": re.compile(r"(model\.)?(audio_tower|embed_audio)\..+"),
}


@dataclass(frozen=True)
class Origin:
    """The tensors in files that one of the decoder's is made of: one, a half of one, or several to be stacked."""

    names: tuple[str, ...]
    stacks: bool = False
    half: int | None = None  # which half of the second axis

    def find_stored_shape(self, shape: Shape) -> Shape:
        """The shape of each of these tensors, if together they make one of ``shape``."""
        if self.stacks:
            return shape[1:]
        return shape if self.half is None else (shape[0], 2 * shape[1], *shape[2:])


def name_tensors(architecture: Architecture, prefix: str) -> dict[str, Origin]:
    """Where the files have each tensor of an architecture, but for the head, by canonical name."""
    # Gemma 1 has no norm after attention, and the name of one for that before the feed-forward network
    parts = _IN_LAYERS
    if not architecture.has_post_norms:
        parts = parts | {"feed_forward_norm": "post_attention_layernorm.weight"}
    origins: dict[str, Origin] = {}
    for canonical, shape in list_shapes(replace(architecture, has_own_head=False)).items():
        if found := _IN_LAYER.fullmatch(canonical):
            n, part = found.groups()
            origins[canonical] = Origin((f"{prefix}layers.{n}.{parts[part]}",), half=_HALVES.get(part))
        elif canonical in _STACKS:
            names = tuple(f"{prefix}{_STACKS[canonical]}.{n}.weight" for n in range(shape[0]))
            origins[canonical] = Origin(names, stacks=True)
        else:
            origins[canonical] = Origin((prefix + _WHOLE[canonical],))
    return origins


def is_buffer(name: str) -> bool:
    """Whether a tensor in a file follows from the config."""
    return _BUFFERS.fullmatch(name) is not None


def is_of_tower(name: str, config_keys: frozenset[str]) -> bool:
    """Whether a tensor reads images or sounds, in a model whose config.json has these keys."""
    return any(key in config_keys and pattern.fullmatch(name) for key, pattern in _TOWERS.items())


def list_unread(architecture: Architecture, prefix: str) -> frozenset[str]:
    """Tensors of layers that read another layer's keys and values: published files have them, nothing reads them."""
    parts = ("k_proj.weight", "v_proj.weight", "k_norm.weight", "v_norm.weight")
    borrowing = [n for n, layer in enumerate(architecture.layers) if layer.source is not None]
    return frozenset(f"{prefix}layers.{n}.self_attn.{part}" for n in borrowing for part in parts)
