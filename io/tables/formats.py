"""The file formats of tables, and how a table is streamed into each of them."""

# pyright: standard

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlight.io.files import check_free, writing
from promptlight.salience.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

STANDARD_OUTPUT = Path("-")
WRITE_BYTES = 16 * 2**20  # Parquet and Arrow are slow to read in pieces of one prompt each


class TableFormat(StrEnum):
    """The file format of a table."""

    PARQUET = "parquet"
    CSV = "csv"
    EXCEL_CSV = "excel-csv"
    JSONL = "jsonl"
    ARROW = "arrow"


ENDINGS = {f".{name}": name for name in TableFormat if name is not TableFormat.EXCEL_CSV}  # its files end in .csv


def write_rows(
    path: Path,
    schema: pa.Schema,
    rows: Iterable[Mapping[str, Any]],
    *,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write rows that are already in memory, a value for each column; returns the number of rows."""
    import pyarrow as pa

    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    return write_tables(path, table.schema, [table], format=format, overwrite=overwrite)


def write_tables(
    path: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    *,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write tables one below the other; returns the number of rows. The file appears whole or not at all."""
    format = check_output(path, format, overwrite=overwrite)
    n_rows = 0
    with writing(path) as temporary, _open_writer(temporary, format, schema) as write:
        for table in _join_small(tables):
            n_rows += table.num_rows
            write(table)
    return n_rows


def check_output(path: Path, format: TableFormat | None = None, *, overwrite: bool = False) -> TableFormat:
    """Find the format for a file and check that it can be written, before anything is computed."""
    if path == STANDARD_OUTPUT:
        raise UsageError("expected the name of a file, found -: only `export` writes tables to standard output")
    format = format or guess_format(path)
    check_free(path, overwrite=overwrite)
    return format


def guess_format(path: Path) -> TableFormat:
    """The format for a file's ending."""
    found = ENDINGS.get(path.suffix.lower())
    if found is None:
        raise UsageError(f"{path}: expected a file ending in {', '.join(ENDINGS)}, or a format", parameters=("format",))
    return found


def _join_small(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join small tables into larger ones, so that a file of 100,000 prompts does not have as many pieces."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    n_bytes = 0
    for table in tables:
        waiting.append(table)
        n_bytes += table.nbytes
        if n_bytes >= WRITE_BYTES:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, n_bytes = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


@contextlib.contextmanager
def _open_writer(path: Path, format: TableFormat, schema: pa.Schema) -> Generator[Callable[[pa.Table], object]]:
    """Open a file and yield a function that appends a table to it."""
    match format:
        case TableFormat.PARQUET:
            import pyarrow.parquet as pq

            with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                yield writer.write_table
        case TableFormat.CSV:
            import pyarrow.csv

            with pyarrow.csv.CSVWriter(path, schema) as writer:
                yield writer.write_table
        case TableFormat.EXCEL_CSV:
            from promptlight.io.tables._excel import open_excel_csv

            with open_excel_csv(path, schema) as write:
                yield write
        case TableFormat.JSONL:
            import json

            with path.open("w", encoding="utf-8") as file:
                yield lambda table: file.writelines(
                    json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()
                )
        case TableFormat.ARROW:
            import pyarrow as pa

            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
                yield writer.write_table
