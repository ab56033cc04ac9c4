"""Find the records of a JSON file that doesn't have one a line: an array, spread over lines, or one after the other.

Only strings and brackets are looked at, so that a record that is broken, in another encoding or too long is skipped
like a line, and the next one is found. One record is in memory at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import BinaryIO

from promptlight.io.prompts import jsonline

_CHUNK = 2**16
_STRING_END = re.compile(rb'(?:[^"\\]+|\\.)*+', re.DOTALL)
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]+|"(?:[^"\\]+|\\.)*+")*+', re.DOTALL)
_TO_BRACKET_OR_COMMA = re.compile(rb'(?:[^"{}\[\],]+|"(?:[^"\\]+|\\.)*+")*+', re.DOTALL)


_END = b'{"end": 0}'


class CutOffError(Exception):
    """An array that doesn't end, or doesn't end the file. The message says what was found."""


def has_a_record_a_line(first: bytes, second: bytes) -> bool:
    """Whether the first two lines that are not blank, without blanks around, are those of JSON Lines.

    Lines that are no JSON at all count as such, so that each is skipped by its number.
    """
    if first.startswith(b"["):
        return first.endswith(b"]") and bool(second) and _is_whole(first)
    if not first.startswith(b"{"):
        return True
    text = first.decode("utf-8", "replace")
    try:
        end = json.JSONDecoder().raw_decode(text)[1]
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text.rstrip("{[,:")) and not error.msg.startswith("Unterminated")
        return not (is_cut and second.startswith((b'"', b"}", b",") if first.endswith((b"{", b",")) else _STARTS))
    except (RecursionError, ValueError):
        return True
    return not text[end:].lstrip().startswith("{")


_STARTS = (b'"', b"}", b",", b"{", b"[", b"]")


def _is_whole(line: bytes) -> bool:
    """Whether a line that begins and ends like an array is one: it may also end in a list of its first object."""
    try:
        json.loads(line)
    except (RecursionError, ValueError):
        return False
    return True


def split_values(head: bytes, file: BinaryIO, n_around: int = 0) -> Iterator[bytes]:
    """Each value of an array, or of values one after the other, of a file that begins with ``head``.

    One that is too long is cut just past the limit. An array may be within objects, ``n_around`` of them, with which
    the file must end. Raises CutOffError.
    """
    return _split(head.lstrip(), iter(lambda: file.read(_CHUNK), b""), n_around)


def _split(head: bytes, more: Iterator[bytes], n_around: int) -> Iterator[bytes]:
    is_array = head.startswith(b"[")
    value, carried, depth, in_string = bytearray(), b"", 0, False
    chunks = chain([head[is_array:]], more)
    for chunk in chunks:
        data, start, place = carried + chunk, 0, 0
        carried = b""
        while place < len(data):
            if in_string:
                place = _end_of(_STRING_END, data, place)
                if data[place:] == b"\\":  # what it escapes is in the next chunk
                    data, carried = data[:place], data[place:]
                elif place < len(data):
                    in_string, place = False, place + 1
                continue
            place = _end_of(_TO_BRACKET if depth or not is_array else _TO_BRACKET_OR_COMMA, data, place)
            mark, place = data[place : place + 1], place + 1
            if mark == b'"':
                in_string = True
            elif mark in (b"{", b"["):
                depth += 1
            elif mark in (b"}", b"]") and depth:
                depth -= 1
                if not depth and not is_array:
                    yield _take(value, data[start:place])
                    start = place
            elif mark == b"," or (mark == b"]" and is_array):
                last = _take(value, data[start : place - 1])
                start = place
                if mark == b",":
                    yield last
                    continue
                if last:
                    yield last
                return _require_end(data[place:], chunks, n_around)
        _add(value, data[start:])
    if is_array:
        raise CutOffError("a closing ] at the end of the array, found none: the file is cut off, or a quote is missing")
    if last := _take(value, b""):
        yield last


def _end_of(pattern: re.Pattern[bytes], data: bytes, place: int) -> int:
    found = pattern.match(data, place)
    assert found is not None
    return found.end()


def _add(value: bytearray, more: bytes) -> None:
    """Add to a value what has room in it; blanks in front of it are nothing."""
    more = more if value else more.lstrip()
    value += more[: jsonline.LONGEST_LINE + 1 - len(value)]


def _take(value: bytearray, more: bytes) -> bytes:
    """A value with its last part, without blanks around; it is empty then."""
    _add(value, more)
    taken = bytes(value).strip()
    value.clear()
    return taken


def _require_end(rest: bytes, chunks: Iterator[bytes], n_around: int) -> None:
    """Read what follows an array: nothing, or the rest of the objects around it, as a value that begins as they do."""
    if not n_around:
        return _require_blank(rest, chunks)
    values = list(islice(_split(b'{"":' * n_around + b"[]" + rest, chain(chunks, [_END]), 0), 2))
    if len(values) < 2:  # the end was taken for a part of the value
        raise CutOffError("the end of the log, found none: the file is cut off")
    if values[1] != _END:
        raise CutOffError("one log in the file, found more behind it; part them")
    return None


def _require_blank(rest: bytes, chunks: Iterator[bytes]) -> None:
    if any(chunk.strip() for chunk in chain([rest], chunks)):
        raise CutOffError("nothing behind the closing ] of the array, found more; put all records into one array")
