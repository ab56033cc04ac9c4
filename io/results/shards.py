"""The shards of a results folder: find them, and read their metadata and tables.

A shard is a Parquet file of whole rows, one per prompt. Its metadata has the settings that made it. Errors of a damaged
shard name it.
"""

# pyright: standard

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, overload

import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.places import Place, RemotePath
from promptlight.io.results._upgrade import upgrade_row, upgrade_settings
from promptlight.io.results.folders import guess_folder, name_bundled
from promptlight.io.results.schema import READABLE, SCHEMA_VERSION, build_schema, read_kind
from promptlight.salience.errors import OutputError

METADATA_KEY = b"promptlight"
EVALUATION_FOLDER = "_evaluation"  # evaluations, next to the shards
N_AHEAD = 16  # shards that are fetched at the same time
_SHARD_NAME = re.compile(r"part-\d+\.parquet")


@overload
def find_shards(folder: Path) -> list[Path]: ...
@overload
def find_shards(folder: RemotePath) -> list[RemotePath]: ...
def find_shards(folder: Place) -> Sequence[Place]:
    """The folder's shards in the order of writing."""
    return sorted((path for path in folder.iterdir() if _SHARD_NAME.fullmatch(path.name)), key=read_number)


def require_shards(folder: Place) -> Sequence[Place]:
    """The folder's shards; raises OutputError if there are none."""
    try:
        shards = find_shards(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OutputError(
            f"{folder}: no such results folder; `promptlight run` makes one, and {name_bundled()}{guess_folder(folder)}"
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: can't be read ({error.strerror})") from error
    if not shards:
        raise OutputError(f"{folder}: no results in it; make some with `promptlight run`")
    return shards


def read_metadata(shard: Place) -> dict[str, Any]:
    """The metadata of a shard. Raises OutputError for a file that promptlight did not write."""
    metadata = json.loads(_open_shard(shard).schema_arrow.metadata[METADATA_KEY])
    return metadata | {"settings": upgrade_settings(metadata["settings"])}


def _open_shard(shard: Place) -> pq.ParquetFile:
    """Open a shard; raises OutputError unless promptlight wrote it and this version has the same columns."""
    with naming(shard):
        is_remote = isinstance(shard, RemotePath)  # where neighbouring columns are better fetched together
        file = pq.ParquetFile(open_source(shard), page_checksum_verification=True, pre_buffer=is_remote)
        stored = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
        if stored is None:
            raise OutputError(f"{shard}: not written by promptlight; expected a folder that `promptlight run` made")
        metadata = json.loads(stored)
        version = metadata["schema_version"]
        if version not in READABLE:
            is_later = isinstance(version, int) and version > SCHEMA_VERSION
            way_out = "update promptlight, or run" if is_later else "run"
            raise OutputError(
                f"{shard}: written with schema version {version}, this promptlight reads {READABLE[0]} to"
                f" {SCHEMA_VERSION}: {way_out} the prompts again into a new folder"
            )
        methods = read_kind(upgrade_settings(metadata["settings"])).methods
        if not file.schema_arrow.equals(build_schema(methods, version=version)):
            raise ValueError("its columns are not those that promptlight writes")
        return file


def open_source(place: Place) -> pa.NativeFile:
    """Open a file, or an object of which only what is needed will be fetched."""
    if isinstance(place, RemotePath):
        return pa.PythonFile(place.open_ranges(), mode="r")
    return pa.OSFile(os.fsencode(place))  # the name as bytes, as it need not be UTF-8


def read_shard(shard: Place, columns: list[str] | None = None) -> pa.Table:
    """All rows of a shard, with the columns of its own version. Raises OutputError if it is damaged."""
    with naming(shard):
        file = _open_shard(shard)
        table = file.read(columns=columns)
        if table.num_rows != file.metadata.num_rows:
            raise ValueError(f"{table.num_rows} rows instead of {file.metadata.num_rows}")
        return table


def read_tables(shards: Sequence[Place], columns: list[str]) -> Iterator[tuple[Place, pa.Table | OutputError]]:
    """Some columns of each shard, or the error of a damaged one, one shard in memory at a time.

    From an object store, where each answer takes its time, the next shards are fetched meanwhile.
    """
    if not any(isinstance(shard, RemotePath) for shard in shards):
        yield from ((shard, _try_to_read(shard, columns)) for shard in shards)
        return
    left, ahead = iter(shards), deque[tuple[Place, Future[pa.Table | OutputError]]]()
    with ThreadPoolExecutor(N_AHEAD) as pool:
        try:
            while True:
                ahead += ((one, pool.submit(_try_to_read, one, columns)) for one in islice(left, N_AHEAD - len(ahead)))
                if not ahead:
                    return
                shard, table = ahead.popleft()
                yield shard, table.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _try_to_read(shard: Place, columns: list[str]) -> pa.Table | OutputError:
    try:
        return read_shard(shard, columns)
    except OutputError as error:
        return error


def settings_of(table: pa.Table) -> dict[str, Any]:
    """The settings of the shard that a table was read from."""
    return upgrade_settings(json.loads((table.schema.metadata or {})[METADATA_KEY])["settings"])


def to_rows(table: pa.Table) -> list[dict[str, Any]]:
    """A shard's table row by row, converted to this version."""
    return [upgrade_row(row) for row in table.to_pylist()]


@contextlib.contextmanager
def naming(shard: Place) -> Generator[None]:
    """Add the shard's name to errors of a damaged one: pyarrow's own, and those of bad text, JSON, names or types."""
    try:
        yield
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{shard}: not readable as Parquet ({error}); if it is damaged, delete it and run the same command again"
        ) from error


def read_number(shard: Place) -> int:
    """A shard's place in the order of writing, from its name."""
    return int(shard.stem.removeprefix("part-"))
