"""The gated feed-forward network of a layer, forward and backward: norm, down(gelu(gate) * up).

In Gemma 3n's lower layers, the gate is sparse: max(0, gate - mean - z std) goes into GELU.

Shapes: D width, F feed-forward width, C targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.norms import Norm, backward_norm, broadcast_rows, rms_norm
from promptlight.salience.decoder.tensors import multiply

ROW_BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class FeedForward:
    """The weights of a feed-forward network, and how many numbers each position takes."""

    norm: Norm  # [D]
    gate: Tensor  # [D, F]
    up: Tensor  # [D, F]
    down: Tensor  # [F, D]
    sparsity: float | None = None  # z, in standard deviations over F; None: the gate is not sparse

    @property
    def run_size(self) -> int:
        """Forward: gate, its activation, up, and their product."""
        return 4 * self.gate.shape[1]

    @property
    def saved_size(self) -> int:
        """Saved for the backward pass: the two derivatives."""
        return 2 * self.gate.shape[1]

    @property
    def backward_size(self) -> float:
        """Backward, for each row of a block."""
        return 2.5 * self.gate.shape[1]


@dataclass(frozen=True)
class FeedForwardOutput:
    """The output [rows, D], and what the backward pass needs, if requested."""

    value: Tensor
    by_up: Tensor | None = None  # [rows, F] gelu(gate)
    by_gate: Tensor | None = None  # [rows, F] up gelu'(gate)

    def take(self, rows: slice) -> FeedForwardOutput:
        """The same for some rows alone."""
        by_up, by_gate = (None if part is None else part[rows] for part in (self.by_up, self.by_gate))
        return FeedForwardOutput(self.value[rows], by_up, by_gate)


def run_feed_forward(part: FeedForward, x: Tensor) -> FeedForwardOutput:
    """x [..., D] -> [..., D]; nothing is saved."""
    normed = rms_norm(x, part.norm)
    gate = multiply(normed, part.gate)
    if part.sparsity is not None:
        cut = gate.mean(dim=-1, keepdim=True) + part.sparsity * gate.std(dim=-1, keepdim=True, correction=0)
        gate = torch.relu(gate - cut)
    gated = torch.nn.functional.gelu(gate, approximate="tanh") * multiply(normed, part.up)
    return FeedForwardOutput(gated @ part.down)


def trace_feed_forward(part: FeedForward, x: Tensor, dtype: torch.dtype) -> FeedForwardOutput:
    """x [rows, D] -> [rows, D], with the product's two derivatives saved in ``dtype``.

    It runs on blocks of rows to keep temporaries small.
    """
    by_up, by_gate = (x.new_empty(len(x), part.gate.shape[1], dtype=dtype) for _ in range(2))
    value = torch.empty_like(x)
    for start in range(0, len(x), ROW_BLOCK):
        block = slice(start, start + ROW_BLOCK)
        normed = rms_norm(x[block], part.norm)
        gate, up = normed @ part.gate, normed @ part.up
        activated = torch.nn.functional.gelu(gate, approximate="tanh")
        by_up[block] = activated
        value[block] = activated.mul_(up) @ part.down
        by_gate[block] = up.mul_(_gelu_slope(gate))
    return FeedForwardOutput(value, by_up, by_gate)


def _gelu_slope(x: Tensor) -> Tensor:
    """Derivative of the tanh form of GELU."""
    c = 0.7978845608028654  # sqrt(2 / pi)
    square = x.square()
    t = square.mul(0.044715).add_(1).mul_(x).mul_(c).tanh_()
    inner = square.mul_(3 * 0.044715).add_(1).mul_(x).mul_(0.5 * c)  # half x times the slope of tanh's argument
    return inner.sub_(inner * t.square()).add_(t.add_(1).mul_(0.5))


def backward_feed_forward(part: FeedForward, x: Tensor, saved: FeedForwardOutput, by_value: Tensor) -> Tensor:
    """Gradient by the output [rows, (C,) D] -> by the input x [rows, D]: same shape as the gradient."""
    assert saved.by_up is not None
    assert saved.by_gate is not None
    by_product = by_value.to(part.down.dtype) @ part.down.T
    by_gate = by_product * broadcast_rows(saved.by_gate, by_product)
    by_up = by_product.mul_(broadcast_rows(saved.by_up, by_product))
    by_normed = torch.addmm(by_gate.flatten(0, -2) @ part.gate.T, by_up.flatten(0, -2), part.up.T)
    return backward_norm(x, part.norm, by_normed.view(by_value.shape))
