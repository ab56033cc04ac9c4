"""Plan the evaluation of a prompt: which sources are ranked, by which orders, and how many passes that takes.

 1. Sources are the visible spans that lie wholly before the target and have a removable token.
 2. Each method orders them (``curves.rank_sources``). Its rivals are random orders, the nearest source first, and the
    last line of the prompt first, then all others from the top.

Random numbers depend on the seed and the prompt's id alone. No model is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.ablation.coalitions import draw_orders, start_stream
from promptlight.salience.ablation.scores import find_removable
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.direction import Order, find_direction, rank_sources
from promptlight.salience.explain.explanation import Explanation, Question, cut_targets, explain_spans, find_targets
from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.faithfulness.curves import N_STEPS, count_values
from promptlight.salience.faithfulness.noise import count_backwards
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.options.methods import AblationKind, MethodOptions
from promptlight.salience.statistics import correlate_ranks
from promptlight.salience.types import Analysis, Method, Role, Span

NOISE = 0.01  # relative to the standard deviation of the embeddings' entries
NEAREST, LAST_LINE = "nearest", "last line"


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How to evaluate scores; each option changes results. ``n_noisy`` 0 skips the noise check.

    ``method_options`` must be those of the stored scores: the noisy scores are computed with them.
    """

    ablate: AblationKind = AblationKind.MASK_EMBEDDING
    n_random: int = 20
    n_noisy: int = 3
    n_steps: int = N_STEPS
    seed: int = 0
    method_options: MethodOptions = field(default_factory=MethodOptions)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure on one prompt: an explanation for each method, and the orders of its S sources.

    ``players`` [S] are the sources' numbers. ``orders`` are those of the methods and of the simple rules, ``drawn``
    [n, S] the random ones. ``agreements`` are rank correlations of pairs of methods, None if one has only equal scores.
    """

    analysis: Analysis
    question: Question
    options: EvaluationOptions
    explanations: Sequence[Explanation]
    players: NDArray[np.intp]
    orders: Mapping[str, Order]
    drawn: NDArray[np.intp]
    agreements: Mapping[tuple[Method, Method], float | None]

    @property
    def targets(self) -> list[tuple[int, int]]:
        """The target's tokens, as ranges."""
        return _join_ranges(self.explanations[0].targets)

    @property
    def n_texts(self) -> int:
        """The number of different texts to value, a forward pass each."""
        return count_values(self.orders, self.drawn, n_steps=self.options.n_steps)

    @property
    def n_backwards(self) -> int:
        """The number of backward passes for the noise check."""
        options = self.options
        each = sum(count_backwards(one, options.method_options) for one in self.explanations)
        return options.n_noisy * each

    @property
    def n_passes(self) -> int:
        """The number of passes in all."""
        return self.n_texts + self.n_backwards

    @property
    def n_tokens(self) -> int:
        """The tokens of a pass."""
        return len(self.analysis.completion.tokens)

    def is_of(self, row: PromptEvaluation) -> bool:
        """Whether a row was measured on the same target and as many sources."""
        start, stop = self.targets[0][0], self.targets[-1][1]
        text = self.explanations[0].target_text
        found = (row.target_start, row.target_stop, row.target_text, row.n_sources)
        return found == (start, stop, text, len(self.players))


def plan_evaluation(analysis: Analysis, question: Question, options: EvaluationOptions) -> Plan:
    """Plan the evaluation of every stored method of a prompt.

    Raises UsageError if the prompt has no such target, nothing to remove, or scores that are not of a log-probability.
    """
    directions = [find_direction(analysis, method) for method in analysis.maps]
    target_cut = cut_targets(analysis, question)
    targets = find_targets(analysis, question, target_cut)
    source_cut = find_segmentation(analysis, question.by)
    found = [
        explain_spans(analysis, replace(question, method=method), targets, target_cut, source_cut)
        for method in analysis.maps
    ]
    players = find_players(found[0])
    scores = {one.salience.method: one.scores[players] for one in found}
    orders = {
        method.value: rank_sources(direction * own, signed=method.is_signed)
        for (method, own), direction in zip(scores.items(), directions, strict=True)
    }
    orders |= {NEAREST: np.arange(len(players))[::-1], LAST_LINE: put_last_line_first(found[0], players)}
    return Plan(
        analysis=analysis,
        question=question,
        options=options,
        explanations=found,
        players=players,
        orders=orders,
        drawn=draw_orders(options.n_random, len(players), start_stream(options.seed, analysis.completion.prompt.id)),
        agreements={pair: correlate_ranks(scores[pair[0]], scores[pair[1]]) for pair in combinations(scores, 2)},
    )


def find_players(explanation: Explanation) -> NDArray[np.intp]:
    """Numbers of the sources: visible, wholly before the target, and with a removable token.

    Raises UsageError if there are fewer than two.
    """
    completion = explanation.analysis.completion
    first = _join_ranges(explanation.targets)[0][0]
    removable = find_removable(completion, explanation.source_cut)
    earlier = np.array([span.stop <= first for span in explanation.spans])
    players = np.flatnonzero(explanation.visible & earlier & removable.any(axis=1))
    if len(players) < 2:
        found = "only one" if len(players) else "none"
        raise UsageError(
            f"{completion.prompt.id}: expected two or more sources before the target, found {found}: there is"
            " nothing to rank; cut them finer",
            parameters=("by",),
        )
    return players


def put_last_line_first(explanation: Explanation, players: NDArray[np.intp]) -> Order:
    """The sources in the last line of the prompt, the last first, then all others from the top."""
    spans = [explanation.spans[int(number)] for number in players]
    last = max((span.line for span in spans if span.role is Role.PROMPT), default=0)
    in_it = [place for place, span in enumerate(spans) if span.role is Role.PROMPT and span.line == last]
    return np.array([*reversed(in_it), *(place for place in range(len(spans)) if place not in in_it)], dtype=np.intp)


def _join_ranges(targets: Sequence[Span]) -> list[tuple[int, int]]:
    """The targets' tokens as ranges, neighbours joined, without the text's first token: nothing predicts that one."""
    ranges: list[tuple[int, int]] = []
    for span in targets:
        start = max(span.start, 1)
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], span.stop)
        else:
            ranges.append((start, span.stop))
    return ranges
