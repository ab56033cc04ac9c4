"""Write a results folder: the Parquet shards themselves record what is done.

Each shard has whole rows, one per prompt. It is written under a hidden name, flushed to disk and renamed, so any
interruption leaves only whole shards, and the next run continues after them. Each shard's metadata has the settings
that made it; a run with other settings is refused. It also has two dates: when the folder's first run started, and when
the shard's last result was finished. There is no manifest that could disagree with the shards.

On an object store, a shard is put in one piece, and never over another one. A lock keeps a second run out of a folder
on a disk, a lease (``_lease.py``) out of one on an object store.

Reading skips a damaged shard; a run refuses it.
"""

# pyright: standard

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.files import writing
from promptlight.io.places import Place, RemotePath, parse_place
from promptlight.io.results._lease import Lease
from promptlight.io.results._rows import to_row
from promptlight.io.results.digits import Scores
from promptlight.io.results.done import Done, read_done, refuse_foreign
from promptlight.io.results.facts import read_clock
from promptlight.io.results.schema import SCHEMA_VERSION, build_schema, find_matrix_columns, read_kind
from promptlight.io.results.shards import (
    METADATA_KEY,
    find_shards,
    read_metadata,
    read_number,
    read_shard,
)
from promptlight.io.results.tried import read_try
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.types import Analysis, SetAside

FLUSH_EVERY = 32

# For Hugging Face's `datasets`: otherwise, it takes `_evaluation` for a split of tests, and reads that alone.
_DATA_SET = ".huggingface.yaml", "configs:\n- config_name: default\n  data_files: part-*.parquet\n"


