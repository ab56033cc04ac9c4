"""The files of a model: one, or shards that llama.cpp's gguf-split made.

gemma-00001-of-00003.gguf, gemma-00002-of-00003.gguf, gemma-00003-of-00003.gguf
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._header import Header, TensorPlace, read_header

_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.gguf)", re.IGNORECASE)
_N_TENSORS = "split.tensors.count"
_BLOCK = 2**22


def find_first_shard(path: Path) -> Path:
    """The first shard of a model, given any of them; a file that is no shard is its own."""
    match = _SHARD.fullmatch(path.name)
    return path.with_name(f"{match[1]}-00001-of-{match[3]}{match[4]}") if match else path


def find_shards(path: Path) -> tuple[Path, ...]:
    """All files of a model, given any of them. Raises ModelError if one is missing."""
    match = _SHARD.fullmatch(path.name)
    if match is None:
        paths = [path]
    else:
        stem, _, n, ending = match.groups()
        paths = [path.with_name(f"{stem}-{one:05}-of-{n}{ending}") for one in range(1, int(n) + 1)]
    for one in paths:
        if not one.exists():
            raise ModelError(
                f"{one}: no such file" + (f"; {path.name} needs all {len(paths)} files" * (match is not None))
            )
        if not one.is_file():
            raise ModelError(f"{one} is no file; expected a GGUF file")
    return tuple(paths)


def read_model_header(path: Path) -> Header:
    """The header of a model from all of its files. Raises ModelError."""
    paths = find_shards(path)
    fields, tensors = read_header(paths[0])
    for shard in paths[1:]:
        _add_tensors(tensors, read_header(shard)[1], shard)
    expected = fields.get(_N_TENSORS, len(tensors))
    if expected != len(tensors):
        name = paths[0].name
        raise ModelError(f"{path}: {name} promises {expected} tensors in {len(paths)} files, found {len(tensors)}")
    return Header(name=str(path), paths=paths, fields=fields, tensors=tensors)


def _add_tensors(tensors: dict[str, TensorPlace], more: dict[str, TensorPlace], shard: Path) -> None:
    if twice := sorted(tensors.keys() & more.keys()):
        raise ModelError(f"{shard}: has {twice[0]}, which another shard has too")
    tensors |= more


def hash_files(paths: tuple[Path, ...]) -> str:
    """The SHA-256 of all bytes of the files, one after the other, as `cat FILES | sha256sum` prints it."""
    digest = hashlib.sha256()
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while n := file.readinto(buffer):
                digest.update(view[:n])
    return digest.hexdigest()
