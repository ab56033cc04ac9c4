"""Turn vocabulary pieces into text, with the exact range of characters that each token covers.

SentencePiece writes a space as ``▁``, and a character outside its vocabulary as byte pieces such as ``<0xF0>``. When
several byte tokens make one character, the first gets the character's range and the others get the empty range after
it. So the ranges always tile the text:

    pieces   ▁eat   ▁     <0xF0>  <0x9F>  <0x8D>  <0x95>  !
    text     ' eat' ' '   '🍕'    ''      ''      ''      '!'
    ranges   0-4    4-5   5-6     6-6     6-6     6-6     6-7
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

SPACE_MARK = "\u2581"
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True)
class Layout:
    """A text and the half-open range of its code points that each token covers; special tokens cover nothing."""

    text: str
    ranges: tuple[tuple[int, int], ...]


def is_byte_piece(piece: str) -> bool:
    """Whether a piece stands for a single byte."""
    return _BYTE_PIECE.fullmatch(piece) is not None


def piece_text(piece: str) -> str:
    """The text of a piece that is neither a byte nor special."""
    return piece.replace(SPACE_MARK, " ")


def lay_out(pieces: Sequence[str], special: Sequence[bool]) -> Layout:
    """Join the pieces of T tokens into a text with T ranges; those of special tokens are empty.

    Invalid UTF-8 becomes U+FFFD, one for each maximal invalid part, as with ``errors="replace"``. Bytes on both sides
    of a special token never make one character. Raises ValueError unless there is one flag per piece.
    """
    texts: list[str] = []
    for in_bytes, run in groupby(
        zip(pieces, special, strict=True), lambda pair: not pair[1] and is_byte_piece(pair[0])
    ):
        if in_bytes:
            texts += _decode_bytes(bytes(int(piece[3:5], 16) for piece, _ in run))
        else:
            texts += ["" if hidden else piece_text(piece) for piece, hidden in run]
    stops = list(accumulate(map(len, texts)))
    return Layout("".join(texts), tuple(zip([0, *stops], stops, strict=False)))


def align(layout: Layout, text: str) -> Layout:
    """The same ranges over the text that was tokenised, which may have a literal ``▁`` where the pieces give a space.

    Raises ValueError if the tokens spell anything else.
    """
    pairs = zip(layout.text, text, strict=False)
    place = next((at for at, (spelt, true) in enumerate(pairs) if not _agrees(spelt, true)), None)
    if place is None and len(layout.text) == len(text):
        return Layout(text, layout.ranges)
    place = min(len(layout.text), len(text)) if place is None else place
    raise ValueError(
        f"expected tokens that spell the text, but at character {place} they spell {_excerpt(layout.text, place)} "
        f"where the text has {_excerpt(text, place)} ({len(layout.text)} and {len(text)} characters in all)"
    )


def _agrees(spelt: str, true: str) -> bool:
    return spelt == true or (spelt == " " and true == SPACE_MARK)


def _excerpt(text: str, start: int) -> str:
    return repr(text[start : start + 12]) if start < len(text) else "nothing"


def _decode_bytes(data: bytes) -> list[str]:
    """One text per byte: a character at its first byte, nothing at its others."""
    texts: list[str] = []
    while len(texts) < len(data):
        character, n_bytes = _first_character(data[len(texts) : len(texts) + 4])
        texts += [character] + [""] * (n_bytes - 1)
    return texts


def _first_character(data: bytes) -> tuple[str, int]:
    """The first character of one to four bytes, and its number of bytes; U+FFFD for bytes that make no character."""
    try:
        character = data.decode("utf-8")[0]
    except UnicodeDecodeError as error:
        if error.start == 0:
            return "\ufffd", error.end
        character = data[: error.start].decode("utf-8")[0]
    return character, len(character.encode("utf-8"))
