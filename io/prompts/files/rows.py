"""Read the rows of a prompt file in any format, one at a time, with their numbers."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from promptlight.io.prompts.files._columnar import read_columnar
from promptlight.io.prompts.files._encodings import DecodingError, Say, Text, end_lines, open_as_utf_8
from promptlight.io.prompts.files._fetching import explain
from promptlight.io.prompts.files._json_values import CutOffError, has_a_record_a_line, split_values
from promptlight.io.prompts.files._logs import find_samples, parse_log_value, read_archive
from promptlight.io.prompts.files._spreadsheets import BEYOND, read_table
from promptlight.io.prompts.files._unpacking import BROKEN, UnpackingError, unpack_file
from promptlight.io.prompts.files.sources import WHAT_IS_EXPECTED, Format, Source
from promptlight.io.prompts.jsonline import LONGEST_LINE, RecordError, decode_line, parse_object
from promptlight.salience.errors import InputError

BOM = b"\xef\xbb\xbf"
Row = bytes | dict[str, Any]
"""A line of JSON or text without its line end, or a table's row by columns; empty for a blank line."""


def read_rows(source: Source, path: Path, say: Say = lambda note: None) -> Iterator[tuple[int, Row]]:
    """Each row with its number from 1: that of its (first) line; that of the row or the record in Parquet, Arrow
    and JSON that has not one record a line. ``say`` gets what was guessed about the file, a line each.

    Raises InputError for a file that can't be read.
    """
    try:
        match source.format:
            case Format.PARQUET | Format.ARROW:
                yield from enumerate(read_columnar(source, path), 1)
            case Format.CSV | Format.TSV:
                with _open(source, path, say) as text:
                    yield from read_table(
                        source, _read_lines(text.file), lambda: _begin_again(source, path), text.hint, say
                    )
            case Format.TEXT:
                with _open(source, path, say) as text:
                    yield from ((number, _cut_end(line)) for number, line in _read_lines(text.file))
            case Format.INSPECT:
                yield from enumerate(read_archive(path), 1)
            case Format.JSONL:
                with _open(source, path, say) as text:
                    yield from _read_json(source, text.file)
    except DecodingError as error:
        raise InputError(source.path, error.line, str(error)) from error
    except UnpackingError as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {error}") from error
    except EOFError as error:
        reason = "but it can't be read: Truncated compressed stream"
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {reason}") from error
    except BROKEN as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, but it can't be read: {error}") from error
    except OSError as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {explain(error, source.path)}") from error


def to_record(source: Source, row: Row) -> dict[str, Any]:
    """Convert a row to a record's fields, those of its partition included. Raises RecordError with the reason."""
    if isinstance(row, dict):
        if BEYOND in row:
            raise RecordError(f"expected as many cells as columns, found {len(row[BEYOND])} more; put text into quotes")
        record = row
    else:
        record = {"prompt": decode_line(row)} if source.format is Format.TEXT else parse_object(row)
    for name, value in source.partition:
        own = record.get(name)
        if own is not None and value is not None and str(own) not in (value, value.lstrip("0")):
            raise RecordError(f"expected `{name}` to be {value!r}, as the folder says, found {str(own)[:60]!r}")
        record = record if own is not None else record | {name: value}
    return record


@contextmanager
def _open(source: Source, path: Path, say: Say) -> Iterator[Text]:
    with open(path, "rb") as file:
        unpacked = unpack_file(file, source.packing) if source.packing else file
        text = open_as_utf_8(unpacked, source.path, source.encoding, say)
        yield text if source.format is Format.JSONL else replace(text, file=end_lines(text.file))


def _begin_again(source: Source, path: Path) -> Iterator[tuple[int, bytes]]:
    with _open(source, path, lambda note: None) as text:
        yield from _read_lines(text.file)


def _read_json(source: Source, file: BinaryIO) -> Iterator[tuple[int, Row]]:
    """A record a line, or as the values of the file go."""
    lines = _read_lines(file)
    first: dict[int, bytes] = {}  # the first two lines that are not blank, or the first if it is too long
    number = 0
    for number, line in lines:
        if line.strip():
            first[number] = line
        if len(first) == 2 or len(line) > LONGEST_LINE:
            break
    texts = [line.strip() for line in first.values()]
    is_lines = not texts or has_a_record_a_line(texts[0], texts[1] if len(texts) > 1 else b"")
    head = b"".join(first.values()) if len(texts) == 1 or not is_lines else b""
    head, place, n_around = find_samples(head, None if is_lines else file)
    if is_lines and place is None:
        yield from ((one, first.get(one, b"").rstrip()) for one in range(1, number + 1))
        yield from ((number, line.rstrip()) for number, line in lines)
        return
    number = 0
    try:
        for number, value in enumerate(split_values(head[place:], file, n_around), 1):
            yield number, value if place is None else parse_log_value(value)
    except CutOffError as error:
        raise InputError(source.path, number, f"expected {error}") from error


def _read_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its number; a line that is too long is cut just past the limit."""
    most, number = LONGEST_LINE + len(b"\r\n"), 0
    while line := file.readline(most):
        number += 1
        yield number, line.removeprefix(BOM) if number == 1 else line
        while len(line) == most and not line.endswith(b"\n"):
            line = file.readline(most)


def _cut_end(line: bytes) -> bytes:
    """A line of text without its line end; nothing of a blank one."""
    return line.removesuffix(b"\n").removesuffix(b"\r") if line.strip() else b""
