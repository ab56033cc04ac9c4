"""DuckDB files, by DuckDB itself, the extra ``promptlight[duckdb]``: every type is kept, lists and structs included."""

# pyright: standard

from __future__ import annotations

import contextlib
import shutil
import stat
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptlight.io.tables.kinds import TableKind
from promptlight.salience.errors import UsageError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SETTINGS: dict[str, str | bool | int | float | list[str]] = {  # nothing is fetched, and no file is opened but this one
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "256MB",  # or it keeps what it has written, up to 80% of the machine's memory
}


def require_duckdb() -> None:
    """Raise UsageError if DuckDB is not installed."""
    try:
        import duckdb  # noqa: F401
    except ImportError as error:
        raise UsageError("a .duckdb file: expected DuckDB, found none; pip install 'promptlight[duckdb]'") from error


@contextlib.contextmanager
def open_duckdb(path: Path, kinds: Sequence[TableKind]) -> Generator[Callable[[str, pa.Table], None]]:
    """Make the tables in a file, and yield a function that appends rows to the one of that name.

    Raises OSError if the file can't be written.
    """
    require_duckdb()
    import duckdb

    folder = path.with_name(f"{path.name}.parts")  # DuckDB writes other files next to its own, and opens no empty one
    shutil.rmtree(folder, ignore_errors=True)  # of a killed process
    try:
        folder.mkdir(mode=0o700)
        made = folder / "made.duckdb"
        with duckdb.connect(made, config=SETTINGS) as database:
            for kind in kinds:
                _make_table(database, kind)
            yield lambda name, table: _append(database, f"INSERT INTO {_quote(name)}", table)
        made.chmod(stat.S_IMODE(path.stat().st_mode))
        made.replace(path)
    except (duckdb.OperationalError, duckdb.FatalException) as error:  # such as a full disk
        raise OSError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_table(database: duckdb.DuckDBPyConnection, kind: TableKind) -> None:
    """Make an empty table, with a comment on each column."""
    name = _quote(kind.name)
    _append(database, f"CREATE TABLE {name} AS", kind.schema.empty_table())
    if kind.key:
        database.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({_quote(kind.key)})")
    for field in kind.schema:
        meaning = (field.metadata or {}).get(b"description", b"").decode().replace("'", "''")
        database.execute(f"COMMENT ON COLUMN {name}.{_quote(field.name)} IS '{meaning}'")


def _append(database: duckdb.DuckDBPyConnection, start: str, table: pa.Table) -> None:
    database.register("batch", table)
    database.execute(f"{start} SELECT * FROM batch")
    database.unregister("batch")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
