"""Make pieces of a SentencePiece model control pieces, which are never read from text.

Gemma 4's models have all their marks, ``<bos>`` too, as *user-defined* pieces: SentencePiece reads those from any text,
and does not know which of them begins a text. A model is a protocol buffer; field 1 is a piece, once for each: its own
field 1 is the text and field 3 the type.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

CONTROL, USER_DEFINED = 3, 4  # SentencePiece's types
_PIECE, _TEXT, _TYPE = 1, 1, 3
_VARINT, _BYTES = 0, 2
_WIDTHS = {1: 8, 5: 4}  # bytes of the wire types for fixed numbers


def make_control(model: bytes, pieces: Collection[str]) -> bytes:
    """The same serialised model, with those of these pieces that are user-defined as control pieces."""
    wanted = {piece.encode() for piece in pieces}
    parts: list[bytes] = []
    for field, start, body, stop in _list_fields(model, 0, len(model)):
        if field == _PIECE and model[stop - 2 : stop] == bytes((_TYPE << 3 | _VARINT, USER_DEFINED)):
            text = next((model[at:end] for one, _, at, end in _list_fields(model, body, stop) if one == _TEXT), b"")
            if text in wanted:
                parts += (model[start : stop - 1], bytes((CONTROL,)))
                continue
        parts.append(model[start:stop])
    return b"".join(parts)


def _list_fields(data: bytes, place: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field of a message: its number, and where it starts, its value starts, and it stops."""
    while place < stop:
        start = place
        key, place = _read_varint(data, place)
        field, kind = key >> 3, key & 7
        body = place
        if kind == _VARINT:
            _, place = _read_varint(data, place)
        elif kind == _BYTES:
            length, body = _read_varint(data, place)
            place = body + length
        else:
            place += _WIDTHS[kind]
        yield field, start, body, place


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where the next field starts."""
    value, shift = 0, 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
