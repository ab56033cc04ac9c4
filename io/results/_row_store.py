"""Keep rows about a folder's results in one Parquet file next to them, in ``_evaluation/``.

pandas and pyarrow skip folders whose names begin with an underscore, and so does ``shards.py``; for
``results/*.parquet``, DuckDB and Polars do not look into folders. The file's metadata has the settings that made the
rows and those of the results: rows about other results than the present ones count as missing.
"""

# pyright: standard

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.files import writing
from promptlight.io.places import Place, parse_place
from promptlight.io.results.reader import read_settings
from promptlight.io.results.shards import open_source
from promptlight.salience.errors import OutputError

PATIENCE = 20  # after a write, wait this many times as long as it took


@dataclass(frozen=True, kw_only=True)
class RowFile:
    """A file next to the results: its path in their folder, its columns, and how to make it ``again``.

    ``key`` are the columns that tell a prompt's rows apart; every file also has the columns id and fingerprint. Its
    settings are JSON in the metadata, under ``metadata_key``.
    """

    path: Path
    schema: pa.Schema
    key: tuple[str, ...]
    metadata_key: bytes
    again: str


@dataclass(frozen=True, kw_only=True)
class StoredRows:
    """The rows of a file, and the settings that made them."""

    rows: list[dict[str, Any]]
    settings: Mapping[str, Any]


def read_rows(folder: str | Place, file: RowFile) -> StoredRows | None:
    """The rows about a folder's present results; None if there are none. Raises OutputError for a damaged file."""
    path = parse_place(folder) / file.path
    try:
        if not path.exists():
            return None
        with open_source(path) as source, pq.ParquetFile(source) as opened:
            table = opened.read()
        settings = json.loads((table.schema.metadata or {})[file.metadata_key])
        if not table.schema.equals(file.schema):
            raise ValueError("its columns are not those that promptlight writes")
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise OutputError(f"{path}: not readable ({error}); delete it and {file.again}") from error
    if settings["results"] != json.loads(json.dumps(read_settings(folder))):
        return None
    return StoredRows(rows=table.to_pylist(), settings=settings)


class RowStore:
    """Keeps rows next to a folder's results as they are made.

    Earlier rows with the same settings stay, so that stopped work goes on; with ``anew``, and with other settings, it
    starts over. ``settings`` are those of the work itself. A damaged file is replaced. Unless it ``keeps`` them,
    nothing is written.
    """

    def __init__(
        self, folder: str | Place, file: RowFile, settings: Mapping[str, Any], *, anew: bool = False, keeps: bool = True
    ) -> None:
        self.path = parse_place(folder) / file.path
        self._file = file
        self._settings = json.loads(json.dumps(dict(settings) | {"results": read_settings(folder)}))
        try:
            before = None if anew else read_rows(folder, file)
        except OutputError:
            before = None
        kept = before.rows if before and before.settings == self._settings else []
        self._prompts: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._put(kept)
        self._written, self._keeps = bool(kept), keeps
        self._seconds, self._last = 0.0, time.monotonic()

    def find_prompt(self, id: str, fingerprint: str) -> list[dict[str, Any]]:
        """A prompt's rows; empty if there are none, or its record has changed since."""
        rows = list(self._prompts.get(id, {}).values())
        return rows if all(row["fingerprint"] == fingerprint for row in rows) else []

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add a prompt's rows, and write the file: at once, or now and then where that would take long."""
        self._put(rows)
        self._written = False
        if time.monotonic() - self._last >= PATIENCE * self._seconds:
            self.flush()

    def flush(self) -> Place | None:
        """Write all rows, unless the file has them; returns it, or None if nothing is kept."""
        if self._written or not self._keeps:
            return self.path if self._keeps else None
        started = time.monotonic()
        metadata = {self._file.metadata_key: json.dumps(self._settings)}
        table = pa.Table.from_pylist(list(self._list_rows()), schema=self._file.schema.with_metadata(metadata))
        with writing(self.path, durable=True) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        self._last = time.monotonic()
        self._seconds, self._written = self._last - started, True
        return self.path

    def _put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put rows in the place of those with the same key; those of an earlier state of the record are dropped."""
        for row in rows:
            own = self._prompts.setdefault(row["id"], {})
            if own and next(iter(own.values()))["fingerprint"] != row["fingerprint"]:
                own.clear()
            own[tuple(row[name] for name in self._file.key)] = dict(row)

    def _list_rows(self) -> Iterator[dict[str, Any]]:
        for own in self._prompts.values():
            yield from own.values()
