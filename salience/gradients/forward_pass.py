"""One forward over a sequence, and the gradients of objectives of its predictions.

A *unit* is what one backward explains: a target token, or a whole target span (a range of target tokens with summed
objectives). Ranges of units and targets count from the first explained target.

Shapes: L positions, R explained targets, C targets or units of one chunk, V vocabulary, D width of the last layer's
output, E width of an embedding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from promptlight.salience.decoder.backward import pull_to_embeddings
from promptlight.salience.decoder.chunks import plan_rows, run_in_chunks
from promptlight.salience.decoder.decoder import Decoder, backward_logits
from promptlight.salience.decoder.objectives import (
    best_other,
    contrast_gradient,
    contrast_value,
    log_probabilities,
    objective_gradient,
    objective_value,
)
from promptlight.salience.decoder.precision import exact_logits
from promptlight.salience.decoder.tensors import at_least_float32
from promptlight.salience.decoder.trace import Trace
from promptlight.salience.types import Objective

Ranges = list[tuple[int, int]]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The objectives for the predictions of R tokens.

    ``counted`` are the targets that count; the objective of others is zero. With ``rivals``, each target is contrasted
    with its rival token.
    """

    ids: Tensor  # [R] the targets
    objective: Objective
    counted: tuple[int, int]
    rivals: Tensor | None = None  # [R]
    reference: Tensor | None = None  # [R, D] the last layer's output without the prompt, for KL

    def values(self, targets: slice, logits: Tensor, reference: Tensor | None) -> Tensor:
        """The objective of some of the targets, [C]; their logits and, for KL, those without the prompt are [C, V]."""
        ids = self.ids[targets]
        if self.rivals is not None:
            values = contrast_value(logits, ids, self.rivals[targets])
        else:
            values = objective_value(self.objective, logits, ids, reference)
        return torch.where(self._are_counted(targets), values, 0)

    def gradient(self, targets: slice, logits: Tensor, reference: Tensor | None) -> Tensor:
        """The objective's gradient by the logits, [C, V]."""
        ids = self.ids[targets]
        if self.rivals is not None:
            gradient = contrast_gradient(logits, ids, self.rivals[targets])
        else:
            gradient = objective_gradient(self.objective, logits, ids, reference)
        return gradient.mul_(self._are_counted(targets)[:, None])

    def _are_counted(self, targets: slice) -> Tensor:
        place = torch.arange(targets.start, targets.stop, device=self.ids.device)
        return (place >= self.counted[0]) & (place < self.counted[1])


@dataclass(frozen=True)
class Reading:
    """What the logits say about all R targets; they themselves would take too much memory to keep."""

    log_probs: Tensor  # [R] natural logarithms of the targets' probabilities
    values: Tensor  # [R] objectives
    by_output: (
        Tensor | None
    )  # [R, D] the objectives' gradients by the last layer's output, if the pass is differentiated


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A sequence after its forward pass, and the objectives of its predictions.

    ``pulls``: whether their gradients are wanted.
    """

    decoder: Decoder
    trace: Trace
    steps: Steps
    pulls: bool

    @functools.cached_property
    def reading(self) -> Reading:
        """Log-probabilities, objectives and gradients by the output of all targets, computed once."""
        output, n = self.trace.output, len(self.steps.ids)
        log_probs, values = output.new_empty(2, n, dtype=at_least_float32(output.dtype))
        by_output = self._no_gradient(n, output.shape[1]) if self.pulls else None
        for start, part in self._in_rows(self._read_rows):
            rows = slice(start, start + len(part.values))
            log_probs[rows], values[rows] = part.log_probs, part.values
            if by_output is not None and part.by_output is not None:
                by_output[rows] = part.by_output
        return Reading(log_probs, values, by_output)

    def find_runner_ups(self) -> Tensor:
        """The likeliest token other than the target, for each target, [R]."""
        parts = self._in_rows(lambda targets: best_other(self._logits(targets), self.steps.ids[targets]))
        return torch.cat([self.steps.ids[:0], *(part for _, part in parts)])

    def sum_values(self, units: Ranges) -> Tensor:
        """Each unit's summed objective, [units]."""
        return torch.stack([self.reading.values[start:stop].sum() for start, stop in units])

    def pull(self, units: Ranges) -> Tensor:
        """The gradient of each unit's summed objective by the embeddings, [L', units, E].

        L' is the number of positions before the last of these targets.
        """
        start, stop = units[0][0], units[-1][1]
        first, last = self.steps.counted
        if stop <= first or start >= last:  # none of them counts
            return self._no_gradient(int(self.trace.rows[stop - 1]) + 1, len(units), self.decoder.embedding_width)
        by_output = self.reading.by_output
        assert by_output is not None
        return pull_to_embeddings(self.decoder, self.trace, units, by_output)

    def _no_gradient(self, *shape: int) -> Tensor:
        """Zeros in a gradient's dtype."""
        table = self.decoder.embedding
        return table.new_zeros(*shape, dtype=at_least_float32(table.dtype))

    def _in_rows(self, work: Callable[[slice], Result]) -> Iterator[tuple[int, Result]]:
        """Call ``work`` for as many targets at a time as have room for their logits."""
        n = len(self.steps.ids)
        return run_in_chunks(lambda start, stop: work(slice(start, stop)), n, plan_rows(self.decoder, n))

    def _logits(self, targets: slice) -> Tensor:
        """The logits that predict these targets, [C, V]."""
        return exact_logits(self.decoder, self.trace.output[targets], self.steps.ids[targets])

    def _read_rows(self, targets: slice) -> Reading:
        ids, logits = self.steps.ids[targets], self._logits(targets)
        reference = self.steps.reference
        if reference is not None:
            reference = exact_logits(self.decoder, reference[targets], ids)
        log_probs = log_probabilities(logits, ids)
        values = self.steps.values(targets, logits, reference)
        if not self.pulls:
            return Reading(log_probs, values, None)
        by_logits = self.steps.gradient(targets, logits, reference)
        return Reading(log_probs, values, backward_logits(self.decoder, self.trace.output[targets], logits, by_logits))
