"""Check the weight files of a preset: data in its own folder that does not unpack to too much.

A list of weight files may name HDF5 or safetensors files, never pickles, which run code.
"""

# pyright: standard

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import AS_PUBLISHED, RUNS_NO_CODE, read_json

KERAS_WEIGHTS, SAFETENSORS = "model.weights.h5", "model.safetensors"
KERAS_INDEX, SAFETENSORS_INDEX = "model.weights.json", "model.safetensors.index.json"
WEIGHTS = ("*.weights.h5", "*.safetensors")
DATA_ENDINGS = (".weights.h5", ".safetensors")

_ROOM = 64 * 2**20  # bytes that a file of any size may unpack to
_EXPANSION = 16  # Keras does not pack weights at all


def read_index(path: Path, name: str) -> list[str]:
    """The names in a list of weight files. Raises ModelError unless they are data files in the folder."""
    listed = read_json(path, name).get("weight_map")
    if not isinstance(listed, dict):
        raise ModelError(f"{name}: could not be loaded ({path.name}: expected a weight_map)")
    values = cast("dict[str, Any]", listed).values()
    names = {str(one) for value in values for one in (cast("list[Any]", value) if isinstance(value, list) else [value])}
    for one in sorted(names):
        if PurePosixPath(one).name != one or "\\" in one:
            raise ModelError(f"{name}: {path.name} names {one}, which is no file of the folder; {AS_PUBLISHED}")
        if not one.endswith(DATA_ENDINGS):
            raise ModelError(
                f"{name}: {path.name} names {one}; expected {' or '.join(DATA_ENDINGS)}: other formats can hold code,"
                f" and {RUNS_NO_CODE}"
            )
    return sorted(names)


def find_weights(folder: Path) -> list[Path]:
    return sorted(path for pattern in WEIGHTS for path in folder.glob(pattern))


def check_h5(path: Path, name: str) -> None:
    """Raise ModelError for an HDF5 file that refers to another file, or unpacks to far more than its size."""
    import h5py

    problems: list[str] = []
    n_bytes = 0

    def look_at_link(within: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            problems.append(f"{within} lies in another file, {link.filename}")
        elif isinstance(link, h5py.SoftLink):
            problems.append(f"{within} is a link to {link.path}")

    def look_at(within: str, item: Any) -> None:
        nonlocal n_bytes
        if not isinstance(item, h5py.Dataset):
            return
        if item.external:
            problems.append(f"{within} lies in another file, {item.external[0][0]}")
        if item.is_virtual:
            problems.append(f"{within} lies in other files")
        n_bytes += math.prod(item.shape or ()) * item.dtype.itemsize

    try:
        with h5py.File(path, "r") as file:
            file.visititems_links(look_at_link)
            file.visititems(look_at)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{name}: could not be loaded ({path.name}: {error})") from error
    if problems:
        raise ModelError(f"{name}: {path.name} is not whole: {problems[0]}; {AS_PUBLISHED}")
    if n_bytes > _EXPANSION * path.stat().st_size + _ROOM:
        size = path.stat().st_size
        raise ModelError(f"{name}: {path.name} has {size} bytes and would unpack to {n_bytes}; {AS_PUBLISHED}")
