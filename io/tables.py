"""Tidy tables: one row per target span and source span, streamed to Parquet, CSV or JSON lines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.types import Analysis, Role, SpanTable

if TYPE_CHECKING:
    import pyarrow as pa


class TableFormat(StrEnum):
    """What a tidy table is written as."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


def tidy_schema() -> pa.Schema:
    """Columns of a tidy table. ``share`` is the score's part of all visible sources' sizes for that target, -1 to 1."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),  # the record's label, as in the prompt file
            ("method", pa.string()),
            ("target_number", pa.int32()),  # from 1, among the target spans
            ("target_start", pa.int32()),  # first token
            ("target_stop", pa.int32()),
            ("target_text", pa.string()),
            ("source_number", pa.int32()),  # from 1, among all spans of the text
            ("source_start", pa.int32()),
            ("source_stop", pa.int32()),
            ("source_text", pa.string()),
            ("source_role", pa.string()),  # special, prompt or completion
            ("source_line", pa.int32()),  # from 1, the line in which it begins
            ("source_section", pa.string()),  # the named part of the prompt in which it begins
            ("score", pa.float32()),
            ("share", pa.float32()),
            ("exact", pa.bool_()),  # from the whole span's gradient, not from pooled token scores
        ]
    )


def write_tidy_table(
    path: Path,
    tables: Iterable[tuple[Analysis, SpanTable]],
    *,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write all tables to one file, one prompt in memory at a time; returns the number of rows.

    Sources at or after a target have no row. The file appears whole or not at all.
    """
    format = format or guess_format(path)
    temporary = path.with_name(f".{path.name}.tmp")
    n_rows = 0
    try:
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists already; choose another -o, or say --overwrite")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_writer(temporary, format) as write:
            for analysis, table in tables:
                rows = to_tidy(analysis, table)
                n_rows += rows.num_rows
                write(rows)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: could not be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return n_rows


def guess_format(path: Path) -> TableFormat:
    """The format that a file's ending asks for."""
    try:
        return TableFormat(path.suffix.removeprefix(".").lower())
    except ValueError:
        known = ", ".join(f".{name.value}" for name in TableFormat)
        raise UsageError(f"{path}: expected a file ending in {known}, or --format") from None


def to_tidy(analysis: Analysis, table: SpanTable) -> pa.Table:
    """One prompt's rows."""
    import pyarrow as pa

    targets, sources = table.targets, table.sources
    earlier = [[source.stop <= target.start for source in sources] for target in targets]
    rows, columns = np.nonzero(np.array(earlier).reshape(table.scores.shape))
    visible = np.array([source.role is not Role.SPECIAL for source in sources])
    totals = np.abs(table.scores[:, visible]).sum(axis=1, keepdims=True)
    shares = np.where(visible, table.scores / np.where(totals > 0, totals, 1), 0)
    prompt = analysis.completion.prompt
    target_fields = [[t.start, t.stop, t.text] for t in targets]
    source_fields = [[s.number + 1, s.start, s.stop, s.text, s.role.value, s.line, s.section] for s in sources]
    data = [
        [prompt.id] * len(rows),
        [prompt.source] * len(rows),
        [analysis.salience.method.value] * len(rows),
        rows + 1,
        *([fields[place] for fields in (target_fields[row] for row in rows)] for place in range(3)),
        *([fields[place] for fields in (source_fields[column] for column in columns)] for place in range(7)),
        table.scores[rows, columns],
        shares[rows, columns],
        [table.exact] * len(rows),
    ]
    schema = tidy_schema()
    return pa.table(
        [pa.array(column, type=field.type) for column, field in zip(data, schema, strict=True)], schema=schema
    )


@contextlib.contextmanager
def open_writer(path: Path, format: TableFormat) -> Iterator[Callable[[pa.Table], object]]:
    """A function that appends a table to the file."""
    match format:
        case TableFormat.PARQUET:
            import pyarrow.parquet as pq

            with pq.ParquetWriter(path, tidy_schema(), compression="zstd") as writer:
                yield writer.write_table
        case TableFormat.CSV:
            import pyarrow.csv

            with pyarrow.csv.CSVWriter(path, tidy_schema()) as writer:
                yield writer.write_table
        case TableFormat.JSONL:
            import json

            with path.open("w", encoding="utf-8") as file:
                yield lambda table: file.writelines(
                    json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()
                )
