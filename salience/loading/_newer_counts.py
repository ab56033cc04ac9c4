"""Count the parameters of Gemma 4 and Gemma 3n from the config of a Keras preset, without norms and single numbers.

With V pieces, width D, feed-forward width F, N query heads and K key heads of width H in a layer:

    V D  +  for each layer  2 N H D  (queries, output)  +  2 K H D  (keys, values)  +  3 D F

What differs from layer to layer: full attention has its own H and, if it makes values of keys, its own K and K H D for
both. A layer that reads the keys and values of another has none in Gemma 4; in Gemma 3n's files it has unused ones.
Beside that, a model may have

    experts          E + 3 E I in a layer, times D
    per-layer input  2 D P in a layer, and D L P; and a table of [rows, L P] that is never loaded
    streams (3n)     in a layer  D S + S^3 + S^2 + 2 D R, and 2 (S - 1) D D
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_FULL = "full_attention"


@dataclass(frozen=True)
class Counts:
    """The numbers of a model's embedding, of all that is loaded (with the embedding), and of the per-layer table."""

    embedding: int
    loaded: int
    table: int


def count_gemma4(sizes: Mapping[str, Any]) -> Counts | None:
    """The counts of a ``Gemma4Backbone``; None if its config lacks a size."""
    names = ("vocabulary_size", "hidden_dim", "num_layers", "num_query_heads", "num_key_value_heads", "head_dim")
    found = _find_counts(sizes, *names, "intermediate_dim")
    if found is None:
        return None
    pieces, width, n_layers, queries, keys, head, inner = found
    n_own = n_layers - _get(sizes, "num_kv_shared_layers")
    tied, total = _get(sizes, "num_global_key_value_heads"), 0
    for n, is_full in enumerate(_find_kinds(sizes, n_layers)):
        of_head = (_get(sizes, "global_head_dim") or head) if is_full else head
        key_value = tied if is_full and tied else 2 * keys
        is_shared = n >= n_own
        total += width * of_head * (2 * queries + (0 if is_shared else key_value))
        total += 3 * width * inner * (2 if is_shared and sizes.get("use_double_wide_mlp") else 1)
    if sizes.get("enable_moe_block"):
        of_experts = _get(sizes, "num_experts") * (1 + 3 * _get(sizes, "expert_intermediate_dim"))
        total += n_layers * width * of_experts
    return _add_table(sizes, total, pieces, width, n_layers)


def count_gemma3n(sizes: Mapping[str, Any]) -> Counts | None:
    """The counts of a ``Gemma3nBackbone``; None if its config lacks a size."""
    names = ("text_vocab_size", "text_hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    found = _find_counts(sizes, *names, "head_dim", "altup_num_inputs", "laurel_rank")
    inner: Any = sizes.get("intermediate_size")
    if found is None or not isinstance(inner, list):
        return None
    pieces, width, n_layers, queries, keys, head, streams, rank = found
    total = 2 * width * head * n_layers * (queries + keys) + 3 * width * sum(_only_counts(cast("list[Any]", inner)))
    total += n_layers * (width * streams + streams**3 + streams**2 + 2 * width * rank)
    total += 2 * (streams - 1) * width * width
    return _add_table(sizes, total, pieces, width, n_layers)


def _add_table(sizes: Mapping[str, Any], of_layers: int, pieces: int, width: int, n_layers: int) -> Counts:
    """The counts with what the layers have, and with the per-layer input if there is one."""
    of_token = n_layers * _get(sizes, "hidden_size_per_layer_input")
    rows = _get(sizes, "vocab_size_per_layer_input") or pieces
    embedding = pieces * width
    return Counts(embedding, embedding + of_layers + 3 * width * of_token, rows * of_token)


def _find_kinds(sizes: Mapping[str, Any], n_layers: int) -> list[bool]:
    """For each layer, whether it has full attention."""
    kinds, period = sizes.get("layer_types"), _get(sizes, "sliding_window_pattern") or 6
    if isinstance(kinds, list):
        return [kind == _FULL for kind in cast("list[object]", kinds)]
    return [(n + 1) % period == 0 for n in range(n_layers)]


def _get(sizes: Mapping[str, Any], name: str) -> int:
    """A count that may be missing: 0 then."""
    return next(iter(_only_counts([sizes.get(name)])), 0)


def _only_counts(values: list[Any]) -> list[int]:
    return [one for one in values if isinstance(one, int)]


def _find_counts(sizes: Mapping[str, Any], *names: str) -> list[int] | None:
    found = [sizes.get(name) for name in names]
    return cast("list[int]", found) if all(isinstance(one, int) for one in found) else None
