"""Per-layer embeddings: each layer adds a vector of its own for the token that a position reads (Gemma 3n, 4 E-series).

A second table R [V, n P] has a row for each token, n layers of P numbers. From it and from the scaled embedding x0,

    r_l = (norm(W x0 / sqrt(D))_l + sqrt(P) R[token]_l) / sqrt(2)             one vector [P] for each layer l
    layer l ends with  x + norm(U (gelu(G x) * r_l))                          ``run_per_layer``

The table is several gigabytes and of no use as a whole: a ``RowTable`` reads the rows that a text needs.

Shapes: T positions, D width, n layers, P width of a layer's row.
"""

# pyright: standard

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from promptlight.salience.decoder.norms import Norm, rms_norm
from promptlight.salience.decoder.tensors import multiply


class RowTable(Protocol):
    """A table of embeddings that stays where it is stored."""

    @property
    def n_rows(self) -> int:
        """How many tokens have a row."""
        ...

    @property
    def width(self) -> int:
        """Numbers in a row, n P."""
        ...

    def read(self, ids: Tensor) -> Tensor:
        """The rows of token ids [...], as they are stored: [..., n P] on the ids' device. Ids beyond the table read row
        0."""
        ...

    def mean(self) -> Tensor:
        """The mean of all rows [n P], float32."""
        ...


@dataclass(frozen=True, kw_only=True)
class PerLayerInputs:
    """What makes the layers' vectors of a token."""

    table: RowTable
    projection: Tensor  # [D, n P]
    norm: Norm  # [P]

    @property
    def row_width(self) -> int:
        """P, the numbers that one layer gets."""
        assert self.norm.scale is not None
        return self.norm.scale.shape[0]

    @property
    def n_layers(self) -> int:
        """n, the number of layers."""
        return self.projection.shape[1] // self.row_width


@dataclass(frozen=True, kw_only=True)
class PerLayerStep:
    """The weights by which one layer adds its vector."""

    gate: Tensor  # [D, P]
    up: Tensor  # [P, D]
    norm: Norm  # [D]


def mix_inputs(part: PerLayerInputs, x: Tensor, rows: Tensor, dtype: torch.dtype) -> Tensor:
    """The vectors r [..., n, P] from scaled embeddings x [..., D] and the table's rows times sqrt(P) [..., n P]; the
    product is in ``dtype``."""
    projected = multiply(x, part.projection, dtype) / math.sqrt(x.shape[-1])
    shape = (part.n_layers, part.row_width)
    return (rms_norm(projected.unflatten(-1, shape), part.norm) + rows.unflatten(-1, shape)) / math.sqrt(2)


def run_per_layer(part: PerLayerStep, x: Tensor, r: Tensor) -> Tensor:
    """What a layer adds to the residual stream, from x [..., D] and its vector r [..., P]: [..., D]."""
    gate = torch.nn.functional.gelu(multiply(x, part.gate), approximate="tanh")
    return rms_norm(multiply(gate * r, part.up), part.norm)
