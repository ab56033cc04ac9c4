"""A results folder: Parquet shards that say themselves what is done.

Each shard holds whole rows, one per prompt. It is written under a hidden name, flushed to disk and renamed, so whatever
interrupts a run leaves only whole shards, and the next run goes on after them. Each shard's metadata holds the settings
that made it; a run with other settings is refused. There is no manifest that could disagree with the shards.

A damaged shard hides its own rows only: reading goes on with the others and names it at the end. A run refuses it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.files import writing
from promptlight.io.results.digits import Scores
from promptlight.io.results.schema import (
    READABLE,
    SCHEMA_VERSION,
    build_schema,
    find_matrix_columns,
    from_row,
    read_kind,
    to_row,
    upgrade_settings,
)
from promptlight.salience.errors import OUT_OF_MEMORY, OutputError
from promptlight.salience.types import Analysis, SetAside

try:
    import fcntl
except ImportError:  # Windows: no lock
    fcntl = None

METADATA_KEY = b"promptlight"
FLUSH_EVERY = 32
EVALUATION_FOLDER = "_evaluation"  # what `evaluate` keeps beside the shards
_SHARD_NAME = re.compile(r"part-\d+\.parquet")


@dataclass(frozen=True)
class Done:
    """What a folder already holds of one record."""

    fingerprint: str
    shard: Path
    error: str | None  # why it was set aside

    def settles(self, fingerprint: str) -> bool:
        """Whether a record needs no more work: it is as it was, and did not fail for lack of memory."""
        return self.fingerprint == fingerprint and not (self.error or "").startswith(OUT_OF_MEMORY)


def find_shards(folder: Path) -> list[Path]:
    """The folder's shards in the order in which they were written."""
    return sorted((path for path in folder.iterdir() if _SHARD_NAME.fullmatch(path.name)), key=_read_number)


