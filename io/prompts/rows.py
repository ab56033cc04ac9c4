"""Read the rows of a prompt file in any format, one at a time, with their numbers."""

# pyright: standard

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from promptlight.io.prompts.jsonline import LONGEST_LINE, RecordError, decode_line, parse_object
from promptlight.io.prompts.sources import WHAT_IS_EXPECTED, Format, Source, explain
from promptlight.salience.errors import InputError

BOM = b"\xef\xbb\xbf"
BEYOND: Any = None  # the key for cells beyond a table's last column: no column can have this name
Row = bytes | dict[str, Any]
"""A line of JSON or text without its line end, or a table's row by columns; empty for a blank line."""


def read_rows(source: Source, path: Path) -> Iterator[tuple[int, Row]]:
    """Each row with its number from 1: that of its (first) line, in Parquet that of the row.

    Raises InputError for a file that can't be read.
    """
    try:
        match source.format:
            case Format.PARQUET:
                yield from _read_parquet(path)
            case Format.CSV | Format.TSV:
                with _open(source, path) as file:
                    yield from _read_csv(source, file)
            case _:
                with _open(source, path) as file:
                    for number, line in _read_lines(file):
                        yield number, _cut_end(line) if source.format is Format.TEXT else line.rstrip()
    except OSError as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {explain(error)}") from error


def to_record(format: Format, row: Row) -> dict[str, Any]:
    """Convert a row to a record's fields. Raises RecordError with the reason."""
    if isinstance(row, dict):
        if BEYOND in row:
            raise RecordError(f"expected as many cells as columns, found {len(row[BEYOND])} more; put text into quotes")
        return row
    return {"prompt": decode_line(row)} if format is Format.TEXT else parse_object(row)


def _open(source: Source, path: Path) -> BinaryIO:
    if source.packing is None:
        return open(path, "rb")
    import pyarrow as pa

    return cast("BinaryIO", io.BufferedReader(pa.CompressedInputStream(open(path, "rb"), source.packing)))


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
    mark = "\t" if source.format is Format.TSV else ","
    table = csv.DictReader(_decode_lines(source, file), restkey=BEYOND, delimiter=mark, strict=True)
    try:
        with _fields_up_to(LONGEST_LINE):
            names = table.fieldnames or []
        if len(set(names)) < len(names):
            raise InputError(source.path, 1, "expected each column once in the header; rename one")
        while True:
            before = table.reader.line_num
            with _fields_up_to(LONGEST_LINE):
                row = next(table, None)
            if row is None:
                return
            yield before + 1, row
    except csv.Error as error:
        reason = f"expected CSV with a header, found it broken: {error}; fix it there"
        raise InputError(source.path, table.reader.line_num, reason) from error


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


def _read_parquet(path: Path) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.OSFile(os.fsencode(path))) as file:
            if len(set(file.schema_arrow.names)) < len(file.schema_arrow.names):
                raise InputError(str(path), None, "expected each column once; rename one")
            number = 0
            for batch in file.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _as_json(row)
    except pa.ArrowInvalid as error:
        raise InputError(str(path), None, f"expected Parquet, found something else ({error})") from error
    except UnicodeDecodeError as error:  # a text column may contain any bytes
        raise InputError(
            str(path), None, f"expected text in UTF-8, found other bytes ({error}); write the file again"
        ) from error


def _as_json(value: Any) -> Any:
    """Convert a value of a table to one for JSON: dates and similar values as text, NaN as null."""
    match value:
        case dict():
            return {str(name): _as_json(item) for name, item in cast("dict[Any, Any]", value).items()}
        case list():
            return [_as_json(item) for item in cast("list[Any]", value)]
        case float() if not math.isfinite(value):
            return None
        case str() | bool() | int() | float() | None:
            return value
        case _:
            return str(value)
