"""A mixture of experts beside a layer's dense feed-forward network (Gemma 4 26B-A4B).

 1. The router weighs all experts by softmax, from the layer's middle x, normalised and divided by sqrt(D).
 2. The ``n_chosen`` likeliest get their probabilities as weights, scaled to sum 1, times a stored scale for each.
 3. Each chosen expert is a gated feed-forward network of the middle, normalised another way.
 4. The weighted sum is normalised, and so is the dense network's output; both are added.

The choice of experts is a jump: gradients hold it fixed, and a path through embeddings crosses it.

Shapes: D width, E experts, I an expert's width.
"""

# pyright: standard

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.norms import Norm, rms_norm
from promptlight.salience.decoder.tensors import at_least_float32, multiply


@dataclass(frozen=True, kw_only=True)
class Experts:
    """The weights of the experts and of what chooses them."""

    router_norm: Norm  # [D]
    router: Tensor  # [D, E]
    expert_scale: Tensor  # [E]
    norm: Norm  # [D]
    gate: Tensor  # [E, D, I]
    up: Tensor  # [E, D, I]
    down: Tensor  # [E, I, D]
    n_chosen: int
    dense_norm: Norm  # [D] of the dense network's output
    output_norm: Norm  # [D] of the experts' sum

    @property
    def run_size(self) -> int:
        """Forward, for each position: the input and the sum, and for each chosen expert a network's four parts."""
        return 3 * self.router.shape[0] + 4 * self.n_chosen * self.gate.shape[2]


def add_experts(part: Experts, x: Tensor, dense: Tensor) -> Tensor:
    """Steps 1 to 4 from the middle x [..., D] and the dense network's output there."""
    rows = x.flatten(0, -2)
    weights, chosen = _choose_experts(part, rows)
    normed = rms_norm(rows, part.norm)
    total = torch.zeros_like(rows, dtype=weights.dtype)
    for number in chosen.unique().tolist():
        places, order = torch.where(chosen == number)
        output = _run_expert(part, number, normed[places])
        total = total.index_add(0, places, output.to(total.dtype) * weights[places, order, None])
    return rms_norm(dense, part.dense_norm) + rms_norm(total.to(dense.dtype), part.output_norm).view(dense.shape)


def _choose_experts(part: Experts, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The chosen experts' weights, in float32 or better, and numbers: [rows, n_chosen] each."""
    routed = rms_norm(rows, part.router_norm) / math.sqrt(rows.shape[-1])
    scores = multiply(routed, part.router)
    weights, chosen = scores.to(at_least_float32(scores.dtype)).softmax(dim=-1).topk(part.n_chosen, dim=-1)
    return weights / weights.sum(dim=-1, keepdim=True) * part.expert_scale[chosen], chosen


def _run_expert(part: Experts, number: int, normed: Tensor) -> Tensor:
    gate = torch.nn.functional.gelu(multiply(normed, part.gate[number]), approximate="tanh")
    return (gate * multiply(normed, part.up[number])) @ part.down[number]