class ResultsWriter:
    """Appends results to a folder, a shard at a time; use it as a context manager.

    ``settings`` are all settings that change results. Opening a folder that was made with other settings, or that
    another process is writing to, raises OutputError and changes nothing in it.
    """

    def __init__(
        self, folder: str | Place, settings: dict[str, Any], provenance: dict[str, Any], flush_every: int = FLUSH_EVERY
    ) -> None:
        self.folder = parse_place(folder)
        self.settings = settings
        self._flush_every = flush_every
        self._scores = Scores(settings.get("scores", Scores.FLOAT32))
        self._rows: list[dict[str, Any]] = []
        self._number = 0  # of the next shard
        self._started: str | None = read_clock()  # when the folder's first run began
        self._finished = self._started  # when a result was last added; storing it may be tried twice
        self._metadata = {"schema_version": SCHEMA_VERSION, "settings": settings, **provenance}
        self._schema = build_schema(read_kind(settings).methods)
        self._lock = self._open_folder()
        try:
            self.done = self._read_done(settings)
            self._describe_as_data_set()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> ResultsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Store what was added, and let others write to the folder."""
        try:
            self.flush()  # also after an error: keep what was computed
        finally:
            self._lock.close()

    def add(self, result: Analysis | SetAside) -> None:
        """Add one result; every ``flush_every`` of them go to disk together."""
        self._rows.append(to_row(result, self._scores))
        self._finished = read_clock()
        if len(self._rows) >= self._flush_every:
            self.flush()

    def store(self, result: Analysis | SetAside) -> None:
        """Write one result at once, as a shard of its own. After an error it is forgotten, not tried again."""
        self.flush()
        row = to_row(result, self._scores)
        self._rows, self._finished = [row], read_clock()
        shard = self.folder / f"part-{self._number:05d}.parquet"
        try:
            self.flush()
        finally:
            self._rows = []
        code = result.code if isinstance(result, SetAside) else None
        self.done[row["id"]] = Done(row["fingerprint"] or "", shard, row.get("error"), code, row["path"])

    def come_from(self, provenance: dict[str, Any]) -> None:
        """Say of the results from now on which model, device and versions make them."""
        self._metadata = {"schema_version": SCHEMA_VERSION, "settings": self.settings, **provenance}

    def annotate(self, id: str, note: str, author: str) -> None:
        """Change the note of a prompt that was tried. Raises UsageError if the folder has none with this id."""
        known = self.done.get(id)
        table = read_shard(known.shard) if known else None
        rows = table.select(["id", "source", "fields"]).to_pylist() if table else []
        place = next((place for place, row in enumerate(rows) if row["id"] == id), None)
        fields = {} if place is None else json.loads(rows[place]["fields"] or "{}")
        if known is None or table is None or place is None or read_try(rows[place]["source"], fields) is None:
            raise UsageError(f"expected the id of a prompt that was tried, found {id!r}: only these can have a note")
        rows[place]["fields"] = json.dumps(fields | {"note": note, "author": author}, ensure_ascii=False)
        number = table.schema.get_field_index("fields")
        field = table.schema.field(number)
        changed = table.set_column(number, field, pa.array([row["fields"] for row in rows], field.type))
        self._check_lease()
        write_table(changed, known.shard)

    def flush(self) -> None:
        """Write the added results as a new shard."""
        if not self._rows:
            return
        metadata = self._metadata | {"started": self._started, "finished": self._finished}
        schema = self._schema.with_metadata({METADATA_KEY: json.dumps(metadata)})
        table = pa.Table.from_pylist(self._rows, schema=schema)
        self._check_lease()
        write_table(table, self.folder / f"part-{self._number:05d}.parquet", new=True)
        # only after writing: after an error, the same shard is tried again. And in one statement: Ctrl-C between two
        # would write the rows a second time
        self._number, self._rows = self._number + 1, []

    def forget(self, id: str) -> None:
        """Remove a record that was skipped from its shard, so that it can be tried again."""
        shard = self.done[id].shard
        table = read_shard(shard)
        kept = table.filter(pa.array([known != id for known in table["id"].to_pylist()]))
        self._check_lease()
        if len(kept):
            write_table(kept, shard)
        else:
            _remove(shard)
        del self.done[id]

    def _check_lease(self) -> None:
        """Raise OutputError if the folder is no longer ours; a lock can't be lost."""
        if isinstance(self._lock, Lease):
            self._lock.check()

    def _open_folder(self) -> IO[str] | Lease:
        try:
            if isinstance(self.folder, RemotePath):
                if self.folder.exists():
                    refuse_foreign(self.folder)
                return Lease(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_foreign(self.folder)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise _refuse(self.folder, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system releases it when the process dies
        except OSError as error:
            lock.close()
            raise OutputError(
                f"{self.folder}: another run is writing there; wait, or choose another folder", parameters=("folder",)
            ) from error
        return lock

    def _describe_as_data_set(self) -> None:
        """Say in a hidden file which of the folder's files are rows, unless it is there; on a disk alone."""
        name, content = _DATA_SET
        if isinstance(self.folder, RemotePath) or (self.folder / name).exists():
            return
        try:
            (self.folder / name).write_text(content, encoding="utf-8")
        except OSError as error:
            raise _refuse(self.folder, error) from error

    def _read_done(self, settings: dict[str, Any]) -> dict[str, Done]:
        done = read_done(self.folder, settings)
        if shards := find_shards(self.folder):
            self._number = read_number(shards[-1]) + 1
            self._started = read_metadata(shards[-1]).get("started")  # None if an earlier version wrote it
        if not isinstance(self.folder, RemotePath):
            for leftover in self.folder.glob(".part-*.parquet.tmp"):
                _remove(leftover)
        return done


def _refuse(folder: Place, error: OSError) -> OutputError:
    """The error of a folder that can't be written to."""
    return OutputError(f"{folder}: can't write there ({error.strerror}); choose another folder", parameters=("folder",))


def write_table(table: pa.Table, path: Place, *, new: bool = False) -> None:
    """Write a Parquet file that appears complete or not at all, and is stored when this returns; see ``writing``."""
    with writing(path, durable=True, new=new) as temporary, temporary.open("wb") as file:  # its name need not be UTF-8
        pq.write_table(table, file, compression="zstd", write_page_checksum=True, **_choose_encodings(table.schema))


def _choose_encodings(schema: pa.Schema) -> dict[str, Any]:
    """Choose encodings: scores hardly repeat, so byte streams compress better than a dictionary of them."""
    matrices = find_matrix_columns(schema)
    others = [path for field in schema if field.name not in matrices for path in _find_leaves(field.name, field.type)]
    split = [path for name in matrices for path in _find_leaves(name, schema.field(name).type)]
    return {"use_dictionary": others, "column_encoding": dict.fromkeys(split, "BYTE_STREAM_SPLIT")}


def _find_leaves(path: str, type_: pa.DataType) -> Iterator[str]:
    """Parquet's names for the leaf columns of a nested column."""
    if pa.types.is_list(type_):
        yield from _find_leaves(f"{path}.list.element", type_.value_type)
    elif pa.types.is_struct(type_):
        for field in type_:
            yield from _find_leaves(f"{path}.{field.name}", field.type)
    else:
        yield path


def _remove(path: Place) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"{path}: could not be removed ({error.strerror})") from error
