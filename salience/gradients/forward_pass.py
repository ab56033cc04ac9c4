"""One forward over a sequence, and the gradients of objectives of its predictions.

A *unit* is what one backward explains: a target token, or a whole target span (a range of target tokens with summed
objectives). Ranges of units and targets count from the first explained target.

Shapes: L positions, R explained targets, C targets or units of one chunk, V vocabulary, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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
from promptlight.salience.decoder.trace import Trace, backward_lower_layers, backward_top_layer
from promptlight.salience.types import Objective

Ranges = list[tuple[int, int]]


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

    def values(self, decoder: Decoder, targets: slice, logits: Tensor) -> Tensor:
        """The objective of some of the targets, [C]."""
        ids = self.ids[targets]
        if self.rivals is not None:
            values = contrast_value(logits, ids, self.rivals[targets])
        else:
            values = objective_value(self.objective, logits, ids, self._reference_logits(decoder, targets))
        return torch.where(self._are_counted(targets), values, 0)

    def gradient(self, decoder: Decoder, targets: slice, logits: Tensor) -> Tensor:
        """The objective's gradient by the logits, [C, V]."""
        ids = self.ids[targets]
        if self.rivals is not None:
            gradient = contrast_gradient(logits, ids, self.rivals[targets])
        else:
            gradient = objective_gradient(self.objective, logits, ids, self._reference_logits(decoder, targets))
        return gradient * self._are_counted(targets)[:, None]

    def _reference_logits(self, decoder: Decoder, targets: slice) -> Tensor | None:
        return None if self.reference is None else exact_logits(decoder, self.reference[targets], self.ids[targets])

    def _are_counted(self, targets: slice) -> Tensor:
        place = torch.arange(targets.start, targets.stop, device=self.ids.device)
        return (place >= self.counted[0]) & (place < self.counted[1])


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A sequence after its forward pass, and the objectives of its predictions."""

    decoder: Decoder
    trace: Trace
    steps: Steps

    def logits(self, targets: slice) -> Tensor:
        """The logits that predict these targets, [C, V]."""
        return exact_logits(self.decoder, self.trace.output[targets], self.steps.ids[targets])

    def read(self, units: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Natural-log probability of each of the units' targets, and each unit's summed objective."""
        targets, logits = self._logits_of(units)
        log_probs = log_probabilities(logits, self.steps.ids[targets])
        return log_probs, self._sum_units(units, self.steps.values(self.decoder, targets, logits)[None])[0]

    def runner_ups(self, units: Sequence[tuple[int, int]]) -> Tensor:
        """The likeliest token other than the target, for each of the units' targets."""
        targets, logits = self._logits_of(units)
        return best_other(logits, self.steps.ids[targets])

    def pull(self, units: Sequence[tuple[int, int]]) -> Tensor:
        """The gradient of each unit's summed objective by the embeddings, [L', units, D].

        L' is the number of positions before the last of these targets.
        """
        targets = slice(units[0][0], units[-1][1])
        first, last = self.steps.counted
        if targets.stop <= first or targets.start >= last:  # none of them counts
            table, seen = self.decoder.embedding, int(self.trace.rows[targets.stop - 1]) + 1
            return table.new_zeros(seen, len(units), table.shape[1], dtype=at_least_float32(table.dtype))
        logits = self.logits(targets)
        by_logits = self.steps.gradient(self.decoder, targets, logits)
        by_output = backward_logits(self.decoder, self.trace.output[targets], logits, by_logits)
        gradient = backward_top_layer(self.decoder, self.trace, targets, by_output)
        if len(units) < targets.stop - targets.start:  # below the top layer, each unit's gradients are one sum
            gradient = self._sum_units(units, gradient)
        return backward_lower_layers(self.decoder, self.trace, gradient)

    def _logits_of(self, units: Sequence[tuple[int, int]]) -> tuple[slice, Tensor]:
        targets = slice(units[0][0], units[-1][1])
        return targets, self.logits(targets)

    def _sum_units(self, units: Sequence[tuple[int, int]], numbers: Tensor) -> Tensor:
        """Sums over each unit's targets: [rows, C, ...] -> [rows, units, ...]."""
        start = units[0][0]
        return torch.stack([numbers[:, a - start : b - start].sum(1) for a, b in units], dim=1)
