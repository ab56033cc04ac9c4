"""Stop texts: end a completion before the first of some texts. Only whole tokens are kept.

    stop text   '\\nRec'
    pieces      ▁eggs     .    \\n    Rec    ommend
    text        ' eggs'   '.'  '\\n'  'Rec'           nothing after 'Rec' is written
    kept        ▁eggs     .

A token that the stop text begins in is dropped whole, because tokens are never made anew from text: with the stop text
``Rec``, a token ``▁Rec`` takes its blank along. Every token that is kept is one that the model wrote.
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
        text = self._tail + self._decode(id)
        self._tail = text[max(0, len(text) - self._longest + 1) :]
        return any(stop in text for stop in self._stops)

    def _decode(self, id: int) -> str:
        """The characters that a token completes."""
        (piece,) = self._tokenizer.pieces([id])
        if self._tokenizer.is_special(id):
            return self._bytes.decode(b"", True)
        if is_byte_piece(piece):
            return self._bytes.decode(bytes([int(piece[3:5], 16)]))
        return self._bytes.decode(b"", True) + piece_text(piece)


def cut_at_stop(tokenizer: Tokenizer, ids: Sequence[int], stops: Sequence[str]) -> tuple[int, str] | None:
    """How many of a completion's tokens end before the first stop text, and that text; None if there is none in it.

    Of stop texts that begin at the same place, the one that is listed first counts.
    """
    layout = lay_out(tokenizer.pieces(list(ids)), [tokenizer.is_special(id) for id in ids])
    found = [(place, number) for number, stop in enumerate(stops) if (place := layout.text.find(stop)) >= 0]
    if not found:
        return None
    place, number = min(found)
    return sum(stop <= place for _, stop in layout.ranges), stops[number]
