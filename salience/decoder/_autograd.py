"""Gradients of functions that treat each row by itself, by torch's autograd.

Shapes: C targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.tensors import at_least_float32

Rowwise = Callable[..., tuple[Tensor, ...]]
"""A function of tensors [rows, ...] that gives such tensors, with each row made of that row alone."""


@dataclass(frozen=True)
class Recorded:
    """A function that was run, with what its gradients need: its inputs, in float32 or better, and its outputs."""

    inputs: list[Tensor]
    outputs: tuple[Tensor, ...]

    def only(self, outputs: slice) -> Recorded:
        """The same with some of the outputs alone."""
        return Recorded(self.inputs, self.outputs[outputs])

    def pull_each(self, gradients: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One target for each row: gradients by the outputs [rows, ...] -> by the inputs [rows, ...]."""
        return torch.autograd.grad(self.outputs, self.inputs, self._narrow(gradients))

    def pull_all(self, gradients: Sequence[Tensor], *, again: bool = False) -> tuple[Tensor, ...]:
        """All C targets for each row: gradients by the outputs [rows, C, ...] -> by the inputs [rows, C, ...].

        ``again``: more targets will follow, so keep what is needed.
        """
        first = self._narrow([gradient.transpose(0, 1) for gradient in gradients])
        found = torch.autograd.grad(self.outputs, self.inputs, first, is_grads_batched=True, retain_graph=again)
        return tuple(one.transpose(0, 1) for one in found)

    def _narrow(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        return [gradient.to(output.dtype) for gradient, output in zip(gradients, self.outputs, strict=True)]


def record(function: Rowwise, inputs: Sequence[Tensor]) -> Recorded:
    """Run a function on tensors [rows, ...]."""
    leaves = [one.detach().to(at_least_float32(one.dtype)).requires_grad_() for one in inputs]
    with torch.enable_grad():
        return Recorded(leaves, function(*leaves))
