"""Where what is tried is kept: the results folder itself, or a copy of results in which nothing can be written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from promptlight.io.places import Place, RemotePath
from promptlight.io.results.folders import is_bundled
from promptlight.io.results.shards import EVALUATION_FOLDER, find_shards, require_shards
from promptlight.io.results.tried import TRIED_FOLDER
from promptlight.salience.errors import OutputError, UsageError

QUEUE = "queue.json"  # what waits in a folder is that folder's


def choose_kept(folder: Place, keep: Path | None) -> Path:
    """The folder to serve: ``folder``, or ``keep`` with a copy of its results.

    ``keep`` must be new or empty, or have these results already. Raises UsageError if it has others, and without it for
    results in the package or on an object store; OutputError if it can't be written.
    """
    if keep is None:
        if isinstance(folder, RemotePath) or is_bundled(folder):
            where = "on an object store" if isinstance(folder, RemotePath) else "part of promptlight"
            raise UsageError(
                f"{folder}: what is tried can't be kept there, these results are {where}: name a folder for a copy",
                parameters=("keep",),
            )
        return folder
    files = list(_list_files(folder))
    try:
        if keep.exists() and any(keep.iterdir()):
            _require_same(folder, files, keep)
        else:
            _copy(files, keep)
    except OSError as error:
        raise OutputError(f"{keep}: the results could not be copied there ({error.strerror})") from error
    return keep


def _list_files(folder: Place) -> Iterator[tuple[str, Place]]:
    """What makes up the results, by relative path: the shards, what was measured on them, what else was asked."""
    yield from ((shard.name, shard) for shard in require_shards(folder))
    for name in _list_names(folder / EVALUATION_FOLDER):
        if name.endswith((".parquet", ".json")) and name != QUEUE:
            yield f"{EVALUATION_FOLDER}/{name}", folder / EVALUATION_FOLDER / name
    for name in _list_names(folder / TRIED_FOLDER):
        yield from (
            (f"{TRIED_FOLDER}/{name}/{shard.name}", shard) for shard in find_shards(folder / TRIED_FOLDER / name)
        )


def _list_names(folder: Place) -> list[str]:
    try:
        return [one.name for one in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _require_same(folder: Place, files: list[tuple[str, Place]], keep: Path) -> None:
    """Raise UsageError unless the shards are there, unchanged; what was measured may have grown."""
    for name, source in files:
        copy = keep / name
        if "/" not in name and not (copy.is_file() and copy.read_bytes() == source.read_bytes()):
            raise UsageError(
                f"{keep}: expected a new folder, or one with a copy of {folder}, found other files: name another one",
                parameters=("keep",),
            )


def _copy(files: list[tuple[str, Place]], keep: Path) -> None:
    """Copy completely or not at all."""
    keep.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{keep.name}.", dir=keep.parent) as temporary:
        whole = Path(temporary) / "whole"
        for name, source in files:
            copy = whole / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
        if keep.exists():
            keep.rmdir()
        shutil.move(whole, keep)
