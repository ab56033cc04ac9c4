"""Read the samples of an evaluation's log that is a file of its own kind, one at a time.

An ``.eval`` file of Inspect is a zip with a member for each sample. A JSON log of Inspect or promptfoo is one object,
with the samples as an array in it. Both are told by what is in the file.
"""

# pyright: standard

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from promptlight.io.prompts import jsonline
from promptlight.io.prompts.files._zips import open_member, open_zip
from promptlight.io.prompts.formats._lm_eval import is_lm_eval_sample, spread_responses
from promptlight.io.prompts.jsonline import RecordError, parse_object

_ZSTD = 93  # zip's number for a compression that Python 3.11's zipfile doesn't know
_HEADER_SIZE = 30  # bytes in front of a member, before its name
_LARGEST_SAMPLE = 2**28  # bytes: a sample has all events of an agent's run
_MEMBER = re.compile(r"samples/[^/]+\.json")
_CHUNK = 2**16
_KEY = re.compile(rb'[\s,]*"((?:[^"\\]+|\\.)*+)"\s*:\s*', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]+(?=[\s,\]}])")
_OPENING = re.compile(rb"\s*\{")
_END = re.compile(rb"\s*\}")
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]+|"(?:[^"\\]+|\\.)*+")*+', re.DOTALL)


class _CutError(Exception):
    """The object goes on after the bytes that were read."""


def is_log_archive(names: list[str]) -> bool:
    """Whether a zip with members of these names is a log of Inspect, perhaps one that was not finished."""
    return not {"header.json", "_journal/start.json"}.isdisjoint(names)


def read_archive(path: Path) -> Iterator[bytes | dict[str, Any]]:
    """Each sample in the order of the archive. One that is too large or broken stays bytes, which tell why."""
    with path.open("rb") as file, open_zip(file) as archive:
        for member in archive.infolist():
            if _MEMBER.fullmatch(member.filename) and archive.getinfo(member.filename) is member:  # the last of a name
                yield _parse_sample(_read_member(file, archive, member), _LARGEST_SAMPLE)


def _read_member(file: BinaryIO, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's content, cut just past the largest size."""
    if member.flag_bits & 1:
        raise NotImplementedError("it is encrypted; unpack it")
    if member.compress_type != _ZSTD:
        with open_member(archive, member) as opened:
            return opened.read(_LARGEST_SAMPLE + 1)
    import pyarrow as pa

    file.seek(member.header_offset)
    header = file.read(_HEADER_SIZE)
    if len(header) < _HEADER_SIZE or not header.startswith(b"PK\3\4"):
        raise zipfile.BadZipFile(f"no {member.filename} where the directory says")
    file.seek(sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28)), io.SEEK_CUR)  # name and extras
    packed = io.BytesIO(file.read(min(member.compress_size, _LARGEST_SAMPLE)))
    return pa.CompressedInputStream(packed, "zstd").read(min(member.file_size, _LARGEST_SAMPLE) + 1)


def _parse_sample(data: bytes, most: int) -> bytes | dict[str, Any]:
    """A sample's fields, with null for numbers that JSON lacks; the bytes, no longer than told, if that fails."""
    try:
        return parse_object(data, most, lenient=True)
    except RecordError:
        return data[: jsonline.LONGEST_LINE + 1]


def spread_row(row: bytes | dict[str, Any]) -> list[bytes | dict[str, Any]]:
    """A row for each answer that a line of lm-evaluation-harness has; any other row as it is."""
    if isinstance(row, bytes):
        row = _parse_sample(row, jsonline.LONGEST_LINE) if b'"resps"' in row and b'"arguments"' in row else row
    return [*spread_responses(row)] if isinstance(row, dict) and is_lm_eval_sample(row) else [row]


def parse_log_value(value: bytes) -> bytes | dict[str, Any]:
    """A sample in a JSON log."""
    return _parse_sample(value, jsonline.LONGEST_LINE)


def find_samples(head: bytes, file: BinaryIO | None) -> tuple[bytes, int | None, int]:
    """Where the array of a log's samples begins, and in how many objects it is.

    ``head`` is what was read of the file so far. It is returned with what had to be read besides; without a file,
    nothing is. The place is None if this is no log.
    """
    if not (opening := _OPENING.match(head)):
        return head, None, 0
    while True:
        try:
            found = _find_array(head, opening.end(), [])
            return (head, *found) if found else (head, None, 0)
        except _CutError:
            more = file.read(max(_CHUNK, len(head))) if file and len(head) <= jsonline.LONGEST_LINE else b""
            if not more:
                return head, None, 0
            head += more


def _find_array(data: bytes, place: int, outside: list[bytes]) -> tuple[int, int] | None:
    """The place of the array among the fields of an object that begins before ``place``, and its depth."""
    names: list[bytes] = []
    while found := _KEY.match(data, place):
        names.append(found[1])
        place = found.end()
        mark = data[place : place + 1]
        if mark == b"[" and _are_samples(names, outside):
            return place, 2 if outside else 1
        if mark == b"{" and names[-1] == b"results" and not outside:
            inside = _find_array(data, place + 1, names)
            if inside is not None:
                return inside
        place = _skip_value(data, place)
    if _END.match(data, place):
        return None
    raise _CutError


def _are_samples(names: list[bytes], outside: list[bytes]) -> bool:
    """Whether the last of these fields has a log's samples: a name alone would not tell."""
    if outside:
        return names[-1] == b"results" and (b"evalId" in outside or not {b"prompts", b"timestamp"}.isdisjoint(names))
    return names[-1] == b"samples" and {b"eval", b"version"} <= set(names)


def _skip_value(data: bytes, place: int) -> int:
    """Where a value ends."""
    mark = data[place : place + 1]
    if mark in (b"{", b"["):
        return _skip_brackets(data, place + 1)
    found = (_STRING if mark == b'"' else _SCALAR).match(data, place)
    if not found:
        raise _CutError
    return found.end()


def _skip_brackets(data: bytes, place: int) -> int:
    """Where a bracket that opened before ``place`` has ended."""
    depth = 1
    while depth:
        found = _TO_BRACKET.match(data, place)
        assert found is not None
        mark, place = data[found.end() : found.end() + 1], found.end() + 1
        if mark not in (b"{", b"[", b"}", b"]"):
            raise _CutError
        depth += 1 if mark in (b"{", b"[") else -1
    return place