def require_shards(folder: Path) -> list[Path]:
    """The folder's shards; raises OutputError if there are none."""
    try:
        shards = find_shards(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OutputError(
            f"{folder}: no such results folder; make one with `promptlight run PROMPTS -o {folder}`"
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: can't be read ({error.strerror})") from error
    if not shards:
        raise OutputError(f"{folder}: no results in it; make some with `promptlight run PROMPTS -o {folder}`")
    return shards


def read_metadata(shard: Path) -> dict[str, Any]:
    """What a shard says of how it was made. Raises OutputError for a file that promptlight did not write."""
    metadata = json.loads(_open_shard(shard).schema_arrow.metadata[METADATA_KEY])
    return metadata | {"settings": upgrade_settings(metadata["settings"])}


def read_settings(folder: str | Path) -> dict[str, Any]:
    """All that the results of a folder have in common and that makes them what they are."""
    return read_metadata(require_shards(Path(folder))[0])["settings"]


def read_results(folder: str | Path, problems: list[str] | None = None) -> Iterator[Analysis | SetAside]:
    """All results of a folder in the order in which they were written, one shard in memory at a time.

    Damaged shards are left out, and an OutputError after the last result names them all; with a list of ``problems``,
    they are named there instead.
    """
    raising = problems is None
    problems = [] if problems is None else problems
    for shard in require_shards(Path(folder)):
        try:
            yield from _read_shard_results(shard)
        except OutputError as error:
            problems.append(str(error))
    if problems and raising:
        raise OutputError("; ".join(problems))


def find_result(folder: str | Path, *, id: str | None = None, row: int = 0) -> Analysis | SetAside:
    """The result with an id, or else the one at a row number (from 0; negative numbers count from the end).

    Damaged shards matter only where the answer depends on them: where they come before the row, or where no other
    shard holds the id. Then an OutputError names them.
    """
    shards = require_shards(Path(folder))
    shard, place = _find_row(folder, shards, row) if id is None else _find_id(folder, shards, id)
    return read_result(shard, place)


def read_result(shard: Path, place: int) -> Analysis | SetAside:
    """The result at a place of a shard, from 0."""
    kind = read_kind(read_metadata(shard)["settings"])
    table = _read_shard(shard)
    with _naming(shard):
        return from_row(table.slice(place, 1).to_pylist()[0], kind)


def read_columns(folder: str | Path, columns: list[str], problems: list[str]) -> Iterator[tuple[Path, pa.Table]]:
    """Some columns of each shard, one shard in memory at a time; damaged ones are named in ``problems``."""
    for shard in require_shards(Path(folder)):
        try:
            yield shard, _read_shard(shard, columns)
        except OutputError as error:
            problems.append(str(error))


def _find_row(folder: str | Path, shards: list[Path], row: int) -> tuple[Path, int]:
    """The shard of a row and its place there; a negative row is looked for from the end."""
    n_rows = 0
    for shard in shards if row >= 0 else reversed(shards):
        n_here = _read_shard(shard, ["id"]).num_rows
        place = row - n_rows if row >= 0 else row + n_rows + n_here
        if 0 <= place < n_here:
            return shard, place
        n_rows += n_here
    raise OutputError(f"{folder}: no row {row}; it has {n_rows} rows, numbered from 0")


def _find_id(folder: str | Path, shards: list[Path], id: str) -> tuple[Path, int]:
    """The shard of an id and its place there."""
    known: list[str] = []
    problems: list[str] = []
    for shard in shards:
        try:
            ids = [row["id"] for row in _read_rows(shard, ["id"])]
        except OutputError as error:
            problems.append(str(error))
            continue
        if id in ids:
            return shard, ids.index(id)
        known += ids
    if problems:
        raise OutputError(f"{folder}: no result with id {id!r} where it can be read; {'; '.join(problems)}")
    listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    raise OutputError(f"{folder}: no result with id {id!r}; it has {listed}")


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
        self._scores = Scores(settings.get("scores", Scores.FLOAT32))
        self._rows: list[dict[str, Any]] = []
        self._number = 0  # of the next shard
        metadata = {"schema_version": SCHEMA_VERSION, "settings": settings, **provenance}
        self._schema = build_schema(read_kind(settings).methods).with_metadata({METADATA_KEY: json.dumps(metadata)})
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
        self._rows.append(to_row(result, self._scores))
        if len(self._rows) >= self._flush_every:
            self.flush()

    def flush(self) -> None:
        """Write what has been added as a new shard."""
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        write_table(table, self.folder / f"part-{self._number:05d}.parquet")
        # not before it is written: after an error the same shard is tried again. And both at once: Ctrl-C between the
        # two would have the rows written a second time
        self._number, self._rows = self._number + 1, []

    def forget(self, id: str) -> None:
        """Take a record that was set aside out of its shard, so that it can be tried again."""
        shard = self.done[id].shard
        table = _read_shard(shard)
        kept = table.filter(pa.array([known != id for known in table["id"].to_pylist()]))
        if len(kept):
            write_table(kept, shard)
        else:
            _remove(shard)
        del self.done[id]

    def _open_folder(self) -> IO[str]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(self.folder)
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
        done = read_done(self.folder, settings)
        self._number = max((_read_number(shard) + 1 for shard in find_shards(self.folder)), default=0)
        for leftover in self.folder.glob(".part-*.parquet.tmp"):
            _remove(leftover)
        return done


def read_done(folder: str | Path, settings: dict[str, Any]) -> dict[str, Done]:
    """What a folder holds of each record, by id; nothing if it is not there yet, and nothing in it is touched.

    Raises OutputError for a folder that was made with other settings, or holds something else.
    """
    folder, done = Path(folder), dict[str, Done]()
    if not folder.exists():
        return done
    try:
        _refuse_foreign(folder)
    except OSError as error:
        raise OutputError(f"{folder}: can't be read ({error.strerror}); choose another -o") from error
    for shard in find_shards(folder):
        differences = _describe_differences(read_metadata(shard)["settings"], settings)
        if differences:
            raise OutputError(f"{folder}: made with other settings ({differences}); choose another -o")
        for row in _read_rows(shard, ["id", "fingerprint", "error"]):
            if row["id"] in done:
                raise OutputError(f"{shard}: holds id {row['id']!r}, as {done[row['id']].shard} does; delete one")
            done[row["id"]] = Done(row["fingerprint"] or "", shard, row["error"])
    return done


def _refuse_foreign(folder: Path) -> None:
    """Raise OutputError for a folder that holds other files than results."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    foreign = [name for name in names if name != EVALUATION_FOLDER]
    if foreign and not find_shards(folder):
        raise OutputError(f"{folder}: holds other files ({foreign[0]}) and no results; choose another -o")


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file so that it appears whole or not at all, and is on disk when this returns."""
    with writing(path, durable=True) as temporary, temporary.open("wb") as file:  # whose name need not be UTF-8
        pq.write_table(table, file, compression="zstd", write_page_checksum=True, **_choose_encodings(table.schema))


def _choose_encodings(schema: pa.Schema) -> dict[str, Any]:
    """Scores hardly repeat: their bytes are stored by place, which packs better than a dictionary of them."""
    matrices = find_matrix_columns(schema)
    others = [path for field in schema if field.name not in matrices for path in _find_leaves(field.name, field.type)]
    split = [path for name in matrices for path in _find_leaves(name, schema.field(name).type)]
    return {"use_dictionary": others, "column_encoding": dict.fromkeys(split, "BYTE_STREAM_SPLIT")}


def _find_leaves(path: str, type_: pa.DataType) -> Iterator[str]:
    """What Parquet calls the columns that a nested column is made of."""
    if pa.types.is_list(type_):
        yield from _find_leaves(f"{path}.list.element", type_.value_type)
    elif pa.types.is_struct(type_):
        for field in type_:
            yield from _find_leaves(f"{path}.{field.name}", field.type)
    else:
        yield path


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"{path}: could not be removed ({error.strerror})") from error


def _read_number(shard: Path) -> int:
    return int(shard.stem.removeprefix("part-"))


def _open_shard(shard: Path) -> pq.ParquetFile:
    """A shard's reader; raises OutputError unless promptlight wrote it and this version has the same columns."""
    with _naming(shard):
        source = pa.OSFile(os.fsencode(shard))  # by its name in bytes, which need not be UTF-8
        file = pq.ParquetFile(source, page_checksum_verification=True)
        stored = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
        if stored is None:
            raise OutputError(
                f"{shard}: not written by promptlight run; expected a folder that `promptlight run -o` made"
            )
        metadata = json.loads(stored)
        version = metadata["schema_version"]
        if version not in READABLE:
            readable = " and ".join(map(str, READABLE))
            is_later = isinstance(version, int) and version > SCHEMA_VERSION
            way_out = "update promptlight, or run" if is_later else "run"
            raise OutputError(
                f"{shard}: written with schema version {version}, this promptlight reads {readable}: {way_out} the"
                " prompts again into a new folder"
            )
        methods = read_kind(upgrade_settings(metadata["settings"])).methods
        if not file.schema_arrow.equals(build_schema(methods, version=version)):
            raise ValueError("its columns are not those that promptlight writes")
        return file


def _read_shard(shard: Path, columns: list[str] | None = None) -> pa.Table:
    with _naming(shard):
        file = _open_shard(shard)
        table = file.read(columns=columns)
        if table.num_rows != file.metadata.num_rows:
            raise ValueError(f"{table.num_rows} rows instead of {file.metadata.num_rows}")
        return table


def _read_rows(shard: Path, columns: list[str]) -> list[dict[str, Any]]:
    table = _read_shard(shard, columns)
    with _naming(shard):
        return table.to_pylist()


def _read_shard_results(shard: Path) -> Iterator[Analysis | SetAside]:
    kind = read_kind(read_metadata(shard)["settings"])
    table = _read_shard(shard)
    with _naming(shard):
        for batch in table.to_batches(max_chunksize=16):  # as Python objects, rows take many times their size
            for row in batch.to_pylist():
                yield from_row(row, kind)


@contextlib.contextmanager
def _naming(shard: Path) -> Generator[None]:
    """Errors of a damaged shard say which one it is: pyarrow's own, and those of wrong text, JSON, names or types."""
    try:
        yield
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{shard}: not readable as Parquet ({error}); if it is damaged, delete it and run the same command again"
        ) from error


def _describe_differences(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    names = [name for name in {**stored, **wanted} if stored.get(name) != wanted.get(name)]
    return "; ".join(f"{name}: there {_spell(stored.get(name))}, now {_spell(wanted.get(name))}" for name in names)


def _spell(setting: Any) -> str:
    return ", ".join(map(str, setting)) if isinstance(setting, list) else str(setting)
