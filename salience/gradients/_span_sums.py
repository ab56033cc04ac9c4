"""From gradients to scores: sum the gradients of target spans as vectors, then reduce each sum to a score per source.

The gradient of a sum is the sum of gradients. So as the units' gradients arrive, chunk by chunk, their vectors are
added up over each target span, which gives the exact score of the whole span: for a norm, the norm of the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptlight.salience.gradients.forward_pass import Ranges
from promptlight.salience.types import Granularity

Reduction = Callable[[Tensor], Tensor]
"""A gradient by the first l embeddings [l, E] -> scores of these tokens [l]."""

Scores = dict[Granularity, NDArray[np.float64]]
"""[rows, T] for the targets of each granularity."""


def take_product(vectors: Tensor) -> Reduction:
    """The dot product with a vector for each position, [L, E]."""
    return lambda gradient: (gradient * vectors[: len(gradient)]).sum(dim=-1)


def reduce_spans(
    chunks: Iterable[tuple[int, Tensor]],
    targets: Mapping[Granularity, Ranges],
    n_tokens: int,
    reductions: Sequence[Reduction],
) -> list[Scores]:
    """Scores by each reduction for target spans, which are ranges of units.

    ``chunks`` are the units' gradients in order: the first one's number, and [L', C, E].
    """
    sums = {name: SpanSums(spans, n_tokens, reductions) for name, spans in targets.items()}
    for start, gradient in chunks:
        for collected in sums.values():
            collected.add(start, gradient)
    return [{name: sums[name].scores[number] for name in sums} for number in range(len(reductions))]


class SpanSums:
    """Adds up gradients over target spans as chunks of units arrive, and reduces each span when it is complete."""

    def __init__(self, spans: Ranges, n_tokens: int, reductions: Sequence[Reduction]) -> None:
        self.spans = spans
        self.scores = [np.zeros((len(spans), n_tokens)) for _ in reductions]
        self._reductions = reductions
        self._number = 0  # the current span
        self._sum: Tensor | None = None

    def add(self, start: int, gradient: Tensor) -> None:
        """Add the gradients of units start, start + 1, ... : [L', C, E]; chunks come in order."""
        stop = start + gradient.shape[1]
        while self._number < len(self.spans) and self.spans[self._number][0] < stop:
            first, last = self.spans[self._number]
            part = gradient[:, max(first - start, 0) : last - start].sum(dim=1)
            if self._sum is not None:  # an earlier chunk had fewer positions
                part[: len(self._sum)] += self._sum
            if last > stop:
                self._sum = part
                return
            self._sum = None
            for scores, reduce in zip(self.scores, self._reductions, strict=True):
                scores[self._number, : len(part)] = reduce(part).to(torch.float32).cpu().numpy()
            self._number += 1
