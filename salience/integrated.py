"""Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv:1703.01365).

With x the embeddings, b a baseline and F the objective, source i's score is

    (x_i - b_i) . integral over s from 0 to 1 of dF/dx_i at b + s (x - b)

 1. the baseline keeps the embeddings of special tokens (<bos> and what a chat's format adds) and has another vector in
    the place of all others, the completion's own earlier tokens included; as a decoder looks back only, one path
    serves all targets;
 2. the integral is a sum over the nodes of a Gauss-Legendre rule: one forward and the targets' backwards at each;
 3. positive raises the objective. All scores of a target add up to F(x) - F(b) (*completeness*) but for the rule's
    error, which is measured for each target by two forwards more.
A dot product is linear, so scores of whole target spans are as exact as those of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from promptlight.salience.decoder import Decoder, at_least_float32
from promptlight.salience.methods import Baseline
from promptlight.salience.sums import Reduction, Scores, take_product

ScoreAt = Callable[[Tensor, Reduction], Scores]
"""Embeddings [L, D] and what makes a score of a gradient -> scores by the gradients there."""


def make_baseline(decoder: Decoder, x: Tensor, special: Sequence[bool], kind: Baseline, pad_id: int) -> Tensor:
    """Where the path begins, [L, D]: embeddings ``x`` of special tokens, and the baseline's vector elsewhere."""
    wide = at_least_float32(decoder.embedding.dtype)
    match kind:
        case Baseline.ZERO:
            vector = torch.zeros_like(x[0])
        case Baseline.MEAN:
            vector = decoder.embedding.mean(dim=0, dtype=wide)
        case Baseline.PAD:
            vector = decoder.embedding[pad_id]
    kept = torch.tensor(list(special[: len(x)]), device=x.device)
    return torch.where(kept[:, None], x, vector.to(x.dtype))


def place_nodes(n_steps: int) -> tuple[list[float], list[float]]:
    """Nodes in 0..1 and weights that sum to 1: Gauss-Legendre's, exact for polynomials of degree 2 n - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()


def integrate_gradients(score_at: ScoreAt, x: Tensor, baseline: Tensor, n_steps: int) -> Scores:
    """Scores by the formula above."""
    reduce = take_product(x - baseline)
    total: Scores = {}
    for place, weight in zip(*place_nodes(n_steps), strict=True):
        for name, scores in score_at(baseline + place * (x - baseline), reduce).items():
            total[name] = total.get(name, 0) + weight * scores
    return total
