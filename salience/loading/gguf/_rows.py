"""Rows of a table in a GGUF file: they are found by number, and dequantised when a text needs them.

A row is a whole number of blocks, so that it has its own bytes. Does not know: what the rows are for.
"""

# pyright: standard

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._blocks import dequantise, find_blocks
from promptlight.salience.loading.gguf._header import TensorPlace
from promptlight.salience.loading.row_table import StoredTable, place_table

_ROWS_AT_ONCE = 512
_FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class QuantisedTable:
    """A matrix [n_rows, width] of ggml's type number ``type``; ``raw`` has the bytes of its rows."""

    raw: StoredTable
    type: int
    width: int

    @property
    def n_rows(self) -> int:
        """How many rows the table has."""
        return self.raw.n_rows

    def read(self, ids: Tensor) -> Tensor:
        """The rows of ids [...] as [..., width] in float32, on the ids' device. Raises ModelError as ``raw`` does."""
        wanted, places = torch.unique(ids.cpu(), return_inverse=True)
        return self._dequantise(self.raw.read(wanted)).to(ids.device)[places.to(ids.device)]

    def mean(self) -> Tensor:
        """The mean of all rows [width] in float32; the first call reads the whole table, some rows at a time."""
        return self._mean

    @functools.cached_property
    def _mean(self) -> Tensor:
        total = torch.zeros(self.width, dtype=torch.float64)
        for ids in torch.arange(self.n_rows).split(_ROWS_AT_ONCE):
            total += self._dequantise(self.raw.read(ids)).sum(0, dtype=torch.float64)
        return (total / self.n_rows).float()

    def _dequantise(self, raw: Tensor) -> Tensor:
        """Bytes [n, bytes of a row] -> numbers [n, width]."""
        if not len(raw):
            return torch.empty(0, self.width)
        kind: Any = find_blocks(self.type)[0]
        numbers = dequantise(raw.numpy().reshape(-1), kind).reshape(-1, self.width)
        if not np.isfinite(numbers).all():
            raise ModelError(
                f"{self.raw.path}: damaged: a row of a table has values that are no numbers; fetch it again"
            )
        return torch.from_numpy(numbers)


def find_table(place: TensorPlace, name: str) -> StoredTable | QuantisedTable:
    """The table in a checked tensor [n_rows, width]; ``name`` is what the user calls the model."""
    kind, per_block, n_bytes = find_blocks(place.type)
    n_rows, width = place.shape
    if kind.name in _FLOATS:
        return place_table(place.path, place.start, (n_rows, width), _FLOATS[kind.name], name)
    raw = place_table(place.path, place.start, (n_rows, width // per_block * n_bytes), torch.uint8, name)
    return QuantisedTable(raw=raw, type=place.type, width=width)
