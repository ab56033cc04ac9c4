"""From vocabulary pieces to text, with the exact range of characters that each token covers.

SentencePiece writes a space as ``▁`` and a character that is not in its vocabulary as byte pieces, ``<0xF0>`` and
so on. Several byte tokens make one character: the first of them gets the character's range, the others the empty
range behind it. So the ranges always tile the text:

    pieces   ▁eat   ▁   <0xF0>  <0x9F>  <0x8D>  <0x95>  !
    text     ' eat' ' '  '🍕'                            '!'
    ranges   0-4    4-5  5-6     6-6     6-6     6-6     6-7
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SPACE_MARK = "\u2581"
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class Layout:
    """A text and the half-open range of its code points that each token covers; special tokens cover nothing."""

    text: str
    ranges: tuple[tuple[int, int], ...]


def is_byte_piece(piece: str) -> bool:
    """Whether a piece stands for a single byte."""
    return _BYTE_PIECE.fullmatch(piece) is not None


def lay_out(pieces: Sequence[str], special: Sequence[bool]) -> Layout:
    """Join pieces to text. Bytes that are no valid UTF-8 become U+FFFD, as ``errors="replace"`` does it."""
    text = ""
    ranges: list[tuple[int, int]] = []
    position = 0
    while position < len(pieces):
        stop = position
        while stop < len(pieces) and is_byte_piece(pieces[stop]) and not special[stop]:
            stop += 1
        if stop > position:
            decoded, places = _decode_bytes(pieces[position:stop])
            ranges += [(len(text) + start, len(text) + end) for start, end in places]
            text += decoded
            position = stop
            continue
        shown = "" if special[position] else pieces[position].replace(SPACE_MARK, " ")
        ranges.append((len(text), len(text) + len(shown)))
        text += shown
        position += 1
    return Layout(text, tuple(ranges))


def align(layout: Layout, text: str) -> Layout:
    """The same ranges over the text that was tokenised, in which a literal ``▁`` may stand where pieces show a space.

    Raises ValueError if the tokenizer changed anything else.
    """
    if layout.text == text:
        return layout
    if layout.text != text.replace(SPACE_MARK, " "):
        place = next(
            (at for at, (a, b) in enumerate(zip(layout.text, text, strict=False)) if a != b and b != SPACE_MARK),
            min(len(layout.text), len(text)),
        )
        raise ValueError(f"at character {place} it reads {layout.text[place:][:12]!r} for {text[place:][:12]!r}")
    return Layout(text, layout.ranges)


def _decode_bytes(pieces: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """A run of byte pieces as text, and the range of characters for each of them."""
    data = bytes(int(piece[3:5], 16) for piece in pieces)
    text = ""
    ranges: list[tuple[int, int]] = []
    start = 0
    while start < len(data):
        character, n_bytes = _first_character(data[start:])
        ranges += [(len(text), len(text) + 1)] + [(len(text) + 1, len(text) + 1)] * (n_bytes - 1)
        text += character
        start += n_bytes
    return text, ranges


def _first_character(data: bytes) -> tuple[str, int]:
    """The first character of some bytes and how many of them it takes; U+FFFD for what is no character."""
    for n_bytes in range(1, min(4, len(data)) + 1):
        try:
            return data[:n_bytes].decode("utf-8"), n_bytes
        except UnicodeDecodeError:
            continue
    try:
        data[:4].decode("utf-8")
    except UnicodeDecodeError as error:
        return "\ufffd", max(1, error.end - error.start)
    raise AssertionError("four bytes that decode hold a character of at most four")
