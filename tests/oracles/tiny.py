"""Tiny random models of each family, with weights large enough that norms, caps and windows take effect."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import keras_nlp
import torch

FAMILIES = ("gemma", "gemma2", "gemma3")
NEWER_FAMILIES = ("gemma4", "gemma4_e", "gemma4_moe", "gemma3n")
"""Dense with K = V, the E-series, a mixture of experts, and Gemma 3n."""

FACTORS = {
    "query_norm": 0.5,  # nothing else divides the scores
    "q_norm": 0.5,
    "per_layer_projection_norm": 0.3,  # so that rows of the second table count
    "post_per_layer_input_norm": 4.0,
    "modality_router": 8.0,  # so that streams mix
}
"""By what some weights of the newer families are multiplied."""
SLIDING, FULL = "sliding_attention", "full_attention"
N_OWN_ROWS = 10
"""How many of the last ids of ``gemma3n`` have no row of their own in the table of per-layer embeddings."""


def build_backbone(
    family: str, *, dtype: str = "float32", seed: int = 1, vocabulary_size: int = 300, **options: Any
) -> Any:
    """A Keras backbone of 3 to 7 layers with full attention among them, width 32, window 16.

    ``options`` replace arguments of the backbone's constructor.
    """
    keras.utils.set_random_seed(seed)
    name, arguments = describe_backbone(family, vocabulary_size)
    backbone = getattr(keras_nlp.models, name)(**arguments | {"dtype": dtype} | options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for variable in backbone.variables:
            noise = torch.randn(variable.shape, generator=generator, dtype=torch.float64)
            variable.value.add_((0.2 * noise).to(variable.value.dtype))
            if "correct_output_scale" in variable.path:  # starts at 0, unlike every other scale
                variable.value.add_(1)
            for part, factor in FACTORS.items():
                if part in variable.path and family in NEWER_FAMILIES:
                    variable.value.mul_(factor)
    return backbone


def describe_backbone(family: str, vocabulary_size: int) -> tuple[str, dict[str, Any]]:
    """The Keras class of a family and the constructor's arguments."""
    if family == "gemma3n":
        return "Gemma3nBackbone", describe_gemma3n(vocabulary_size)
    sizes: dict[str, Any] = {
        "vocabulary_size": vocabulary_size,
        "num_query_heads": 4,
        "num_key_value_heads": 1 if family == "gemma" else 2,
        "hidden_dim": 32,
        "intermediate_dim": 64,
        "head_dim": 16,
    }
    if family in NEWER_FAMILIES:
        return "Gemma4Backbone", sizes | describe_gemma4(family)
    second: dict[str, Any] = {
        "use_post_ffw_norm": True,
        "use_post_attention_norm": True,
        "use_sliding_window_attention": True,
        "sliding_window_size": 16,
    }
    match family:
        case "gemma":
            return "GemmaBackbone", {"num_layers": 3} | sizes
        case "gemma2":
            caps = {"attention_logit_soft_cap": 50.0, "final_logit_soft_cap": 30.0}
            return "GemmaBackbone", {"num_layers": 3} | sizes | second | caps
        case "gemma3":  # its sixth layer is its first global one
            scaling = {"image_size": None, "global_rope_scaling_factor": 8.0}
            return "Gemma3Backbone", {"num_layers": 7} | sizes | second | scaling
        case _:
            raise ValueError(family)


