"""SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825), of norms: the mean of ``grad_l2`` over noisy embeddings.

 1. Draw normal noise n times for every token except special ones, with a standard deviation of ``noise`` times that of
    all entries of the text's embeddings.
 2. For each noisy text, run one forward and the targets' backwards, and take each score's L2 norm; for whole target
    spans, the norm of their summed gradients.
 3. A score is the mean of the n norms; its standard error is their standard deviation over sqrt(n).

The paper averages maps; our map is ``grad_l2``, so norms are averaged, not vectors. The norm of a mean vector of n
draws is too large because of the remaining noise (by about the gradients' variance over 2 n norms): it would shrink
with every draw, most for the sources that matter least. A mean of norms has the same expectation for any n, and a known
standard error. Directions that change from draw to draw do not cancel in it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from promptlight.salience.gradients._span_sums import Scores


def start_noise(x: Tensor, special: Sequence[bool], noise: float, seed: str) -> Callable[[], Tensor]:
    """Make a function that draws new normal noise for embeddings x [L, E] each time, with none for special tokens.

    Its standard deviation is ``noise`` times that of all entries of x.
    """
    kept = torch.tensor(list(special[: len(x)]), device=x.device)
    size = noise * x.std(correction=0)
    generator = torch.Generator().manual_seed(random.Random(seed).getrandbits(63))

    def draw() -> Tensor:
        drawn = torch.randn(x.shape, generator=generator).to(x)
        return torch.where(kept[:, None], torch.zeros_like(drawn), size * drawn)

    return draw


def smooth_gradients(
    score_at: Callable[[Tensor], Scores], x: Tensor, special: Sequence[bool], *, n_samples: int, noise: float, seed: str
) -> tuple[Scores, Scores]:
    """Scores and their standard errors; the same ``seed`` draws the same noise.

    ``score_at`` has the ``grad_l2`` scores at some embeddings [L, E].
    """
    draw = start_noise(x, special, noise, seed)
    mean: Scores = {}
    squares: Scores = {}  # running sums of squared deviations from the mean (Welford 1962)
    for number in range(1, n_samples + 1):
        for name, scores in score_at(x + draw()).items():
            before = scores - mean.get(name, 0)
            mean[name] = mean.get(name, 0) + before / number
            squares[name] = squares.get(name, 0) + before * (scores - mean[name])
    spread = math.sqrt(n_samples * (n_samples - 1))
    return mean, {name: np.sqrt(total) / spread for name, total in squares.items()}
