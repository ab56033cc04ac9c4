"""The tensors in the safetensors files of a folder, by the names that they have there."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Shape
from promptlight.salience.loading.transformers._names import is_buffer
from promptlight.salience.loading.weight_files import SAFETENSORS, SAFETENSORS_INDEX, read_index

_FLOATS = ("F64", "F32", "F16", "BF16")
_ROWS = 8192  # of two matrices that are compared


@dataclass(frozen=True)
class Stored:
    """A tensor in a file."""

    path: Path
    name: str
    shape: Shape

    def read(self) -> Tensor:
        """The tensor, mapped from its file; the mapping ends with it."""
        with safe_open(self.path, framework="pt") as file:
            return file.get_tensor(self.name)

    def read_half(self, half: int) -> Tensor:
        """The first or the second half of its second axis."""
        size = self.shape[1] // 2
        with safe_open(self.path, framework="pt") as file:
            return file.get_slice(self.name)[:, half * size : (half + 1) * size]

    def blocks(self) -> Iterator[Tensor]:
        """Its rows, some at a time."""
        with safe_open(self.path, framework="pt") as file:
            rows = file.get_slice(self.name)
            for start in range(0, self.shape[0], _ROWS):
                yield rows[start : start + _ROWS]


def list_stored(folder: Path, name: str) -> dict[str, Stored]:
    """Every tensor in the folder's files by its name there."""
    stored: dict[str, Stored] = {}
    for path in _list_files(folder, name):
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 (it is no dict)
                    found = file.get_slice(key)
                    if key in stored:
                        raise ModelError(f"{name}: {key} is in {stored[key].path.name} and in {path.name}")
                    if found.get_dtype() not in _FLOATS and not is_buffer(key):
                        raise ModelError(
                            f"{name}: {path.name} has {key} in {found.get_dtype()}, which is not covered; expected"
                            f" {', '.join(_FLOATS)}, not quantised"
                        )
                    stored[key] = Stored(path, key, tuple(found.get_shape()))
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{name}: could not be loaded ({path.name}: {error})") from error
    return stored


def _list_files(folder: Path, name: str) -> list[Path]:
    single, index = folder / SAFETENSORS, folder / SAFETENSORS_INDEX
    if not index.is_file():
        return [single] if single.is_file() else sorted(folder.glob("model-*-of-*.safetensors"))
    if single.is_file():
        raise ModelError(f"{name}: has {SAFETENSORS} and {SAFETENSORS_INDEX}; delete the one that is left over")
    paths = [folder / one for one in read_index(index, name)]
    for path in paths:
        if not path.is_file():
            raise ModelError(f"{name}: {path.name} is missing, which {SAFETENSORS_INDEX} names")
    return paths
