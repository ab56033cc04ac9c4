"""From a GGUF header to what the decoder computes.

A header leaves out what llama.cpp knows by a model's family or size. That is stated here:

family    layers  differs from the rest of its family in
gemma2    46      query scale (D / N)^-0.5 = 144^-0.5, not H^-0.5                                       27B
gemma3    34, 48  global layers' positions divided by 8 (linear RoPE scaling)                           4B, 12B
gemma3    62      the same, and query scale (D / N)^-0.5 = 168^-0.5                                     27B

with width D, N query heads of width H. Where the header has a field for it, the header wins.
"""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptlight.salience.decoder.rope import Rope
from promptlight.salience.loading.architecture import Architecture, LayerOptions
from promptlight.salience.loading.gguf._family import ARCHITECTURE, find_gguf_family
from promptlight.salience.loading.gguf._fields import Fields
from promptlight.salience.loading.gguf._header import Header

EPSILON = 1e-6  # of all Gemmas; Ollama's files leave it out
LINEAR_SCALING = 8.0


@dataclass(frozen=True, kw_only=True)
class _Defaults:
    """What a family computes where a header does not say.

    Every ``period``-th layer sees the whole text, the others a window. ``local_wavelength`` is the RoPE base of those
    others, if it is another. By number of layers: ``scaled`` sizes, and those with a ``wide_scale`` of queries.
    """

    has_post_norms: bool
    has_head_norms: bool
    period: int | None = None
    window: int | None = None
    wavelength: float = 10_000.0
    local_wavelength: float | None = None
    attention_soft_cap: float | None = None
    final_soft_cap: float | None = None
    scaled: tuple[int, ...] = ()
    wide_scale: tuple[int, ...] = ()


_DEFAULTS = {
    "gemma": _Defaults(has_post_norms=False, has_head_norms=False),
    "gemma2": _Defaults(
        has_post_norms=True,
        has_head_norms=False,
        period=2,
        window=4096,
        attention_soft_cap=50.0,
        final_soft_cap=30.0,
        wide_scale=(46,),
    ),
    "gemma3": _Defaults(
        has_post_norms=True,
        has_head_norms=True,
        period=6,
        wavelength=1_000_000.0,
        local_wavelength=10_000.0,
        scaled=(34, 48, 62),
        wide_scale=(62,),
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
    n_keys = fields.size("attention.head_count_kv", n_heads)
    width, head_dim = fields.size("embedding_length"), _find_head_dim(fields, n_keys)
    rows = header.tensors["token_embd.weight"].shape[0] if "token_embd.weight" in header.tensors else 0
    if rows != fields.size("vocab_size", rows):
        raise fields.refused("vocab_size", f"the embedding has {rows} rows")
    return Architecture(
        vocabulary_size=rows,
        width=width,
        feedforward_width=fields.size("feed_forward_length"),
        n_query_heads=n_heads,
        n_key_value_heads=n_keys,
        head_dim=head_dim,
        layers=_read_layers(fields, defaults, n_layers, head_dim),
        epsilon=fields.number("attention.layer_norm_rms_epsilon") or EPSILON,
        query_scale=fields.number("attention.scale")
        or (width / n_heads if n_layers in defaults.wide_scale else head_dim) ** -0.5,
        attention_soft_cap=_soft_cap(fields, "attn_logit_softcapping", defaults.attention_soft_cap),
        final_soft_cap=_soft_cap(fields, "final_logit_softcapping", defaults.final_soft_cap),
        has_post_norms=defaults.has_post_norms,
        has_head_norms=defaults.has_head_norms,
        has_own_head="output.weight" in header.tensors,
        has_attention_bias=any(key.endswith(".bias") for key in header.tensors if key.startswith("blk.")),
        context_length=fields.size("context_length", family.context_length),
    )


def _refuse_other_models(fields: Fields) -> None:
    """Refuse what is no decoder that predicts the next token, or one that computes otherwise."""
    if fields.find("attention.causal") is False or fields.find("pooling_type") not in (None, 0):
        key = "pooling_type" if fields.find("attention.causal") is None else "attention.causal"
        raise fields.refused(key, "a model for embeddings is not covered: it predicts no next token")
    if fields.find("expert_count") not in (None, 0):
        raise fields.refused("expert_count", "a mixture of experts is not covered")


def _count_layers(header: Header) -> int:
    return len({name.split(".")[1] for name in header.tensors if name.startswith("blk.")})


def _find_head_dim(fields: Fields, n_key_value_heads: int) -> int:
    """The width of a head; where the header lacks it, as in Ollama's files, that of the key matrix says it."""
    key = fields.header.tensors.get("blk.0.attn_k.weight")
    head_dim = fields.size("attention.key_length", key.shape[0] // n_key_value_heads if key and key.shape else None)
    for other in ("attention.value_length", "rope.dimension_count"):
        if fields.size(other, head_dim) != head_dim:
            raise fields.refused(other, f"expected the width of a head, {head_dim}")
    if head_dim % 2:
        raise fields.refused("attention.key_length", "expected an even number, as halves are rotated")
    return head_dim


def _soft_cap(fields: Fields, key: str, default: float | None) -> float | None:
    return default if fields.find(key) is None else fields.number(key)


def _read_layers(fields: Fields, defaults: _Defaults, n_layers: int, head_dim: int) -> tuple[LayerOptions, ...]:
    wavelength = fields.number("rope.freq_base", "rope.global.freq_base") or defaults.wavelength
    scaling = _read_scaling(fields, LINEAR_SCALING if n_layers in defaults.scaled else 1.0)
    whole = LayerOptions(window=None, rope=Rope(head_dim, wavelength, scaling))
    if defaults.period is None:
        return (whole,) * n_layers
    local_rope = whole.rope
    if defaults.local_wavelength is not None:
        local = fields.number("rope.freq_base_swa", "rope.local.freq_base") or defaults.local_wavelength
        local_rope = Rope(head_dim, local, 1.0)
    local = LayerOptions(window=fields.size("attention.sliding_window", defaults.window), rope=local_rope)
    return tuple(local if one else whole for one in _read_pattern(fields, defaults.period, n_layers))


def _read_scaling(fields: Fields, default: float) -> float:
    """By how much positions are divided."""
    kind = fields.find("rope.scaling.type")
    if kind == "none":
        return 1.0
    if kind not in (None, "linear"):
        raise fields.refused("rope.scaling.type", "only linear is covered")
    return fields.number("rope.scaling.factor", "rope.scale_linear") or default


def _read_pattern(fields: Fields, period: int, n_layers: int) -> list[bool]:
    """For each layer, whether it sees a window alone."""
    pattern = fields.find("attention.sliding_window_pattern")
    if isinstance(pattern, np.ndarray):
        if len(pattern) != n_layers or not set(pattern.tolist()) <= {0, 1}:
            raise fields.refused("attention.sliding_window_pattern", f"expected yes or no for {n_layers} layers")
        return [bool(one) for one in pattern]
    period = fields.size("attention.sliding_window_pattern", period)
    return [(n + 1) % period != 0 for n in range(n_layers)]
