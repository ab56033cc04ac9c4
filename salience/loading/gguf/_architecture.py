"""From a GGUF header to what the decoder computes.

A header leaves out what llama.cpp knows by a model's family or size. That is stated here:

family    layers  differs from the rest of its family in
gemma2    46      query scale (D / N)^-0.5 = 144^-0.5, not H^-0.5                                       27B
gemma3    34, 48  global layers' positions divided by 8 (linear RoPE scaling)                           4B, 12B
gemma3    62      the same, and query scale (D / N)^-0.5 = 168^-0.5                                     27B

with width D, N query heads of width H. Where the header has a field for it, the header wins. The models of Gemma 4
(dense, E-series, mixture of experts) have one name; what they have is told by the header's fields and tensors.
"""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, ExpertSizes, PerLayerSizes, StreamSizes
from promptlight.salience.loading.gguf._family import ARCHITECTURE, find_gguf_family
from promptlight.salience.loading.gguf._fields import Fields
from promptlight.salience.loading.gguf._header import Header
from promptlight.salience.loading.gguf._layers import Heads, LayerDefaults, read_layers
from promptlight.salience.loading.gguf._names import TABLE, name_in_file

EPSILON = 1e-6  # of all Gemmas; Ollama's files leave it out


@dataclass(frozen=True, kw_only=True)
class _Defaults:
    """What a family computes where a header does not say.

    ``is_newer``: Gemma 3n and 4, whose norms have no 1 added, whose values have a norm and whose queries no scale.
    ``wide_scale``: numbers of layers of models whose queries are scaled by their width.
    """

    layers: LayerDefaults
    has_post_norms: bool = True
    has_head_norms: bool = True
    is_newer: bool = False
    attention_soft_cap: float | None = None
    final_soft_cap: float | None = None
    wide_scale: tuple[int, ...] = ()


_DEFAULTS = {
    "gemma": _Defaults(layers=LayerDefaults(), has_post_norms=False, has_head_norms=False),
    "gemma2": _Defaults(
        layers=LayerDefaults(period=2, window=4096),
        has_head_norms=False,
        attention_soft_cap=50.0,
        final_soft_cap=30.0,
        wide_scale=(46,),
    ),
    "gemma3": _Defaults(
        layers=LayerDefaults(period=6, wavelength=1e6, local_wavelength=1e4, scaled=(34, 48, 62)),
        wide_scale=(62,),
    ),
    "gemma3n": _Defaults(
        layers=LayerDefaults(period=5, wavelength=1e6, local_wavelength=1e4),
        is_newer=True,
        final_soft_cap=30.0,
    ),
    "gemma4": _Defaults(
        layers=LayerDefaults(needs_pattern=True, wavelength=1e6, local_wavelength=1e4, has_wide_heads=True),
        is_newer=True,
        final_soft_cap=30.0,
    ),
}


def read_architecture(header: Header) -> Architecture:
    """What the model of a GGUF file computes. Raises ModelError for a field that is unknown or makes no sense."""
    family = find_gguf_family(header)
    name = str(header.fields[ARCHITECTURE])
    fields, defaults = Fields(header, name), _DEFAULTS[name]
    fields.refuse_unknown()
    _refuse_other_models(fields)
    n_layers, n_heads = fields.size("block_count"), fields.size("attention.head_count")
    if n_layers != (found := _count_layers(header)):
        raise fields.refused("block_count", f"the file has tensors of {found} layers")
    width, heads = fields.size("embedding_length"), _find_heads(fields, defaults, n_layers, n_heads)
    head_dim = heads.local
    return Architecture(
        vocabulary_size=_count_pieces(fields),
        width=width,
        feedforward_width=fields.sizes("feed_forward_length", n_layers)[0],
        n_query_heads=n_heads,
        n_key_value_heads=heads.n_key_value[0],
        head_dim=head_dim,
        layers=read_layers(fields, defaults.layers, n_layers, heads),
        epsilon=fields.number("attention.layer_norm_rms_epsilon") or EPSILON,
        query_scale=fields.number("attention.scale")
        or (1.0 if defaults.is_newer else (width / n_heads if n_layers in defaults.wide_scale else head_dim) ** -0.5),
        attention_soft_cap=_soft_cap(fields, "attn_logit_softcapping", defaults.attention_soft_cap),
        final_soft_cap=_soft_cap(fields, "final_logit_softcapping", defaults.final_soft_cap),
        has_post_norms=defaults.has_post_norms,
        has_head_norms=defaults.has_head_norms,
        has_own_head="output.weight" in header.tensors,
        has_attention_bias=any(key.endswith(".bias") for key in header.tensors if key.startswith("blk.")),
        context_length=fields.size("context_length", family.context_length),
        norm_offset=0.0 if defaults.is_newer else 1.0,
        has_value_norms=defaults.is_newer,
        has_layer_scales=name == "gemma4" and name_in_file("layers.0.scale") in header.tensors,
        per_layer=_find_per_layer(fields),
        experts=_find_experts(fields),
        streams=_find_streams(fields),
    )


