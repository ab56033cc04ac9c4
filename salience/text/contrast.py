"""Why this and not that: which tokens of the completion are contrasted with which tokens of a foil.

A foil (Lipton 1990; for language models Yin and Neubig 2022, arXiv:2202.10419) is a text that the model might have
written instead. The explained quantity is then log p(target) - log p(foil), each given the same prompt and its own
earlier tokens.

The two token sequences start with the same tokens. Let d be the first position where they differ, a the position after
the target's last token, and b the position after the foil's last token:

    position      0 ...                d    d+1   d+2
    target        <bos> ... not:       _You _have _to   a = d + 3
    foil          <bos> ... not:       _Av  oid         b = d + 2
    row           no contrast, zero    t-f  t-f   t

 - Before d, both have the same tokens: log-probabilities cancel, rows are zero.
 - From d on, the target's token is contrasted with the foil's token at the same position.
 - If the target is longer, its remaining tokens have no counterpart. If the foil is longer, its remaining tokens are
   contrasted with the target's last token. So the rows add up to the whole contrast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

AUTO = "auto"
GOLD = "gold"  # the right answer that an evaluation's log has for each record
ARROW = "=>"


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The foil's sequence: its ``ids``, how many of them are ``shared``, and where the target ends (``stop``).

    Positions count tokens from the start of either sequence.
    """

    ids: tuple[int, ...]
    shared: int
    stop: int

    def against(self, start: int, stop: int) -> tuple[int, int]:
        """The range of the foil's positions that is contrasted with the target's tokens start..stop."""
        start, stop = max(start, self.shared), min(stop, self.stop)
        if start >= stop:
            return (len(self.ids), len(self.ids))
        last = len(self.ids) if stop == self.stop else min(stop, len(self.ids))
        return min(start, last), last


def split_request(request: str) -> tuple[str | None, str]:
    """Split ``TARGET=>FOIL``; the target of a plain foil is None. Raises ValueError if one side is empty."""
    target, arrow, foil = request.partition(ARROW)
    if not arrow:
        return None, request
    if not target or not foil:
        raise ValueError(f"expected a foil as TARGET{ARROW}FOIL, found {request!r}; fill in both sides")
    return target, foil


def contrast_ids(ids: Sequence[int], start: int, stop: int, foil_ids: Sequence[int]) -> Contrast:
    """Contrast tokens start..stop of a sequence with a foil in their place.

    Raises ValueError if the foil equals the target or begins with all of it: then no token differs.
    """
    others = [*ids[:start], *foil_ids]
    shared = next((place for place in range(start, min(stop, len(others))) if ids[place] != others[place]), None)
    if shared is None:
        shared = min(stop, len(others))
    if shared == stop:
        raise ValueError("expected a foil that differs from the target, found one that begins with all of it")
    return Contrast(ids=tuple(others), shared=shared, stop=stop)
