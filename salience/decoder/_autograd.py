"""Gradients of functions that treat each row by itself, by torch's autograd.

Shapes: C targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from promptlight.salience.decoder.tensors import at_least_float32

Rowwise = Callable[..., tuple[Tensor, ...]]
"""A function of tensors [rows, ...] that gives such tensors, with each row made of that row alone."""


def pull_each(function: Rowwise, inputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """One target for each row: gradients by the outputs [rows, ...] -> by the inputs [rows, ...]."""
    leaves, outputs = _record(function, inputs)
    narrow = [gradient.to(output.dtype) for gradient, output in zip(gradients, outputs, strict=True)]
    return torch.autograd.grad(outputs, leaves, narrow)


def pull_all(function: Rowwise, inputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """All C targets for each row: gradients by the outputs [rows, C, ...] -> by the inputs [rows, C, ...]."""
    leaves, outputs = _record(function, inputs)
    narrow = [gradient.transpose(0, 1).to(output.dtype) for gradient, output in zip(gradients, outputs, strict=True)]
    found = torch.autograd.grad(outputs, leaves, narrow, is_grads_batched=True)
    return tuple(one.transpose(0, 1) for one in found)


def _record(function: Rowwise, inputs: Sequence[Tensor]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Run a function on copies of its inputs, in float32 or better, that remember what becomes of them."""
    leaves = [one.detach().to(at_least_float32(one.dtype)).requires_grad_() for one in inputs]
    with torch.enable_grad():
        return leaves, function(*leaves)
