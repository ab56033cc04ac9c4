"""Read tables of databases back, with the databases' own libraries."""

# pyright: standard

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa


def read_sqlite(path: Path, table: str = "scores") -> list[dict[str, Any]]:
    """The rows of a table of an SQLite file."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return list(map(dict, database.execute(f"SELECT * FROM {table}")))


def read_duckdb(path: Path, table: str = "scores") -> pa.Table:
    """A table of a DuckDB file."""
    with duckdb.connect(path, read_only=True) as database:
        return database.sql(f"SELECT * FROM {table}").to_arrow_table()
