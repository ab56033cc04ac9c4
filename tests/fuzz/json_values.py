"""JSON values of some keys and leaves: from a fuzzer's bytes, and for Hypothesis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st


def build_value(rest: Iterator[int], keys: Sequence[str], leaves: Sequence[Any], depth: int = 0) -> Any:
    """A leaf; or, by bytes of 200 and more, a list or an object of up to three values."""
    how = next(rest, 0)
    if how < 200 or depth == 4:
        return leaves[how % len(leaves)]
    if how < 225:
        return [build_value(rest, keys, leaves, depth + 1) for _ in range(how % 4)]
    return {keys[next(rest, 0) % len(keys)]: build_value(rest, keys, leaves, depth + 1) for _ in range(how % 4)}


def draw_values(keys: Sequence[str], leaves: Sequence[Any]) -> st.SearchStrategy[Any]:
    """The same values, for Hypothesis."""

    def nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=3)

    return st.recursive(st.sampled_from(leaves), nest, max_leaves=6)
