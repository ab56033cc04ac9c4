"""Stop texts: end a completion before the first of some texts. Only whole tokens are kept.

    stop text   '\\nRec'
    pieces      ▁eggs     .    \\n    Rec    ommend
    text        ' eggs'   '.'  '\\n'  'Rec'           nothing after 'Rec' is written
    kept        ▁eggs     .

A token that the stop text begins in is dropped whole, because tokens are never made anew from text: with the stop text
``Rec``, a token ``▁Rec`` takes its blank along. Every token that is kept is one that the model wrote. A mark such as
``<start_of_turn>`` has no text; a stop text that is its name ends a completion there.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from promptlight.salience.text.pieces import is_byte_piece, lay_out, piece_text
from promptlight.salience.text.tokenizer import Tokenizer


class StopWatch:
    """Watches a completion token by token for the first of some texts."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = stops
        self._longest = max(map(len, stops), default=0)
        self._tail = ""  # the last characters so far, as many as may begin a stop text
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")  # of a character that is not complete yet

    def sees(self, id: int) -> bool:
        """Add the next token; returns whether a stop text is complete."""
        if not self._stops:
            return False
        (piece,), is_special = self._tokenizer.pieces([id]), self._tokenizer.is_special(id)
        text = self._tail + self._decode(piece, is_special)
        self._tail = text[max(0, len(text) - self._longest + 1) :]
        return any(stop in text for stop in self._stops) or (is_special and piece in self._stops)

    def _decode(self, piece: str, is_special: bool) -> str:
        """The characters that a token completes."""
        if is_special:
            return self._bytes.decode(b"", True)
        if is_byte_piece(piece):
            return self._bytes.decode(bytes([int(piece[3:5], 16)]))
        return self._bytes.decode(b"", True) + piece_text(piece)


def cut_at_stop(tokenizer: Tokenizer, ids: Sequence[int], stops: Sequence[str]) -> tuple[int, str] | None:
    """How many of a completion's tokens end before the first stop text, and that text; None if there is none in it.

    Of stop texts that begin at the same place, the one that is listed first counts.
    """
    pieces, special = tokenizer.pieces(list(ids)), [tokenizer.is_special(id) for id in ids]
    layout = lay_out(pieces, special)
    marks = {piece: place for place, piece in reversed(list(enumerate(pieces))) if special[place]}
    found: list[tuple[int, int, int]] = []
    for number, stop in enumerate(stops):
        if (start := layout.text.find(stop)) >= 0:
            found.append((sum(end <= start for _, end in layout.ranges), start, number))
        if stop in marks:
            found.append((marks[stop], layout.ranges[marks[stop]][0], number))
    if not found:
        return None
    n_kept, _, number = min(found)
    return n_kept, stops[number]
