"""Which layers see all positions and which a window, and which borrow the keys and values of a layer below."""

from __future__ import annotations

import json
from typing import cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.transformers._keys import FULL, SLIDING
from promptlight.salience.loading.transformers._values import Values


def find_kinds(config: Values, n_layers: int, pattern: int) -> list[str]:
    """The kind of each layer: as listed, or every ``pattern``-th of full attention."""
    if config.values.get("layer_types") is None:
        return [SLIDING if (n + 1) % pattern else FULL for n in range(n_layers)]
    kinds = config.values["layer_types"]
    if not isinstance(kinds, list) or len(cast("list[object]", kinds)) != n_layers:
        raise config.refuse("layer_types", f"a list of {n_layers}, as num_hidden_layers says")
    for kind in cast("list[object]", kinds):
        if kind not in (FULL, SLIDING):
            raise ModelError(
                f"{config.place} has {json.dumps(kind)[:80]} in layer_types, which is not covered; expected {FULL} or"
                f" {SLIDING}"
            )
    return list(cast("list[str]", kinds))


def find_pattern(config: Values, default: int = 6) -> int:
    """Every how many layers one has full attention, if they are not listed."""
    pattern = config.count("sliding_window_pattern", default)
    if config.values.get("layer_types") is None and config.count("_sliding_window_pattern", pattern) != pattern:
        raise config.refuse("_sliding_window_pattern", f"{pattern}, or layer_types")
    return pattern


def find_windows(config: Values, kinds: list[str], default: int) -> list[int | None]:
    """How many positions each layer's queries see; None: all before them."""
    if SLIDING not in kinds:
        return [None] * len(kinds)
    window = config.count("sliding_window", default)
    if config.values.get("sliding_window_size", window) != window:
        raise config.refuse("sliding_window_size", f"{window}, as sliding_window says")
    return [window if kind == SLIDING else None for kind in kinds]


def find_sources(config: Values, kinds: list[str], default: int = 0) -> list[int | None]:
    """The layer whose keys and values each layer reads; None: its own.

    The last ``num_kv_shared_layers`` read those of the last layer of their kind below them all.
    """
    n_shared = config.count("num_kv_shared_layers", default, least=0)
    first = len(kinds) - n_shared
    if first < 1 or not set(kinds) <= set(kinds[:first]):
        raise config.refuse("num_kv_shared_layers", "a layer of each kind below those that share its keys and values")
    last = {kind: n for n, kind in enumerate(kinds[:first])}
    return [None] * first + [last[kind] for kind in kinds[first:]]