def describe_gemma4(family: str) -> dict[str, Any]:
    """What a kind of Gemma 4 has beside the sizes: full layers have wider heads that turn a quarter of their pairs."""
    common: dict[str, Any] = {
        "image_size": None,
        "final_logit_soft_cap": 30.0,
        "sliding_window_size": 16,
        "global_head_dim": 32,
        "global_rope_partial_rotary_factor": 0.25,
    }
    tied = {"num_global_key_value_heads": 1}  # which makes values of the full layers' keys
    own: dict[str, Any]
    match family:
        case "gemma4":
            own = tied | {"layer_types": [SLIDING, SLIDING, FULL, SLIDING, FULL]}
        case "gemma4_e":  # layers 4 to 6 read the keys and values of layers 2 and 3
            own = {
                "layer_types": [SLIDING, FULL, SLIDING, FULL, SLIDING, SLIDING, FULL],
                "num_kv_shared_layers": 3,
                "use_double_wide_mlp": True,
                "hidden_size_per_layer_input": 16,
            }
        case "gemma4_moe":
            experts = {"num_experts": 6, "num_experts_per_token": 2, "expert_intermediate_dim": 16}
            own = tied | {"layer_types": [SLIDING, FULL, SLIDING, FULL], "enable_moe_block": True} | experts
        case _:
            raise ValueError(family)
    return common | own | {"num_layers": len(own["layer_types"])}


def describe_gemma3n(vocabulary_size: int) -> dict[str, Any]:
    """Four streams over six layers; the first two are sparse, the last two read the keys and values of 2 and 3."""
    kinds = [SLIDING, FULL] * 3
    return {
        "text_vocab_size": vocabulary_size,
        "text_hidden_size": 32,
        "num_hidden_layers": len(kinds),
        "pad_token_id": 0,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": [64] * len(kinds),
        "hidden_activation": "gelu_approximate",
        "layer_types": kinds,
        "sliding_window": 16,
        "rope_theta": 1_000_000.0,
        "max_position_embeddings": 128,
        "vocab_size_per_layer_input": vocabulary_size - N_OWN_ROWS,
        "hidden_size_per_layer_input": 16,
        "altup_num_inputs": 4,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.7, 0.7, 0.0, 0.0, 0.0, 0.0],
        "altup_coef_clip": 120.0,
        "num_kv_shared_layers": 2,
        "final_logit_soft_cap": 30.0,
    }


def run_backbone(backbone: Any, ids: list[int]) -> torch.Tensor:
    """Logits [T, V] of the whole Keras model for a text."""
    tokens = torch.tensor([ids], dtype=torch.int32)
    inputs: dict[str, Any] = {"token_ids": tokens, "padding_mask": torch.ones_like(tokens)}
    owner = backbone
    if type(backbone).__name__ == "Gemma4Backbone":
        inputs["position_ids"] = torch.arange(len(ids), dtype=torch.int32)[None]
    elif type(backbone).__name__ == "Gemma3nBackbone":
        inputs["padding_mask"], owner = inputs["padding_mask"].bool(), backbone.language_model
    with torch.no_grad():
        return owner.token_embedding(backbone(inputs), reverse=True)[0]


def write_with_keras(backbone: Any, prompts: Sequence[Sequence[int]], n_new: int) -> list[list[int]]:
    """What Keras's own greedy generation writes after each prompt, by itself."""
    task = type(backbone).__name__.removesuffix("Backbone")
    causal_lm = getattr(keras_nlp.models, f"{task}CausalLM")(backbone=backbone, preprocessor=None)
    causal_lm.compile(sampler="greedy")
    written: list[list[int]] = []
    for prompt in prompts:
        room = torch.zeros(1, len(prompt) + n_new, dtype=torch.int32)
        room[0, : len(prompt)] = torch.tensor(prompt)
        mask = (torch.arange(room.shape[1]) < len(prompt))[None]
        with torch.no_grad():
            done = causal_lm.generate_step({"token_ids": room, "padding_mask": mask}, stop_token_ids=None)
        written.append(done["token_ids"][0, len(prompt) :].tolist())
    return written


def in_dtype(backbone: Any, dtype: str) -> Any:
    """Copy a backbone with its weights in another dtype."""
    copy = type(backbone).from_config({**backbone.get_config(), "dtype": dtype})
    with torch.no_grad():
        for target, source in zip(copy.variables, backbone.variables, strict=True):
            target.value.copy_(source.value)
    return copy


def draw_ids(n: int, *, seed: int = 3, vocabulary_size: int = 300) -> list[int]:
    """Random token ids, special ones left out."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, vocabulary_size, (n,), generator=generator).tolist()
