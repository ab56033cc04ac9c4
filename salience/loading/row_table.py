"""Rows of a large table of weights that stays in its file: only those that a text needs are read.

Gemma 4's and Gemma 3n's per-layer embedding has half of a small model's parameters, and a text looks up a few hundred
of its 262,144 rows. The table is a matrix of floats that lies in one piece, row after row, in an HDF5 or a safetensors
file, so a row is found by its number alone.

Does not know: which model a table belongs to, what its rows are for.
"""

# pyright: standard

from __future__ import annotations

import functools
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptlight.salience.errors import ModelError

BLOCK_BYTES = 2**20  # of the table that ``mean`` holds at a time
_H5_DTYPES = {"<f8": torch.float64, "<f4": torch.float32, "<f2": torch.float16}
_BFLOAT16 = "bfloat16"  # HDF5 has no such type: Keras stores two opaque bytes, and this name in the attribute dtype
_SAFETENSORS_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_WAY_OUT = (
    "use the model as it was published, or save it again with Keras or transformers, neither packed nor quantised"
)


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """A matrix [n_rows, width] in a file, from byte ``offset`` on; ``name`` is what the user calls the model.

    The file is opened for each read, not mapped into memory: if a mapped file is cut short, the process is killed. So
    a table can also be pickled, or used after a fork. ``stamp`` is the file's size and time when it was found.
    """

    name: str
    path: Path
    offset: int
    n_rows: int
    width: int
    dtype: torch.dtype
    stamp: tuple[int, int]

    def read(self, ids: Tensor) -> Tensor:
        """The rows of ids [...] as [..., width], in the dtype as stored, on the ids' device.

        An id beyond the last row reads row 0, as Gemma 3n does with the ids of its images and sounds. Raises
        ModelError if the file is gone or has changed.
        """
        wanted, places = torch.unique(ids.cpu(), return_inverse=True)
        if len(wanted) and int(wanted[0]) < 0:
            raise IndexError(f"expected ids from 0 on, found {int(wanted[0])}")
        numbers = torch.where(wanted < self.n_rows, wanted, 0).tolist()
        rows = torch.empty(len(numbers), self.width, dtype=self.dtype)
        with self._opened() as file:
            for number, row in zip(numbers, rows, strict=True):
                self._fill(file, number, row)
        return rows.to(ids.device)[places.to(ids.device)]

    def mean(self) -> Tensor:
        """The mean of all rows [width] in float32; the first call reads the whole file, some rows at a time."""
        return self._mean

    @functools.cached_property
    def _mean(self) -> Tensor:
        n_together = max(1, BLOCK_BYTES // (self.width * self.dtype.itemsize))
        block = torch.empty(min(n_together, self.n_rows), self.width, dtype=self.dtype)
        total = torch.zeros(self.width, dtype=torch.float64)
        with self._opened() as file:
            for start in range(0, self.n_rows, n_together):
                rows = block[: self.n_rows - start]
                self._fill(file, start, rows)
                total += rows.sum(0, dtype=torch.float64)
        return (total / self.n_rows).float()

    @contextmanager
    def _opened(self) -> Generator[FileIO]:
        """The file, if it is still the one that was found."""
        try:
            with self.path.open("rb", buffering=0) as file:
                if _stamp(file) != self.stamp:
                    raise ModelError(f"{self.name}: {self.path} has changed since the model was loaded; load it again")
                yield file
        except OSError as error:
            raise ModelError(
                f"{self.name}: {self.path} could not be read ({error.strerror or error}), and a table of the model is"
                " read from it as long as the model is used; put the file back"
            ) from error

    def _fill(self, file: FileIO, start: int, rows: Tensor) -> None:
        """Read rows from number ``start`` on into a contiguous tensor."""
        data: Any = rows.view(torch.uint8).numpy()
        left = memoryview(data).cast("B")
        file.seek(self.offset + start * self.width * self.dtype.itemsize)
        while left:
            n_read = file.readinto(left)  # at most 2 GiB at a time
            if not n_read:
                raise ModelError(f"{self.name}: {self.path} ended while it was read; load the model again")
            left = left[n_read:]


@dataclass(frozen=True)
class LoadedTable:
    """A table that is in memory already; it reads as one in a file."""

    rows: Tensor  # [n_rows, width]

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self.rows.shape[0]

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self.rows.shape[1]

    def read(self, ids: Tensor) -> Tensor:
        """As ``StoredTable.read``."""
        return torch.nn.functional.embedding(torch.where(ids < self.n_rows, ids, 0), self.rows)

    def mean(self) -> Tensor:
        """As ``StoredTable.mean``."""
        return self.rows.mean(0, dtype=torch.float64).float()


def find_h5_table(path: Path, dataset: str, shape: tuple[int, int], name: str) -> StoredTable:
    """The table in a dataset of an HDF5 file. Raises ModelError for another shape or layout, or a dtype but floats."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = file[dataset]
            if not isinstance(found, h5py.Dataset):
                raise ModelError(f"{name}: {path.name} has {dataset}, which is no table; {_WAY_OUT}")
            dtype = _H5_DTYPES.get(found.dtype.str)
            if found.dtype.str == "|V2" and found.attrs.get("dtype") == _BFLOAT16:
                dtype = torch.bfloat16
            _check(dtype, str(found.dtype), found.shape, shape, f"{name}: {path.name} has {dataset}")
            offset = found.id.get_offset()
            if offset is None or found.id.get_storage_size() != found.nbytes:
                raise ModelError(f"{name}: {path.name} has {dataset} in pieces or packed, not in one piece; {_WAY_OUT}")
            assert dtype is not None
            return place_table(path, offset, shape, dtype, name)
    except (OSError, KeyError) as error:
        raise ModelError(f"{name}: could not be loaded ({path.name}: {error})") from error


def find_safetensors_table(path: Path, tensor: str, shape: tuple[int, int], name: str) -> StoredTable:
    """The table in a tensor of a safetensors file. Raises ModelError for another shape, or a dtype but floats."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("no header of safetensors")
            found: Any = json.loads(file.read(length))[tensor]
        start, stop = found["data_offsets"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name}: could not be loaded ({path.name}: {error})") from error
    dtype = _SAFETENSORS_DTYPES.get(found["dtype"])
    _check(dtype, found["dtype"], tuple(found["shape"]), shape, f"{name}: {path.name} has {tensor}")
    assert dtype is not None
    if stop - start != shape[0] * shape[1] * dtype.itemsize:
        raise ModelError(f"{name}: {path.name} has {stop - start} bytes of {tensor}, too few or too many; {_WAY_OUT}")
    return place_table(path, 8 + length + start, shape, dtype, name)


def _check(dtype: torch.dtype | None, found: str, shape: tuple[int, ...], expected: tuple[int, int], what: str) -> None:
    if dtype is None:
        raise ModelError(f"{what} as {found}; expected float32, bfloat16, float16 or float64: {_WAY_OUT}")
    if shape != expected:
        raise ModelError(f"{what} with shape {list(shape)}; expected {list(expected)}, as config.json says")


def place_table(path: Path, offset: int, shape: tuple[int, int], dtype: torch.dtype, name: str) -> StoredTable:
    """The table [n_rows, width] from a byte of a file on. Raises ModelError if the file ends within it."""
    n_rows, width = shape
    with path.open("rb", buffering=0) as file:
        stamp = _stamp(file)
    if offset + n_rows * width * dtype.itemsize > stamp[0]:
        raise ModelError(f"{name}: {path.name} is cut short: it ends within a table; fetch it again")
    return StoredTable(
        name=name, path=path.absolute(), offset=offset, n_rows=n_rows, width=width, dtype=dtype, stamp=stamp
    )


def _stamp(file: FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns
