"""LIT's rules for cutting a text, faults included, for results that must equal LIT's (``Compat.LIT``).

LIT joins the pieces of all tokens, ``<bos>`` and line feeds included, and cuts prompt and completion as one text. Its
patterns mark places. A token that reaches past the next place starts a segment and uses up that place. So if a token
contains two places, the second one starts a segment at the next token. For words, sentences and patterns, a place is
the start of a match. For lines and paragraphs, it is the start or the end of a run of line feeds, so each run becomes a
segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import regex

from promptlight.salience.text.patterns import find_matches
from promptlight.salience.types import Cut, Granularity, Pattern

_STARTS = {
    Granularity.WORD: regex.compile(r"[▁\s]+|(?<=\n)[^\n]"),
    Granularity.SENTENCE: regex.compile(r"\n+|(?<=\n)[^\n]|(?<=[.?!])[▁\s]+"),
}
_SEPARATORS = {
    Granularity.LINE: regex.compile(r"\n+"),
    Granularity.PARAGRAPH: regex.compile(r"\n\n+"),
}


def find_bounds(pieces: Sequence[str], cut: Cut) -> tuple[int, ...]:
    """The bounds of LIT's segments of T pieces: 0, ..., T."""
    if cut is Granularity.TOKEN:
        return tuple(range(len(pieces) + 1))
    places = _find_places("".join(pieces), cut)
    place, stop = next(places, None), 0
    starts = [0]
    for number, piece in enumerate(pieces):
        stop += len(piece)
        if place is not None and stop > place:
            place = next(places, None)
            starts += [number] if number else []
    return (*starts, len(pieces))


def _find_places(text: str, cut: Cut) -> Iterator[int]:
    """The places where segments should start, in order."""
    if isinstance(cut, Pattern):
        for start, _ in find_matches(cut.expression, text, f"{cut}: expected a regular expression"):
            yield start
    elif cut in _STARTS:
        for found in _STARTS[cut].finditer(text):
            yield found.start()
    else:
        for found in _SEPARATORS[cut].finditer(text):
            yield from found.span()
