"""Why this and not that: which of the completion's tokens stand against which tokens of a foil.

A foil (Lipton 1990; for language models Yin and Neubig 2022, arXiv:2202.10419) is what might have been written instead.
The explained quantity is then log p(target) - log p(foil), each given the same prompt and its own earlier tokens.

Both continuations are token sequences that begin alike. With d their first different position, a the position behind
the target's last token and b the one behind the foil's:

    position      0 ...                d    d+1   d+2
    target        <bos> ... not:       _You _have _to   a = d + 3
    foil          <bos> ... not:       _Av  oid         b = d + 2
    row           no contrast, zero    t-f  t-f   t

 - Tokens before d are the same in both: their log-probabilities cancel, their rows are zero.
 - From d on, the target's token at a position stands against the foil's token at the same position.
 - What the target has beyond the foil stands alone; what the foil has beyond the target stands against the target's
   last token. So the rows add up to the whole contrast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

AUTO = "auto"
ARROW = "=>"


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The foil's sequence: all of its ``ids``, how many of them are ``shared``, and where the target ends (``stop``).

    Positions count tokens of either sequence from its start.
    """

    ids: tuple[int, ...]
    shared: int
    stop: int

    def against(self, start: int, stop: int) -> tuple[int, int]:
        """The foil's tokens, as a range of positions, that stand against the target's start..stop."""
        start, stop = max(start, self.shared), min(stop, self.stop)
        if start >= stop:
            return (len(self.ids), len(self.ids))
        last = len(self.ids) if stop == self.stop else min(stop, len(self.ids))
        return min(start, last), last


def split_request(request: str) -> tuple[str | None, str]:
    """``TARGET=>FOIL`` as a pair; a plain foil has no target of its own. Raises ValueError for half a pair."""
    target, arrow, foil = request.partition(ARROW)
    if not arrow:
        return None, request
    if not target or not foil:
        raise ValueError(f"expected a foil as TARGET{ARROW}FOIL, found {request!r}; fill in both sides")
    return target, foil


def contrast_ids(ids: Sequence[int], start: int, stop: int, foil_ids: Sequence[int]) -> Contrast:
    """The contrast of tokens start..stop of a sequence with a foil in their place.

    Raises ValueError if the foil says the same, or all of the target and then more: no token of the target is then less
    likely for it.
    """
    others = [*ids[:start], *foil_ids]
    shared = next((place for place in range(start, min(stop, len(others))) if ids[place] != others[place]), None)
    if shared is None:
        shared = min(stop, len(others))
    if shared == stop:
        raise ValueError("expected a foil that differs from the target, found one that begins with all of it")
    return Contrast(ids=tuple(others), shared=shared, stop=stop)