def _refuse_other_models(fields: Fields) -> None:
    """Refuse what is no decoder that predicts the next token, or one that computes otherwise."""
    if fields.find("attention.causal") is False or fields.find("pooling_type") not in (None, 0):
        key = "pooling_type" if fields.find("attention.causal") is None else "attention.causal"
        raise fields.refused(key, "a model for embeddings is not covered: it predicts no next token")
    if fields.find("expert_count") not in (None, 0) and fields.architecture != "gemma4":
        raise fields.refused("expert_count", "a mixture of experts is not covered")
    if fields.count("altup.active_idx") or fields.find("altup.correct_scale") is False:
        key = "altup.active_idx" if fields.count("altup.active_idx") else "altup.correct_scale"
        raise fields.refused(key, "which no published Gemma 3n has and is not covered")


def _count_layers(header: Header) -> int:
    return len({name.split(".")[1] for name in header.tensors if name.startswith("blk.")})


def _count_pieces(fields: Fields) -> int:
    embedding = fields.header.tensors.get("token_embd.weight")
    n_rows = embedding.shape[0] if embedding and embedding.shape else 0
    if n_rows != fields.size("vocab_size", n_rows):
        raise fields.refused("vocab_size", f"the embedding has {n_rows} rows")
    return n_rows


def _find_heads(fields: Fields, defaults: _Defaults, n_layers: int, n_heads: int) -> Heads:
    n_key_value = fields.sizes("attention.head_count_kv", n_layers, n_heads)
    key = fields.header.tensors.get("blk.0.attn_k.weight")
    found = key.shape[0] // n_key_value[0] if key and key.shape and not defaults.layers.has_wide_heads else None
    whole = _find_head_dim(fields, "", found if fields.find("head_dim") is None else fields.size("head_dim"))
    local = _find_head_dim(fields, "_swa", None) if defaults.layers.has_wide_heads else whole
    return Heads(local=local, whole=whole, n_key_value=n_key_value)


def _find_head_dim(fields: Fields, ending: str, found: int | None) -> int:
    """The width of a head; Ollama's files leave it out where the key matrix says it."""
    head_dim = fields.size(f"attention.key_length{ending}", found)
    for other in (f"attention.value_length{ending}", f"rope.dimension_count{ending}"):
        if fields.size(other, head_dim) != head_dim:
            raise fields.refused(other, f"expected the width of a head, {head_dim}")
    if head_dim % 2:
        raise fields.refused(f"attention.key_length{ending}", "expected an even number, as halves are rotated")
    return head_dim


def _soft_cap(fields: Fields, key: str, default: float | None) -> float | None:
    return default if fields.find(key) is None else fields.number(key)


def _find_per_layer(fields: Fields) -> PerLayerSizes | None:
    """The sizes of the per-layer embedding: every Gemma 3n and the E-series of Gemma 4 have one."""
    key = "embedding_length_per_layer_input"
    if not fields.count(key):
        if fields.architecture == "gemma3n":
            raise fields.missing(key)
        return None
    table = fields.header.tensors.get(TABLE)
    if table is None or not table.shape:
        raise ModelError(f"{fields.header.name}: not whole: it has no {TABLE}")
    return PerLayerSizes(width=fields.size(key), n_rows=table.shape[0])


def _find_experts(fields: Fields) -> ExpertSizes | None:
    if fields.find("expert_count") in (None, 0):
        return None
    n_experts, n_chosen = fields.size("expert_count"), fields.size("expert_used_count")
    if n_chosen > n_experts:
        raise fields.refused("expert_used_count", f"expected at most the number of experts, {n_experts}")
    return ExpertSizes(n_experts=n_experts, n_chosen=n_chosen, width=fields.size("expert_feed_forward_length"))


def _find_streams(fields: Fields) -> StreamSizes | None:
    """The sizes of Gemma 3n's streams and of its low-rank residual, whose rank the tensor alone says."""
    if fields.architecture != "gemma3n":
        return None
    laurel = fields.header.tensors.get(name_in_file("layers.0.laurel_left"))
    if laurel is None or not laurel.shape:
        raise ModelError(f"{fields.header.name}: not whole: it has no {name_in_file('layers.0.laurel_left')}")
    return StreamSizes(n_streams=fields.size("altup.num_inputs"), laurel_rank=laurel.shape[0])
