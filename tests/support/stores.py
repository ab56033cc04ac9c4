"""Results on an object store, for tests: in this process's memory."""

# pyright: standard

from __future__ import annotations

from pathlib import Path

from promptlight.io.places import RemotePath


def upload(folder: Path, place: RemotePath) -> RemotePath:
    """Put the files of a results folder on a store, but for hidden ones."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            (place / path.relative_to(folder)).put(path.read_bytes())
    return place


def read_objects(place: RemotePath) -> dict[str, bytes]:
    """Every object of a results folder, but for what is kept about the results."""
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name != "_evaluation"}
