"""Gradient salience: from token ids to scores.

For a target x_t, its objective F_t (by default log p(x_t | x_<t)) and the unscaled embedding e_i of an earlier token:
 - ``grad_l2``: the L2 norm of dF_t/de_i. It has no sign. For log p it is also the norm of the loss's gradient, which is
   what LIT's "Grad L2 Norm" shows.
 - ``grad_dot_input``: e_i . dF_t/de_i. Positive raises the target.
The gradient of a sum is the sum of gradients: while the targets' gradients pass by, their *vectors* are added up
over each target word, sentence and line, which gives the exact score of the whole span. For ``grad_l2`` that is the
norm of a sum.

The method in steps:
 1. one forward over the sequence without its last token (``backward.forward``);
 2. for each chunk of targets: logits at their rows, the objective's gradient by them, back to the embeddings;
 3. reduce [L, C, D] to scores [C, L], for single tokens and for spans.
Memory is planned: ``memory.plan_chunk`` says how many targets go together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptlight.salience import backward
from promptlight.salience.decoder import Decoder, at_least_float32
from promptlight.salience.memory import keeps_activations, plan_chunk, run_in_chunks
from promptlight.salience.objectives import log_probabilities, objective_gradient
from promptlight.salience.precision import exact_logits
from promptlight.salience.types import FloatArray, Granularity, Method, Objective, SalienceMap, Segmentation

Reduction = Callable[[Tensor, Tensor], Tensor]

# gradient [L, D] and embeddings [L, D] -> scores [L]
REDUCTIONS: dict[Method, Reduction] = {
    Method.GRAD_L2: lambda gradient, _: gradient.norm(dim=-1),
    Method.GRAD_DOT_INPUT: lambda gradient, embeddings: (gradient * embeddings).sum(dim=-1),
}


@dataclass(frozen=True, kw_only=True)
class SalienceResult:
    """Natural-log probability of each of the G targets, and one map per method."""

    log_probs: list[float]
    maps: Mapping[Method, SalienceMap]


@torch.no_grad()
def compute_salience(
    decoder: Decoder,
    ids: Sequence[int],
    n_prompt_tokens: int,
    segmentations: Mapping[Granularity, Segmentation],
    *,
    methods: Sequence[Method] = (Method.GRAD_L2,),
    objective: Objective = Objective.LOGPROB,
    unit: Granularity = Granularity.TOKEN,
    chunk: int | None = None,
) -> SalienceResult:
    """Scores of every earlier token for every target, and for every target span of each segmentation.

    ``ids`` are the T tokens, the last G = T - ``n_prompt_tokens`` of them targets. Target spans are those that hold
    targets; one that begins in the prompt, as LIT's can, is explained as a whole, but for the first token, which
    nothing predicts. ``unit`` other than TOKEN takes one backward per target span of that granularity instead of one
    per token, and gives those spans' scores alone. ``chunk`` overrides the planned number of backwards that go
    together.
    """
    first, units, wanted = _plan_units(segmentations, n_prompt_tokens, len(ids), unit)
    sequence = torch.tensor(ids, device=decoder.embedding.device)
    embeddings = decoder.embed(sequence[:-1])
    rows = torch.arange(first - 1, len(ids) - 1, device=sequence.device)
    trace = backward.forward(decoder, embeddings, rows, keep=keeps_activations(decoder, len(embeddings)))
    wide = embeddings.to(at_least_float32(embeddings.dtype))
    sums = {name: _SpanSums(spans, len(ids), methods, wide) for name, spans in wanted.items()}

    log_probs: list[float] = []
    size = chunk or plan_chunk(decoder, len(embeddings), len(units))
    for start, (chunk_log_probs, gradient) in run_in_chunks(
        lambda start, stop: _backward_units(decoder, trace, sequence[rows + 1], units[start:stop], objective),
        len(units),
        size,
    ):
        log_probs += chunk_log_probs
        for collected in sums.values():
            collected.add(start, gradient)
    maps = {method: _build_map(method, objective, sums) for method in methods}
    return SalienceResult(log_probs=log_probs[n_prompt_tokens - first :], maps=maps)


Ranges = list[tuple[int, int]]


def _plan_units(
    segmentations: Mapping[Granularity, Segmentation], n_prompt_tokens: int, n_tokens: int, unit: Granularity
) -> tuple[int, Ranges, dict[Granularity, Ranges]]:
    """The first token to explain, the backwards as ranges of tokens behind it, the target spans as ranges of those."""
    spans = {
        name: [cut.ranges()[number] for number in cut.spans_from(n_prompt_tokens)]
        for name, cut in segmentations.items()
    }
    spans[Granularity.TOKEN] = [(token, token + 1) for token in range(n_prompt_tokens, n_tokens)]
    wanted = spans if unit is Granularity.TOKEN else {unit: spans[unit]}
    first = max(1, min((ranges[0][0] for ranges in wanted.values() if ranges), default=n_prompt_tokens))
    behind = {name: [(max(start - first, 0), stop - first) for start, stop in wanted[name]] for name in wanted}
    if unit is Granularity.TOKEN:
        return first, [(row, row + 1) for row in range(n_tokens - first)], behind
    return first, behind[unit], {unit: [(number, number + 1) for number in range(len(behind[unit]))]}


def _backward_units(
    decoder: Decoder, trace: backward.Trace, target_ids: Tensor, units: Sequence[tuple[int, int]], objective: Objective
) -> tuple[list[float], Tensor]:
    """Log-probabilities of the units' targets, and the gradient of each unit's summed objective, [L', units, D]."""
    targets = slice(units[0][0], units[-1][1])
    output, ids = trace.output[targets], target_ids[targets]
    logits = exact_logits(decoder, output, ids)
    by_output = backward.backward_output(decoder, output, logits, objective_gradient(objective, logits, ids))
    gradient = backward.backward_top_layer(decoder, trace, targets, by_output)
    if len(units) < len(ids):  # from the top layer's input on, a unit's targets travel as one sum
        gradient = torch.stack([gradient[:, a - targets.start : b - targets.start].sum(1) for a, b in units], dim=1)
    return log_probabilities(logits, ids).tolist(), backward.backward_to_embeddings(decoder, trace, gradient)


class _SpanSums:
    """Adds gradient vectors up over target spans as chunks of units pass, and reduces each span when it is complete."""

    def __init__(
        self, spans: Sequence[tuple[int, int]], n_tokens: int, methods: Sequence[Method], embeddings: Tensor
    ) -> None:
        self.spans = spans
        self.scores: dict[Method, FloatArray] = {
            method: np.zeros((len(spans), n_tokens), dtype=np.float32) for method in methods
        }
        self._embeddings = embeddings
        self._number = 0  # the span that waits for its next unit
        self._sum: Tensor | None = None

    def add(self, start: int, gradient: Tensor) -> None:
        """Take the gradients of units start, start + 1, ... : [L', C, D]; chunks come in order."""
        stop = start + gradient.shape[1]
        while self._number < len(self.spans) and self.spans[self._number][0] < stop:
            first, last = self.spans[self._number]
            part = gradient[:, max(first - start, 0) : last - start].sum(dim=1)
            if self._sum is not None:  # an earlier chunk saw fewer positions
                part[: len(self._sum)] += self._sum
            if last > stop:
                self._sum = part
                return
            self._sum = None
            for method, scores in self.scores.items():
                reduced = REDUCTIONS[method](part, self._embeddings[: len(part)])
                scores[self._number, : len(part)] = reduced.to(torch.float32).cpu().numpy()
            self._number += 1


def _build_map(method: Method, objective: Objective, sums: Mapping[Granularity, _SpanSums]) -> SalienceMap:
    scores = {name: collected.scores[method] for name, collected in sums.items()}
    token_scores = scores.pop(Granularity.TOKEN, None)
    return SalienceMap(method=method, objective=objective, scores=token_scores, span_scores=scores)
