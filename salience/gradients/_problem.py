"""The problem to explain: a sequence, its targets, and the objective of each, perhaps contrasted with a foil.

``Problem.run`` runs the model at some embeddings, the text's own or others. ``Answer`` then gives log-probabilities,
objectives and gradients, chunk by chunk. With a foil, a second sequence is run. Its gradients by the shared tokens are
subtracted, vector by vector, and its own tokens are no sources.
"""

# pyright: standard

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.chunks import keeps_activations, plan_chunk, run_in_chunks
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.trace import trace_layers
from promptlight.salience.errors import UsageError
from promptlight.salience.gradients.forward_pass import Pass, Ranges, Steps
from promptlight.salience.text.contrast import Contrast


@dataclass(frozen=True, kw_only=True)
class Problem:
    """``ids`` are the T tokens; ``first`` is the first target, from which ``units`` count.

    ``shift`` [L, E] moves the embeddings, to explain a point near this text. ``main_only``: gradients by the main
    table's part of an embedding alone; the other's are 0. ``chunk`` and ``keep_activations`` override the plan of
    ``decoder/chunks.py``.
    """

    decoder: Decoder
    ids: Tensor
    first: int
    units: Ranges
    steps: Steps
    contrast: Contrast | None = None
    chunk: int | None = None
    keep_activations: bool | None = None
    shift: Tensor | None = None
    main_only: bool = False

    @property
    def embeddings(self) -> Tensor:
        """Embeddings of all tokens except the last, on which nothing depends, [L, E] with L = T - 1."""
        embeddings = self.decoder.embed(self.ids[:-1])
        return embeddings if self.shift is None else embeddings + self.shift  # in the dtype of the shift

    def free(self, embeddings: Tensor) -> Tensor:
        """The part of embeddings [L, E] that gradients are taken by."""
        return embeddings[:, : self.decoder.width] if self.main_only else embeddings

    def hold(self, moved: Tensor) -> Tensor:
        """Embeddings [L, E] of which that part was moved, with the rest where the text has it."""
        if not self.main_only:
            return moved
        return torch.cat([self.free(moved), self.embeddings[:, self.decoder.width :].to(moved)], dim=1)

    def run(self, embeddings: Tensor, *, pulls: bool = True, exact: bool = True) -> Answer:
        """Run the model at these embeddings [L, E].

        ``pulls``: with gradients, for which activations are kept if memory allows. ``exact``: in ``forward_dtype``.
        """
        target = self._run(embeddings, self.first, self.steps, pulls, exact)
        foil = None
        if self.contrast is not None and self.contrast.shared < len(self.contrast.ids):
            d, ids = self.contrast.shared, torch.tensor(self.contrast.ids, device=self.ids.device)
            steps = Steps(ids=ids[d:], objective=self.steps.objective, counted=(0, len(ids) - d))
            others = self.decoder.embed(ids[d:-1]).to(embeddings.dtype)
            foil = self._run(torch.cat([embeddings[:d], others]), d, steps, pulls, exact)
        return Answer(problem=self, target=target, foil=foil)

    def _run(self, embeddings: Tensor, first: int, steps: Steps, pulls: bool, exact: bool) -> Pass:
        rows = torch.arange(first - 1, first - 1 + len(steps.ids), device=embeddings.device)
        keep = self.keep_activations
        if keep is None:
            keep = keeps_activations(self.decoder, len(embeddings))
        trace = trace_layers(self.decoder, embeddings, rows, keep=keep and pulls, exact=exact)
        return Pass(decoder=self.decoder, trace=trace, steps=steps, pulls=pulls)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of a forward at some embeddings, with which gradients can be computed."""

    problem: Problem
    target: Pass
    foil: Pass | None

    def read(self) -> tuple[list[float], list[float]]:
        """The log-probability and the objective of each of the targets."""
        reading = self.target.reading
        values = reading.values
        numbers, against = self._against([(row, row + 1) for row in range(len(values))])
        if self.foil is not None and against:
            values = values.clone()
            values[numbers] -= self.foil.sum_values(against)
        return reading.log_probs.tolist(), values.tolist()

    def pull(self) -> Iterator[tuple[int, Tensor]]:
        """The units' gradients by the embeddings, chunk by chunk: the first unit's number, and [L', C, E]."""
        problem, units = self.problem, self.problem.units
        size = problem.chunk or plan_chunk(problem.decoder, len(problem.ids) - 1, len(units))
        return run_in_chunks(lambda start, stop: self._pull_chunk(units[start:stop]), len(units), size)

    def with_runner_ups(self) -> Answer:
        """The same, with each target contrasted with the likeliest other token at its position."""
        steps = dataclasses.replace(self.problem.steps, rivals=self.target.find_runner_ups())
        problem = dataclasses.replace(self.problem, steps=steps)
        return Answer(problem=problem, target=dataclasses.replace(self.target, steps=steps), foil=None)

    def _pull_chunk(self, units: Ranges) -> Tensor:
        gradient = self.target.pull(units)
        numbers, against = self._against(units)
        if self.foil is not None and against and self.problem.contrast is not None:
            shared = self.problem.contrast.shared
            gradient[:shared, numbers] -= self.foil.pull(against)[:shared]
        if self.problem.main_only:
            gradient[..., self.problem.decoder.width :] = 0
        return gradient

    def _against(self, units: Ranges) -> tuple[list[int], Ranges]:
        """The units that are contrasted with a foil's tokens, and those tokens, counted from the first of them."""
        contrast, first = self.problem.contrast, self.problem.first
        if contrast is None:
            return [], []
        found = [contrast.against(first + start, first + stop) for start, stop in units]
        numbers = [number for number, (start, stop) in enumerate(found) if start < stop]
        return numbers, [(found[n][0] - contrast.shared, found[n][1] - contrast.shared) for n in numbers]


def read_without_prompt(decoder: Decoder, ids: Tensor, special: Sequence[bool], first: int) -> Tensor:
    """The last layer's output for the targets if only the special tokens precede them, [R, D]."""
    n_kept = sum(special[:first])
    if not n_kept:
        raise UsageError("expected a prompt with <bos> or the like to compare with no prompt, found no special token")
    kept = torch.tensor([place >= first or special[place] for place in range(len(ids))], device=ids.device)
    left = ids[kept]
    rows = torch.arange(n_kept - 1, len(left) - 1, device=ids.device)
    return trace_layers(decoder, decoder.embed(left[:-1]), rows, keep=False).output
