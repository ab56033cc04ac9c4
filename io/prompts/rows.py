"""Read the rows of a prompt file in any format, one at a time, with their numbers."""

# pyright: standard

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, BinaryIO

from promptlight.io.prompts._columnar import read_columnar
from promptlight.io.prompts._encodings import open_as_utf_8
from promptlight.io.prompts._json_values import CutOffError, has_a_record_a_line, split_values
from promptlight.io.prompts._unpacking import BROKEN, UnpackingError, unpack_file
from promptlight.io.prompts.jsonline import LONGEST_LINE, RecordError, decode_line, parse_object
from promptlight.io.prompts.sources import WHAT_IS_EXPECTED, Format, Source, explain
from promptlight.salience.errors import InputError

BOM = b"\xef\xbb\xbf"
BEYOND: Any = None  # the key for cells beyond a table's last column: no column can have this name
_SAID_DELIMITER = re.compile(r'"?sep=([^"\r\n])"?\r?\n?')
_QUOTED = re.compile(r'"[^"]*"')
Row = bytes | dict[str, Any]
"""A line of JSON or text without its line end, or a table's row by columns; empty for a blank line."""


def read_rows(source: Source, path: Path) -> Iterator[tuple[int, Row]]:
    """Each row with its number from 1: that of its (first) line; that of the row or the record in Parquet, Arrow
    and JSON that has not one record a line.

    Raises InputError for a file that can't be read.
    """
    try:
        match source.format:
            case Format.PARQUET | Format.ARROW:
                yield from enumerate(read_columnar(source, path), 1)
            case Format.CSV | Format.TSV:
                with _open(source, path) as file:
                    yield from _read_csv(source, file)
            case Format.TEXT:
                with _open(source, path) as file:
                    yield from ((number, _cut_end(line)) for number, line in _read_lines(file))
            case Format.JSONL:
                with _open(source, path) as file:
                    yield from _read_json(source, file)
    except UnpackingError as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {error}") from error
    except EOFError as error:
        reason = "but it can't be read: Truncated compressed stream"
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {reason}") from error
    except BROKEN as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, but it can't be read: {error}") from error
    except OSError as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {explain(error)}") from error


def to_record(format: Format, row: Row) -> dict[str, Any]:
    """Convert a row to a record's fields. Raises RecordError with the reason."""
    if isinstance(row, dict):
        if BEYOND in row:
            raise RecordError(f"expected as many cells as columns, found {len(row[BEYOND])} more; put text into quotes")
        return row
    return {"prompt": decode_line(row)} if format is Format.TEXT else parse_object(row)


@contextmanager
def _open(source: Source, path: Path) -> Iterator[BinaryIO]:
    with open(path, "rb") as file:
        yield open_as_utf_8(unpack_file(file, source.packing) if source.packing else file)


def _read_json(source: Source, file: BinaryIO) -> Iterator[tuple[int, Row]]:
    """A record a line, or as the values of the file go."""
    lines = _read_lines(file)
    first: list[tuple[int, bytes]] = []  # lines up to the second that is not blank, or the first if it is too long
    for number, line in lines:
        first.append((number, line))
        if len(line) > LONGEST_LINE or sum(1 for _, one in first if one.strip()) == 2:
            break
    texts = [line.strip() for _, line in first if line.strip()]
    if not texts or has_a_record_a_line(texts[0], texts[1] if len(texts) > 1 else b""):
        yield from ((number, line.rstrip()) for number, line in chain(first, lines))
        return
    number = 0
    try:
        for number, value in enumerate(split_values(b"".join(line for _, line in first), file), 1):
            yield number, value
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


def _read_csv(source: Source, file: BinaryIO) -> Iterator[tuple[int, Row]]:
    """Rows by the header's names; a cell may contain line feeds."""
    lines = _decode_lines(source, file)
    first = next(lines, "")
    if said := _SAID_DELIMITER.fullmatch(first):
        mark, n_skipped = said[1], 1
    else:
        mark, n_skipped, lines = _find_delimiter(source, first), 0, chain([first], lines)
    table = csv.DictReader(lines, restkey=BEYOND, delimiter=mark, strict=True)
    try:
        with _fields_up_to(LONGEST_LINE):
            names = list(table.fieldnames or [])
        n_unnamed = sum(1 for _ in takewhile(lambda name: not name.strip(), reversed(names)))
        table.fieldnames = names = names[: len(names) - n_unnamed]
        if len(set(names)) < len(names):
            raise InputError(source.path, 1 + n_skipped, "expected each column once in the header; rename one")
        while True:
            before = table.reader.line_num
            with _fields_up_to(LONGEST_LINE):
                row = next(table, None)
            if row is None:
                return
            yield before + 1 + n_skipped, _without_empty_columns(row, n_unnamed)
    except csv.Error as error:
        reason = f"expected CSV with a header, found it broken: {error}; fix it there"
        raise InputError(source.path, table.reader.line_num + n_skipped, reason) from error


def _find_delimiter(source: Source, header: str) -> str:
    """Excel writes semicolons where the comma is the decimal mark, and tabs in UTF-16."""
    if source.format is Format.TSV:
        return "\t"
    header = _QUOTED.sub("", header)
    return next((mark for mark in ",;\t" if mark in header), ",")


def _without_empty_columns(row: dict[str, Any], n_unnamed: int) -> dict[str, Any]:
    """The row without the empty cells of columns that the header doesn't name; nothing if no cell has anything."""
    beyond = row.get(BEYOND, [])
    if beyond and len(beyond) <= n_unnamed and not any(beyond):
        del row[BEYOND]
    return row if len(row) < 2 or any(row.values()) else {}


@contextmanager
def _fields_up_to(most: int) -> Iterator[None]:
    """The limit is the csv module's own, for the whole process: it is given back before anyone else reads."""
    before = csv.field_size_limit(most)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _decode_lines(source: Source, file: BinaryIO) -> Iterator[str]:
    for number, line in _read_lines(file):
        try:
            yield decode_line(line)
        except RecordError as error:
            raise InputError(source.path, number, str(error)) from error
