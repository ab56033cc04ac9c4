"""A results folder: Parquet shards that say themselves what is done.

Each shard holds whole rows, one per prompt. It is written under a hidden name, flushed to disk and renamed, so whatever
interrupts a run leaves only whole shards, and the next run goes on after them. Each shard's metadata holds the settings
that made it; a run with other settings is refused. There is no manifest that could disagree with the shards.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.schema import SCHEMA_VERSION, Kind, build_schema, from_row, read_kind, to_row
from promptlight.salience.errors import OutputError
from promptlight.salience.types import Analysis, Method, SetAside

try:
    import fcntl
except ImportError:  # Windows: no lock
    fcntl = None

METADATA_KEY = b"promptlight"
FLUSH_EVERY = 32
_SHARD_NAME = re.compile(r"part-\d+\.parquet")


@dataclass(frozen=True)
class Done:
    """What a folder already holds of one record."""

    fingerprint: str
    shard: Path
    error: str | None  # why it was set aside


def find_shards(folder: Path) -> list[Path]:
    """The folder's shards in the order in which they were written."""
    return sorted(path for path in folder.glob("part-*.parquet") if _SHARD_NAME.fullmatch(path.name))


def read_metadata(shard: Path) -> dict[str, Any]:
    """What a shard says of how it was made. Raises OutputError for a file that promptlight did not write."""
    stored = (_open_shard(shard).schema_arrow.metadata or {}).get(METADATA_KEY)
    if stored is None:
        raise OutputError(f"{shard}: not written by promptlight run; expected a folder that `promptlight run -o` made")
    metadata = json.loads(stored)
    if metadata["schema_version"] != SCHEMA_VERSION:
        raise OutputError(
            f"{shard}: written with schema version {metadata['schema_version']}, this promptlight reads"
            f" {SCHEMA_VERSION}: run the prompts again into a new folder"
        )
    return metadata


def read_results(folder: str | Path) -> Iterator[Analysis | SetAside]:
    """All results of a folder in the order in which they were written, one shard in memory at a time."""
    for shard in require_shards(Path(folder)):
        kind = _read_kind(shard)
        with _naming(shard):
            for batch in _open_shard(shard).iter_batches(batch_size=16):
                for row in batch.to_pylist():
                    yield from_row(row, kind)


def find_result(folder: str | Path, *, id: str | None = None, row: int = 0) -> Analysis | SetAside:
    """The result with an id, or else the one at a row number (from 0; negative numbers count from the end)."""
    shards = require_shards(Path(folder))
    places = [
        (shard, place, known)
        for shard in shards
        for place, known in enumerate(_read_shard(shard, ["id"])["id"].to_pylist())
    ]
    if id is None:
        if not -len(places) <= row < len(places):
            raise OutputError(f"{folder}: no row {row}; it has {len(places)} rows, numbered from 0")
        shard, place, _ = places[row]
    else:
        found = [(shard, place) for shard, place, known in places if known == id]
        if not found:
            ids = ", ".join(known for _, _, known in places[:8]) + (", ..." if len(places) > 8 else "")
            raise OutputError(f"{folder}: no result with id {id!r}; it has {ids}")
        shard, place = found[0]
    return from_row(_read_shard(shard).slice(place, 1).to_pylist()[0], _read_kind(shard))


def _read_kind(shard: Path) -> Kind:
    return read_kind(read_metadata(shard)["settings"])


def require_shards(folder: Path) -> list[Path]:
    """The folder's shards; raises OutputError if there are none."""
    if not folder.is_dir():
        raise OutputError(f"{folder}: no such results folder; make one with `promptlight run PROMPTS -o {folder}`")
    shards = find_shards(folder)
    if not shards:
        raise OutputError(f"{folder}: no results in it; make some with `promptlight run PROMPTS -o {folder}`")
    return shards


class ResultsWriter:
    """Appends results to a folder, a shard at a time; use it as a context manager.

    ``settings`` is all that changes a result. Opening a folder that was made with other settings, or that another
    process is writing to, raises OutputError; nothing in it is touched.
    """

    def __init__(
        self, folder: str | Path, settings: dict[str, Any], provenance: dict[str, Any], flush_every: int = FLUSH_EVERY
    ) -> None:
        self.folder = Path(folder)
        self._flush_every = flush_every
        self._rows: list[dict[str, Any]] = []
        metadata = {"schema_version": SCHEMA_VERSION, "settings": settings, **provenance}
        self._schema = build_schema(Method(settings["method"])).with_metadata({METADATA_KEY: json.dumps(metadata)})
        self._lock = self._open_folder()
        try:
            self.done = self._read_done(settings)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> ResultsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()  # also after an error: what was computed is kept
        finally:
            self._lock.close()

    def add(self, result: Analysis | SetAside) -> None:
        """Take one result; every ``flush_every`` of them go to disk together."""
        self._rows.append(to_row(result))
        if len(self._rows) >= self._flush_every:
            self.flush()

    def flush(self) -> None:
        """Write what has been added as a new shard."""
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        shards = find_shards(self.folder)
        number = int(shards[-1].stem.removeprefix("part-")) + 1 if shards else 0
        write_table(table, self.folder / f"part-{number:05d}.parquet")
        self._rows.clear()

    def forget(self, id: str) -> None:
        """Take a record that was set aside out of its shard, so that it can be tried again."""
        done = self.done.pop(id)
        table = _read_shard(done.shard)
        kept = table.filter(pa.array([known != id for known in table["id"].to_pylist()]))
        if len(kept):
            write_table(kept, done.shard)
        else:
            done.shard.unlink()

    def _open_folder(self) -> IO[str]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            foreign = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
            if foreign and not find_shards(self.folder):
                raise OutputError(f"{self.folder}: holds other files ({foreign[0]}) and no results; choose another -o")
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise OutputError(f"{self.folder}: can't write there ({error.strerror}); choose another -o") from error
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it when the process dies
        except OSError as error:
            lock.close()
            raise OutputError(f"{self.folder}: another run is writing there; wait, or choose another -o") from error
        return lock

    def _read_done(self, settings: dict[str, Any]) -> dict[str, Done]:
        done: dict[str, Done] = {}
        for shard in find_shards(self.folder):
            differences = _describe_differences(read_metadata(shard)["settings"], settings)
            if differences:
                raise OutputError(f"{self.folder}: made with other settings ({differences}); choose another -o")
            for row in _read_shard(shard, ["id", "fingerprint", "error"]).to_pylist():
                done[row["id"]] = Done(row["fingerprint"] or "", shard, row["error"])
        for leftover in self.folder.glob(".part-*.parquet.tmp"):
            leftover.unlink()
        return done


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file so that it appears whole or not at all, and is on disk when this returns."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OutputError(f"{path}: could not be written ({error.strerror or error})") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_shard(shard: Path) -> pq.ParquetFile:
    with _naming(shard):
        return pq.ParquetFile(shard)


def _read_shard(shard: Path, columns: list[str] | None = None) -> pa.Table:
    with _naming(shard):
        return _open_shard(shard).read(columns=columns)


@contextlib.contextmanager
def _naming(shard: Path) -> Iterator[None]:
    """Errors of a damaged shard, in its footer or behind it, say which one it is."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise OutputError(
            f"{shard}: not readable as Parquet ({error}); if it is damaged, delete it and run the same command again"
        ) from error


def _describe_differences(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    names = [name for name in {**stored, **wanted} if stored.get(name) != wanted.get(name)]
    return "; ".join(f"{name}: there {stored.get(name)}, now {wanted.get(name)}" for name in names)
