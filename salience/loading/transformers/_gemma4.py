"""Gemma 4's config.json: heads by the kind of layer, shared keys and values, per-layer embeddings, experts.

Layers of full attention have wider heads, in two spellings: ``global_head_dim`` and ``num_global_key_value_heads``, as
the models are published, or ``per_layer_config`` with the layers that differ, as transformers 5.15 and later write it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, ExpertSizes, LayerOptions, PerLayerSizes
from promptlight.salience.loading.transformers._keys import FULL
from promptlight.salience.loading.transformers._layer_kinds import (
    find_kinds,
    find_pattern,
    find_sources,
    find_windows,
)
from promptlight.salience.loading.transformers._rope import read_ropes_in_4
from promptlight.salience.loading.transformers._values import Values, unless

_HeadSizes = tuple[int, int]  # width, and number of key heads
_HEAD_KEYS = ("head_dim", "num_key_value_heads")


def read_gemma4(config: Values, known: Mapping[str, Any]) -> Architecture:
    """The architecture of a Gemma 4 text model; ``known`` has the defaults of its model_type. Raises ModelError.

    A model_type without a default for ``hidden_size_per_layer_input`` has neither a table for layers nor experts.
    """
    kinds = find_kinds(config, config.count("num_hidden_layers", 30), find_pattern(config))
    kinds[-1] = FULL  # whatever the list says, so does transformers
    n_queries, head_sizes = config.count("num_attention_heads", 8), _find_head_sizes(config, kinds)
    if any(n_queries % n_keys for _, n_keys in head_sizes.values()):
        raise config.refuse("num_attention_heads", "a multiple of the number of key heads in every layer")
    context_length = config.count("max_position_embeddings", known["max_position_embeddings"])
    has_extras = "hidden_size_per_layer_input" in known
    return Architecture(
        vocabulary_size=config.count("vocab_size", 262_144),
        width=config.count("hidden_size", 2304),
        feedforward_width=config.count("intermediate_size", 9216),
        n_query_heads=n_queries,
        n_key_value_heads=config.count("num_key_value_heads", 4),
        head_dim=config.count("head_dim", 256),
        layers=_read_layers(config, kinds, head_sizes, context_length, known["sliding_window"]),
        epsilon=config.number("rms_norm_eps", 1e-6),
        query_scale=1.0,
        attention_soft_cap=None,
        final_soft_cap=config.optional("final_logit_softcapping"),
        has_post_norms=True,
        has_head_norms=True,
        has_own_head=not config.flag("tie_word_embeddings", default=True),
        has_attention_bias=False,
        context_length=context_length,
        norm_offset=0.0,
        has_value_norms=True,
        has_layer_scales=True,
        per_layer=_read_per_layer(config, known["hidden_size_per_layer_input"]) if has_extras else None,
        experts=_read_experts(config) if has_extras else None,
    )


def _read_layers(
    config: Values, kinds: list[str], head_sizes: Mapping[str, _HeadSizes], context_length: int, window: int
) -> tuple[LayerOptions, ...]:
    windows, sources = find_windows(config, kinds, window), find_sources(config, kinds)
    ropes = read_ropes_in_4(config, {kind: head_dim for kind, (head_dim, _) in head_sizes.items()}, context_length)
    ties_values = config.flag("attention_k_eq_v", default=False)
    widens = config.flag("use_double_wide_mlp", default=False)
    width = config.count("intermediate_size", 9216)
    return tuple(
        LayerOptions(
            window=windows[n],
            rope=ropes[kind],
            head_dim=unless(head_sizes[kind][0], config.count("head_dim", 256)),
            n_key_value_heads=unless(head_sizes[kind][1], config.count("num_key_value_heads", 4)),
            feedforward_width=2 * width if widens and sources[n] is not None else None,
            ties_values=ties_values and kind == FULL and sources[n] is None,
            source=sources[n],
        )
        for n, kind in enumerate(kinds)
    )


def _find_head_sizes(config: Values, kinds: list[str]) -> dict[str, _HeadSizes]:
    """The width of heads and the number of key heads for each kind of layer that there is."""
    usual = config.count("head_dim", 256), config.count("num_key_value_heads", 4)
    head_dim, n_keys = config.count("global_head_dim", 512), usual[1]
    # with separate values, transformers does not read the number
    has_number = config.flag("attention_k_eq_v", default=False) and (
        config.values.get("num_global_key_value_heads") is not None
    )
    if has_number:
        n_keys = config.count("num_global_key_value_heads")
    if "per_layer_config" not in config:
        return {kind: (head_dim, n_keys) if kind == FULL else usual for kind in kinds}
    overrides = _list_overrides(config, len(kinds))
    sizes = {kind: _read_head_sizes(overrides[n], usual) for n, kind in enumerate(kinds)}
    for n, kind in enumerate(kinds):
        if _read_head_sizes(overrides[n], usual) != sizes[kind]:
            raise config.refuse("per_layer_config", f"the same sizes for all layers of {kind}")
    if "global_head_dim" in config and head_dim != sizes[FULL][0]:
        raise config.refuse("global_head_dim", f"{sizes[FULL][0]}, as per_layer_config says")
    if has_number and n_keys != sizes[FULL][1]:
        raise config.refuse("num_global_key_value_heads", f"{sizes[FULL][1]}, as per_layer_config says")
    return sizes


def _list_overrides(config: Values, n_layers: int) -> list[Values]:
    """What ``per_layer_config`` says of each layer: nothing, or other numbers than the model's."""
    given = config.values["per_layer_config"]
    if not isinstance(given, dict):
        raise config.refuse("per_layer_config", "an object")
    found = [Values({}, config.place)] * n_layers
    for key, values in cast("dict[str, Any]", given).items():
        place = f"{config.place}: per_layer_config.{key}"
        if not (key.isdecimal() and int(key) < n_layers and isinstance(values, dict)):
            raise ModelError(f"{place} is not covered; expected objects by a layer's number, below {n_layers}")
        found[int(key)] = Values(cast("dict[str, Any]", values), place)
    return found


def _read_head_sizes(layer: Values, usual: _HeadSizes) -> _HeadSizes:
    for key, value in layer.values.items():
        if key not in _HEAD_KEYS:
            raise ModelError(
                f"{layer.place} has {key} {json.dumps(value)[:80]}, which is not covered; expected"
                f" {' and '.join(_HEAD_KEYS)}"
            )
    return layer.count("head_dim", usual[0]), layer.count("num_key_value_heads", usual[1])


def _read_per_layer(config: Values, default: int) -> PerLayerSizes | None:
    width = config.count("hidden_size_per_layer_input", default, least=0)
    n_rows = config.count("vocab_size_per_layer_input", 262_144)
    return PerLayerSizes(width=width, n_rows=n_rows) if width else None


def _read_experts(config: Values) -> ExpertSizes | None:
    if not config.flag("enable_moe_block", default=False):
        return None
    n_experts, n_chosen = config.count("num_experts"), config.count("top_k_experts")
    if n_chosen > n_experts:
        raise config.refuse("top_k_experts", f"at most {n_experts}, as num_experts says")
    return ExpertSizes(n_experts=n_experts, n_chosen=n_chosen, width=config.count("moe_intermediate_size"))
