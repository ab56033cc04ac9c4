"""Gemma 3n's config.json: streams, per-layer embeddings, shared keys and values, sparse feed-forward layers."""

from __future__ import annotations

from statistics import NormalDist
from typing import cast

from promptlight.salience.loading.architecture import Architecture, LayerOptions, PerLayerSizes, StreamSizes
from promptlight.salience.loading.transformers._layer_kinds import (
    find_kinds,
    find_pattern,
    find_sources,
    find_windows,
)
from promptlight.salience.loading.transformers._rope import read_ropes
from promptlight.salience.loading.transformers._values import Values, unless

_SPARSITY, _N_SPARSE = 0.95, 10  # of the first layers, if the config has no pattern and more layers than these


def read_gemma3n(config: Values) -> Architecture:
    """The architecture of a Gemma 3n text model. Raises ModelError."""
    n_layers = config.count("num_hidden_layers", 35)
    head_dim = config.count("head_dim", 256)
    context_length = config.count("max_position_embeddings", 32_768)
    n_queries, n_keys = config.count("num_attention_heads", 8), config.count("num_key_value_heads", 2)
    if n_queries % n_keys:
        raise config.refuse("num_attention_heads", "a multiple of num_key_value_heads")
    widths = _find_widths(config, n_layers)
    return Architecture(
        vocabulary_size=config.count("vocab_size", 262_400),
        width=config.count("hidden_size", 2048),
        feedforward_width=widths[0],
        n_query_heads=n_queries,
        n_key_value_heads=n_keys,
        head_dim=head_dim,
        layers=_read_layers(config, widths, head_dim, context_length),
        epsilon=config.number("rms_norm_eps", 1e-6),
        query_scale=1.0,
        attention_soft_cap=None,
        final_soft_cap=config.optional("final_logit_softcapping", 30.0),
        has_post_norms=True,
        has_head_norms=True,
        has_own_head=not config.flag("tie_word_embeddings", default=True),
        has_attention_bias=False,
        context_length=context_length,
        norm_offset=0.0,
        has_value_norms=True,
        per_layer=PerLayerSizes(
            width=config.count("hidden_size_per_layer_input", 256),
            n_rows=config.count("vocab_size_per_layer_input", 262_144),
        ),
        streams=StreamSizes(
            n_streams=config.count("altup_num_inputs", 4, least=2), laurel_rank=config.count("laurel_rank", 64)
        ),
    )


def _read_layers(config: Values, widths: list[int], head_dim: int, context_length: int) -> tuple[LayerOptions, ...]:
    kinds = find_kinds(config, len(widths), find_pattern(config, 5))
    windows, sources = find_windows(config, kinds, 512), find_sources(config, kinds, 15)
    ropes, sparsities = read_ropes(config, head_dim, context_length), _find_sparsities(config, len(widths))
    return tuple(
        LayerOptions(
            window=windows[n],
            rope=ropes[kind],
            feedforward_width=unless(widths[n], widths[0]),
            source=sources[n],
            sparsity=sparsities[n],
        )
        for n, kind in enumerate(kinds)
    )


def _find_widths(config: Values, n_layers: int) -> list[int]:
    """The width of each layer's feed-forward network: one number for all, or a list."""
    widths = config.values.get("intermediate_size")
    if not isinstance(widths, list):
        return [config.count("intermediate_size", 16_384)] * n_layers
    found = cast("list[object]", widths)
    if len(found) != n_layers or not all(type(one) is int and one > 0 for one in found):
        raise config.refuse("intermediate_size", f"a width, or a list of {n_layers}, as num_hidden_layers says")
    return cast("list[int]", found)


def _find_sparsities(config: Values, n_layers: int) -> list[float | None]:
    """The cut-off of each layer's gate, in standard deviations above the mean; None: no cut-off.

    The config says which share of a normal distribution is cut off.
    """
    shares = config.values.get("activation_sparsity_pattern")
    if shares is None:
        n_sparse = _N_SPARSE if n_layers > _N_SPARSE else 0
        shares = [_SPARSITY] * n_sparse + [0.0] * (n_layers - n_sparse)
    if not isinstance(shares, list) or len(cast("list[object]", shares)) != n_layers:
        raise config.refuse("activation_sparsity_pattern", f"a list of {n_layers}, as num_hidden_layers says")
    for share in cast("list[object]", shares):
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share < 1:
            raise config.refuse("activation_sparsity_pattern", "shares of at least 0 and below 1")
    return [NormalDist().inv_cdf(share) if share else None for share in cast("list[float]", shares)]
