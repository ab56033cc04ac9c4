"""Read the header of a GGUF file: fields (key and value) and the place of each tensor.

    magic "GGUF", version, number of tensors, number of fields       little-endian; version 2 or 3
    fields:   key, type, value
    tensors:  name, dimensions (the innermost first), type, offset
    padding to general.alignment; then the data of all tensors

ggml-org's own reader makes numpy arrays of every piece of the vocabulary, 12 s and 700 MB for Gemma 3, and it believes
any length that a damaged file states. This one reads a list at once, and nothing beyond the end of the file.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = "general.alignment"

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_BOOL, _STRING, _ARRAY = 7, 8, 9
_MAX_DIMENSIONS = 4

Value = bool | int | float | str | list[bytes] | NDArray[Any]
"""The value of a field; a list of strings stays bytes, as pieces of a vocabulary need not be UTF-8."""


@dataclass(frozen=True, kw_only=True)
class TensorPlace:
    """A tensor in a file: its shape as numpy has it, ggml's number of its type, and where its data starts."""

    name: str
    shape: tuple[int, ...]
    type: int
    path: Path
    start: int
    file_size: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """The fields and tensors of a GGUF file, or of all shards of one: fields are the first shard's."""

    name: str
    paths: tuple[Path, ...]
    fields: Mapping[str, Value]
    tensors: Mapping[str, TensorPlace]


def read_header(path: Path) -> tuple[dict[str, Value], dict[str, TensorPlace]]:
    """The fields and tensors of one file. Raises ModelError if it is damaged, or no GGUF file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if (found := file.read(len(MAGIC))) != MAGIC:
                raise ModelError(f"{path}: no GGUF file: it begins with {found!r}, not with {MAGIC!r}")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(path, data, size)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: could not be loaded ({error})") from error


def _parse(path: Path, data: mmap.mmap, size: int) -> tuple[dict[str, Value], dict[str, TensorPlace]]:
    cursor = _Cursor(path, data, len(MAGIC))
    version = cursor.scalar("I")
    if version not in VERSIONS:
        big_endian = version & 0xFFFF == 0
        reason = "in big-endian byte order" if big_endian else f"of GGUF version {version}; expected 2 or 3"
        raise ModelError(f"{path}: a file {reason}, which is not read; convert the model again")
    n_tensors, n_fields = cursor.scalar("Q"), cursor.scalar("Q")
    fields: dict[str, Value] = {}
    for _ in range(n_fields):
        key = cursor.text()
        if key in fields:
            raise cursor.damaged(f"{key} is there twice")
        fields[key] = cursor.value(cursor.scalar("I"))
    tensors: dict[str, tuple[tuple[int, ...], int, int]] = {}
    for _ in range(n_tensors):
        name = cursor.text()
        if name in tensors:
            raise cursor.damaged(f"the tensor {name} is there twice")
        tensors[name] = cursor.tensor()
    alignment = fields.get(ALIGNMENT, 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise cursor.damaged(f"{ALIGNMENT} is no power of two")
    if shifted := [name for name, (_, _, offset) in tensors.items() if offset % alignment]:
        raise cursor.damaged(f"{shifted[0]} does not start at a multiple of {alignment}")
    start = math.ceil(cursor.offset / alignment) * alignment
    return fields, {
        name: TensorPlace(name=name, shape=shape, type=kind, path=path, start=start + offset, file_size=size)
        for name, (shape, kind, offset) in tensors.items()
    }


class _Cursor:
    """Reads one value after the other, never beyond the end of the file."""

    def __init__(self, path: Path, data: mmap.mmap, offset: int) -> None:
        self.path = path
        self.offset = offset
        self._data = data

    def damaged(self, reason: str) -> ModelError:
        return ModelError(f"{self.path}: damaged: {reason} (its header, byte {self.offset}); fetch it again")

    def scalar(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self._take(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        raw = self._take(self.scalar("Q"))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.damaged("a name is no UTF-8") from None

    def value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._take(self.scalar("Q")).decode(errors="replace")
        if kind == _ARRAY:
            return self._array(self.scalar("I"), self.scalar("Q"))
        if kind not in _SCALARS:
            raise self.damaged(f"a value has the unknown type {kind}")
        return self.scalar("B") != 0 if kind == _BOOL else self.scalar(_SCALARS[kind])

    def _array(self, kind: int, n: int) -> Value:
        if kind == _STRING:
            return self._strings(n)
        if kind not in _SCALARS:
            raise self.damaged(f"a list has values of the type {kind}")
        numbers = np.dtype("u1" if kind == _BOOL else f"<{_SCALARS[kind]}")
        return np.frombuffer(self._take(n * numbers.itemsize), numbers).astype(bool if kind == _BOOL else numbers)

    def _strings(self, n: int) -> list[bytes]:
        strings: list[bytes] = []
        data, unpack, offset, end = self._data, struct.Struct("<Q").unpack_from, self.offset, len(self._data)
        for _ in range(n):  # a vocabulary has 262,144 of them: no method call for each
            if offset + 8 > end:
                raise self._truncated()
            stop = offset + 8 + unpack(data, offset)[0]
            if stop > end:
                raise self._truncated()
            strings.append(data[offset + 8 : stop])
            offset = stop
        self.offset = offset
        return strings

    def tensor(self) -> tuple[tuple[int, ...], int, int]:
        """The shape, type and offset of a tensor, in that order."""
        n_dimensions = self.scalar("I")
        if n_dimensions > _MAX_DIMENSIONS:
            raise self.damaged(f"a tensor has {n_dimensions} dimensions")
        shape = tuple(self.scalar("Q") for _ in range(n_dimensions))
        return shape[::-1], self.scalar("I"), self.scalar("Q")

    def _take(self, n: int) -> bytes:
        start, stop = self.offset, self.offset + n
        if stop > len(self._data):
            raise self._truncated()
        self.offset = stop
        return self._data[start:stop]

    def _truncated(self) -> ModelError:
        return ModelError(
            f"{self.path}: damaged or cut off: its header, from byte {self.offset} on, says more than the file's"
            f" {len(self._data)} bytes hold; fetch it again"
        )
