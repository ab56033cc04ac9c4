"""LIT's rules for cutting a text, with their faults, for results that have to equal LIT's (``--compat lit``).

LIT cuts the pieces of all tokens, ``<bos>`` and line feeds included, prompt and completion as one text. Its patterns
mark places; a token that reaches past the next place opens a segment and uses that place up, so of two places in one
token the second one opens a segment at the next token. For words, sentences and patterns the places are where matches
start; for lines and paragraphs, where runs of line feeds start and end, which makes each run a segment.
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
    """Where a segment is to start, in order."""
    if isinstance(cut, Pattern):
        for start, _ in find_matches(cut.expression, text, f"{cut}: expected a regular expression"):
            yield start
    elif cut in _STARTS:
        for found in _STARTS[cut].finditer(text):
            yield found.start()
    else:
        for found in _SEPARATORS[cut].finditer(text):
            yield from found.span()
