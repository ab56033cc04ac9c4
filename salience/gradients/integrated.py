"""Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv:1703.01365).

With x the embeddings, b a baseline and F the objective, source i's score is

    (x_i - b_i) . integral over s from 0 to 1 of dF/dx_i at b + s (x - b)

 1. The baseline keeps the embeddings of special tokens (<bos> and a chat's format) and replaces all others with another
    vector, including the completion's own earlier tokens. A decoder only looks back, so one path serves all targets.
 2. Probe the path with forwards alone, at ``N_PROBES`` places. They only choose where to cut the path, so all but the
    two ends run in the weights' dtype. A decoder's norms make the objectives change over a logarithmic scale, often
    while the embeddings are still close to the baseline.
 3. Cut the path into n pieces of equal change, on average over the targets. The integral over a piece is its length
    times the gradient at its middle: one forward and the targets' backwards for each piece.
 4. Positive raises the objective. All scores of a target add up to F(x) - F(b) (*completeness*), except for the error
    of the midpoint rule, which is stored for each target.
With a zero baseline on the demo model, 64 Gauss-Legendre nodes miss a third of F(x) - F(b); these pieces miss 1%.
A dot product is linear, so scores of whole target spans are as exact as those of tokens.
"""

# pyright: standard

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.gradients._span_sums import Reduction, Scores, take_product
from promptlight.salience.options.methods import Baseline
from promptlight.salience.types import PAD_ID

N_PROBES, PROBE_POWER, EVEN_PART = 64, 4, 0.1

ScoreAt = Callable[[Tensor, Reduction], Scores]
"""Embeddings [L, E] and a reduction from gradients to scores -> scores by the gradients there."""


def make_baseline(decoder: Decoder, x: Tensor, special: Sequence[bool], kind: Baseline) -> Tensor:
    """The start of the path, [L, E]: embeddings ``x`` of special tokens, and the baseline's vector elsewhere."""
    match kind:
        case Baseline.ZERO:
            vector = torch.zeros_like(x[0])
        case Baseline.MEAN:
            vector = decoder.mean_embedding()
        case Baseline.PAD:
            vector = decoder.embed(torch.tensor(PAD_ID, device=x.device))
    kept = torch.tensor(list(special[: len(x)]), device=x.device)
    return torch.where(kept[:, None], x, vector.to(x.dtype))


def place_probes() -> NDArray[np.float64]:
    """Where to probe the path: from 0 to 1, close together near the baseline, [N_PROBES + 1]."""
    return np.linspace(0, 1, N_PROBES + 1) ** PROBE_POWER


def cut_path(values: NDArray[np.float64], n_pieces: int) -> NDArray[np.float64]:
    """Bounds of pieces with equal change of the objectives, [n_pieces + 1]: values at the probes [probes, units].

    A tenth of the pieces is spread evenly over the probes, so that no piece spans too many of them.
    """
    probes = place_probes()
    changes = np.abs(np.diff(values, axis=0)).sum(axis=1)
    even = np.full(N_PROBES, 1 / N_PROBES)
    total = changes.sum()
    weights = (1 - EVEN_PART) * changes / total + EVEN_PART * even if total > 0 else even
    heights = np.concatenate([[0], np.cumsum(weights)])
    places = np.interp(np.linspace(0, heights[-1], n_pieces + 1), heights, probes ** (1 / PROBE_POWER))
    return places**PROBE_POWER


def integrate_gradients(score_at: ScoreAt, x: Tensor, baseline: Tensor, bounds: NDArray[np.float64]) -> Scores:
    """Scores by the formula above, with the gradient at the middle of each piece."""
    reduce = take_product(x - baseline)
    total: Scores = {}
    for start, stop in itertools.pairwise(bounds.tolist()):
        at = baseline + (start + stop) / 2 * (x - baseline)
        for name, scores in score_at(at, reduce).items():
            total[name] = total.get(name, 0) + (stop - start) * scores
    return total
