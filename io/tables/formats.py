"""The file formats of tables, and how a table is streamed into each of them."""

# pyright: standard

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlight.io.files import check_free, writing
from promptlight.io.tables._duckdb import require_duckdb
from promptlight.io.tables.facts import add_facts, facts_kind, to_facts
from promptlight.io.tables.kinds import TableKind
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.text.spelling import suggest

if TYPE_CHECKING:
    import pyarrow as pa

    from promptlight.io.results.facts import RunFacts

STANDARD_OUTPUT = Path("-")
WRITE_BYTES = 16 * 2**20  # Parquet and Arrow are slow to read in pieces of one prompt each


class TableFormat(StrEnum):
    """The file format of a table."""

    PARQUET = "parquet"
    CSV = "csv"
    EXCEL_CSV = "excel-csv"
    JSONL = "jsonl"
    ARROW = "arrow"
    SQLITE = "sqlite"
    DUCKDB = "duckdb"


ENDINGS = {f".{name}": name for name in TableFormat if name is not TableFormat.EXCEL_CSV}  # its files end in .csv
DATABASES = (TableFormat.SQLITE, TableFormat.DUCKDB)  # which hold several tables
SIDE_FILES = ("-wal", "-journal", ".wal")  # of a database that another program has open, or left so


def write_rows(
    path: Path,
    kind: TableKind,
    rows: Iterable[Mapping[str, Any]],
    *,
    facts: RunFacts | None = None,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write rows that are already in memory, a value for each column; returns the number of rows."""
    import pyarrow as pa

    table = pa.Table.from_pylist([dict(row) for row in rows], schema=kind.schema)
    return write_tables(path, [kind], [(kind.name, table)], facts=facts, format=format, overwrite=overwrite)


def write_tables(
    path: Path,
    kinds: Sequence[TableKind],
    pieces: Iterable[tuple[str, pa.Table]],
    *,
    facts: RunFacts | None = None,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write pieces of tables, each under the name of its kind; returns the number of rows of the first kind.

    Only ``DATABASES`` hold more than one kind. There, the ``facts`` of the results are a table of their own; in Parquet
    and Arrow they are metadata; other formats have no place for them. The file appears whole or not at all.
    """
    format = check_output(path, format, overwrite=overwrite)
    if facts and format in DATABASES:
        kinds, pieces = [*kinds, facts_kind()], chain(pieces, [(facts_kind().name, to_facts(facts))])
    n_rows = 0
    with writing(path) as temporary, _open_writer(temporary, format, kinds, facts) as write:
        for name, table in _join_small(pieces):
            n_rows += table.num_rows if name == kinds[0].name else 0
            write(name, table)
    return n_rows


def check_output(path: Path, format: TableFormat | None = None, *, overwrite: bool = False) -> TableFormat:
    """Find the format for a file and check that it can be written, before anything is computed."""
    if path == STANDARD_OUTPUT:
        raise UsageError("expected the name of a file, found -: only `export` writes tables to standard output")
    format = format or guess_format(path)
    check_free(path, overwrite=overwrite)
    if format is TableFormat.DUCKDB:
        require_duckdb()
    if format in DATABASES:
        _refuse_side_files(path)
    return format


def _refuse_side_files(path: Path) -> None:
    """Raise OutputError if a log lies next to the file: a database would read another one's changes from it."""
    for ending in SIDE_FILES:
        log = Path(f"{os.path.realpath(path)}{ending}")
        if log.exists():
            raise OutputError(f"{log}: another program has this database open, or ended without closing it; close it")


def guess_format(path: Path) -> TableFormat:
    """The format for a file's ending."""
    found = ENDINGS.get(path.suffix.lower())
    if found is None:
        known = f"expected a file ending in {', '.join(ENDINGS)}, or a format"
        raise UsageError(f"{path}: {known}{suggest(path.suffix, ENDINGS)}", parameters=("format",))
    return found


def _join_small(pieces: Iterable[tuple[str, pa.Table]]) -> Iterator[tuple[str, pa.Table]]:
    """Join small pieces into larger ones, so that a file of 100,000 prompts does not have as many."""
    import pyarrow as pa

    waiting: defaultdict[str, list[pa.Table]] = defaultdict(list)
    n_bytes = 0
    for name, table in pieces:
        waiting[name].append(table)
        n_bytes += table.nbytes
        if n_bytes >= WRITE_BYTES:
            yield from ((name, pa.concat_tables(tables).combine_chunks()) for name, tables in waiting.items())
            waiting.clear()
            n_bytes = 0
    yield from ((name, pa.concat_tables(tables).combine_chunks()) for name, tables in waiting.items())


@contextlib.contextmanager
def _open_writer(
    path: Path, format: TableFormat, kinds: Sequence[TableKind], facts: RunFacts | None
) -> Generator[Callable[[str, pa.Table], object]]:
    """Open a file and yield a function that appends a piece to the table of a name."""
    match format:
        case TableFormat.SQLITE:
            from promptlight.io.tables._sqlite import open_sqlite

            with open_sqlite(path, kinds) as write:
                yield write
        case TableFormat.DUCKDB:
            from promptlight.io.tables._duckdb import open_duckdb

            with open_duckdb(path, kinds) as write:
                yield write
        case _:
            schema = add_facts(kinds[0].schema, facts) if facts else kinds[0].schema
            with _open_file(path, format, schema) as append:
                yield lambda _, table: append(table)


@contextlib.contextmanager
def _open_file(path: Path, format: TableFormat, schema: pa.Schema) -> Generator[Callable[[pa.Table], object]]:
    """Open a file of one table and yield a function that appends a piece to it."""
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
