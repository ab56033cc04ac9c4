"""Check that a preset is only data, before Keras reads its files.

The checks, in this order:
 1. Links lead to files in the folder, or in the cache of the hub that it came from; none is a pointer of git-lfs.
 2. config.json has a covered family and needs no code. It, tokenizer.json and task.json name only classes of covered
    families, because Keras creates an object of each class that they name.
 3. The lists of weight files name HDF5 or safetensors files in the folder, never pickles, which run code.
 4. HDF5 files refer to no other file, and do not unpack to far more than their size.
 5. There are no more parameters than the weight files have room for.
"""

from __future__ import annotations

from pathlib import Path

from promptlight.salience.errors import ModelError
from promptlight.salience.loading._tokenizer_files import ADDED_TOKENS, TOKENIZER_CONFIG
from promptlight.salience.loading.configs import (
    CONFIG,
    TASK,
    TOKENIZER,
    VOCABULARIES,
    check_classes,
    check_config,
    check_size,
    read_json,
)
from promptlight.salience.loading.families import is_of_keras
from promptlight.salience.loading.weight_files import (
    KERAS_INDEX,
    SAFETENSORS_INDEX,
    check_h5,
    find_weights,
    read_index,
)

_POINTER = b"version https://git-lfs.github.com/spec/"


def check_preset(folder: Path, name: str) -> None:
    """Raise ModelError for a preset that is not only data; ``name`` is the user's name for it."""
    check_links(folder, name)
    configs = {CONFIG: check_config(folder, name)}
    if is_of_keras(configs[CONFIG]):  # in transformers' format, these files mean something else
        configs |= {one: read_json(folder / one, name) for one in (TOKENIZER, TASK) if (folder / one).is_file()}
        for file, config in configs.items():
            check_classes(config, f"{name}: {file}")
    for index in (KERAS_INDEX, SAFETENSORS_INDEX):
        if (folder / index).is_file():
            read_index(folder / index, name)
    weights = find_weights(folder)
    for path in weights:
        if path.suffix == ".h5":
            check_h5(path, name)
    for file, config in configs.items():
        check_size(config, sum(path.stat().st_size for path in weights), f"{name}: {file}")


def check_links(folder: Path, name: str) -> None:
    """Raise ModelError if a file that is read links out of the folder, is no regular file, or is a git-lfs pointer."""
    named = [CONFIG, TOKENIZER, TASK, KERAS_INDEX, SAFETENSORS_INDEX, *VOCABULARIES, TOKENIZER_CONFIG, ADDED_TOKENS]
    for path in [*(folder / one for one in named), *find_weights(folder)]:
        _check_link(folder, path, name)
        if path.is_file() and _begins_with(path, _POINTER):
            raise ModelError(
                f"{name}: {path.relative_to(folder)} is a pointer of git-lfs, not the file: run `git lfs pull` there"
            )


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _check_link(folder: Path, path: Path, name: str) -> None:
    """Raise ModelError if a file of the folder links out of it, or is no regular file."""
    try:
        root, target = folder.resolve(), path.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise ModelError(f"{name}: {path.name} could not be followed ({error})") from error
    cache = [root.parent.parent] if root.parent.name == "snapshots" else []  # huggingface_hub's: ../../blobs
    if not any(target.is_relative_to(place) for place in (root, *cache)):
        inside = path.relative_to(folder)
        raise ModelError(f"{name}: {inside} is a link to {target}, out of the folder; put the file itself there")
    if path.exists() and not path.is_file():
        raise ModelError(f"{name}: {path.relative_to(folder)} is no file; expected one with data")
