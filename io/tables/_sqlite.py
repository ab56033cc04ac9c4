"""SQLite files: tables in one transaction, with bound parameters; lists and structs as JSON."""

# pyright: standard

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from promptlight.io.tables.kinds import TableKind

READ_ROWS = 4096  # as Python objects, rows take much more memory


@contextlib.contextmanager
def open_sqlite(path: Path, kinds: Sequence[TableKind]) -> Generator[Callable[[str, pa.Table], None]]:
    """Make the tables in an empty file, and yield a function that appends rows to the one of that name.

    Raises OSError if the file can't be written.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")  # a file that fails is thrown away, not rolled back
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            for kind in kinds:
                database.execute(_spell_table(kind))
            yield lambda name, table: _append(database, name, table)
            for kind in kinds:
                if kind.parent:
                    database.execute(f"CREATE INDEX {_quote(f'{kind.name}_id')} ON {_quote(kind.name)} (id)")
            database.execute("COMMIT")
    except sqlite3.OperationalError as error:  # such as a full disk
        raise OSError(str(error)) from error


def _spell_table(kind: TableKind) -> str:
    """The statement that makes a table; its comments say what the columns are."""
    lines: list[str] = []
    for place, field in enumerate(kind.schema, 1):
        rule = " NOT NULL PRIMARY KEY" if field.name == kind.key else ""
        if kind.parent and field.name == "id":
            rule = f" REFERENCES {_quote(kind.parent)} (id)"
        comma = "," if place < len(kind.schema) else ""
        meaning = (field.metadata or {}).get(b"description", b"").decode()
        lines.append(f"  {_quote(field.name)} {_name_type(field.type)}{rule}{comma} -- {' '.join(meaning.split())}")
    return "\n".join([f"CREATE TABLE {_quote(kind.name)} (", *lines, ")"])


def _name_type(type: pa.DataType) -> str:
    """SQLite's type for a column. Raises TypeError if values would not come back as they were."""
    if pa.types.is_boolean(type) or pa.types.is_signed_integer(type):
        return "INTEGER"
    if pa.types.is_floating(type):
        return "REAL"
    if pa.types.is_string(type) or pa.types.is_nested(type):
        return "TEXT"
    raise TypeError(f"expected a type that SQLite can keep, found {type}")


def _append(database: sqlite3.Connection, name: str, table: pa.Table) -> None:
    """Add rows to a table."""
    statement = f"INSERT INTO {_quote(name)} VALUES ({', '.join('?' * table.num_columns)})"
    for batch in table.to_batches(max_chunksize=READ_ROWS):
        columns = [_to_values(column) for column in batch.columns]
        database.executemany(statement, zip(*columns, strict=True))


def _to_values(column: pa.Array) -> Iterable[Any]:
    """A column's values as SQLite keeps them."""
    values = column.to_pylist()
    if not pa.types.is_nested(column.type):
        return values
    return (None if value is None else json.dumps(value, ensure_ascii=False) for value in values)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
