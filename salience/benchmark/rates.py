"""Measure how often the top source is the line that the answer depends on, by method, objective and pooling.

``causes.py`` finds the prompts. For each prompt, every *setting* scores all earlier lines for the target and chooses
the line with the highest score. There are three *scopes* to choose from: the candidates that were edited, all lines of
the prompt, and all lines before the target, including those that the model wrote. Methods without a sign are ranked by
score. Methods with a sign are ranked by score (what raised the target most) and, separately, by absolute score.

For the benchmark with two causes, ``both`` counts the cases where the two top lines are the two causes.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from promptlight.salience.ablation.scores import compute_ablation_scores
from promptlight.salience.benchmark.causes import KnownCause
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.explain.span_scores import pool_sources
from promptlight.salience.gradients.compute import GRADIENT_METHODS, Setting, compute_salience
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.statistics import wilson_interval
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import (
    Completion,
    FloatArray,
    Granularity,
    Method,
    Objective,
    Pooling,
    Role,
    Segmentation,
    Span,
)

OBJECTIVES = (Objective.LOGPROB, Objective.LOGIT, Objective.MARGIN)
LAST, CHANCE = "last line", "chance"


class Scope(StrEnum):
    """Which lines may be chosen."""

    CANDIDATES = "candidates"
    PROMPT = "prompt"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a setting's choice was a cause: ``hits`` of ``n``, with Wilson's 95% interval; ``both``, see above.

    A baseline has its name as ``method`` and no other setting; the hits of ``chance`` are expected values.
    """

    method: str
    objective: str
    pooling: str
    ranking: str  # score or size
    scope: Scope
    hits: float
    both: float
    n: int

    @property
    def rate(self) -> float:
        """0 to 1."""
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95%, for the cases drawn."""
        return wilson_interval(round(self.hits), self.n)


Key = tuple[str, str, str, str, Scope]


@dataclass
class _Count:
    hits: float = 0.0
    both: float = 0.0


@dataclass
class Tally:
    """Running counts over the cases."""

    n: int = 0
    counts: dict[Key, _Count] = field(default_factory=dict[Key, _Count])

    def add(self, key: Key, hits: float, both: float) -> None:
        """Count one case for one setting."""
        count = self.counts.setdefault(key, _Count())
        count.hits += hits
        count.both += both

    def rates(self) -> list[Rate]:
        """The rates of all settings, in the order in which they first occurred."""
        return [
            Rate(
                method=method,
                objective=objective,
                pooling=pooling,
                ranking=ranking,
                scope=scope,
                hits=count.hits,
                both=count.both,
                n=self.n,
            )
            for (method, objective, pooling, ranking, scope), count in self.counts.items()
        ]


def measure(
    decoder: Decoder,
    cases: Iterable[KnownCause],
    methods: Sequence[Method],
    objectives: Sequence[Objective] = OBJECTIVES,
    options: MethodOptions | None = None,
) -> list[Rate]:
    """The hit rates of all settings, and of two baselines: the last line, and chance."""
    tally = Tally()
    for case in cases:
        lines = describe_spans(case.completion, segment(case.completion, Granularity.LINE))
        scopes = find_scopes(case, lines)
        tally.n += 1
        for scope, numbers in scopes.items():
            tally.add((LAST, "", "", "", scope), *judge(case, numbers, [float(number) for number in numbers]))
            chance = len(set(case.causes) & set(numbers)) / len(numbers)
            pairs = len(numbers) * (len(numbers) - 1) / 2
            tally.add((CHANCE, "", "", "", scope), chance, 1 / pairs if len(case.causes) == 2 and pairs else 0.0)
        for method in methods:
            for objective in objectives:
                for pooling, scores in _score_lines(decoder, case, method, objective, options or MethodOptions()):
                    for ranking in ("score", "size") if method.is_signed else ("score",):
                        ranked = np.abs(scores) if ranking == "size" else scores
                        for scope, numbers in scopes.items():
                            verdict = judge(case, numbers, ranked[list(numbers)].tolist())
                            tally.add((method.value, objective.value, pooling, ranking, scope), *verdict)
    return tally.rates()


def find_scopes(case: KnownCause, lines: Sequence[Span]) -> dict[Scope, list[int]]:
    """The lines to choose from in each scope, by number: those wholly before the target."""
    earlier = [line for line in lines if line.stop <= case.target[0] and line.role is not Role.SPECIAL]
    prompt = [line.number for line in earlier if line.role is Role.PROMPT]
    scopes = {Scope.PROMPT: prompt, Scope.ALL: [line.number for line in earlier]}
    if len(case.candidates) > len(case.causes):
        return {Scope.CANDIDATES: list(case.candidates), **scopes}
    return scopes


def judge(case: KnownCause, numbers: Sequence[int], scores: Sequence[float]) -> tuple[float, float]:
    """Whether the line with the highest score is a cause, and whether the two highest are the two causes."""
    order = [numbers[at] for at in np.argsort(-np.array(scores), kind="stable")]
    both = len(case.causes) == 2 and set(order[:2]) == set(case.causes)
    return float(order[0] in case.causes), float(both)


def _score_lines(
    decoder: Decoder, case: KnownCause, method: Method, objective: Objective, options: MethodOptions
) -> Iterator[tuple[str, FloatArray]]:
    """The scores [S] of all lines for each pooling; an ablation method scores lines and needs no pooling."""
    lines = segment(case.completion, Granularity.LINE)
    if method not in GRADIENT_METHODS:
        made = compute_ablation_scores(
            decoder, case.completion, lines, [case.target], method, options.for_ablation(objective)
        )
        yield "", made.scores[0]
        return
    row = score_tokens(decoder, case, method, objective, options)
    for pooling in Pooling:
        yield pooling.value, pool_sources(row[None], lines, pooling)[0]


def score_tokens(
    decoder: Decoder, case: KnownCause, method: Method, objective: Objective, options: MethodOptions
) -> FloatArray:
    """Scores [T] of all tokens for the whole target: one backward for it, and one for the text before it."""
    completion = case.completion
    cut = isolate(completion, case.target)
    result = compute_salience(
        decoder,
        completion.ids,
        completion.n_prompt_tokens,
        {Granularity.SENTENCE: cut},
        methods=(method,),
        setting=Setting(
            objective=objective,
            options=options,
            special=[token.role is Role.SPECIAL for token in completion.tokens],
            name=completion.prompt.id,
        ),
        unit=Granularity.SENTENCE,
    )
    first = cut.spans_from(completion.n_prompt_tokens).start
    return result.maps[method].span_scores[Granularity.SENTENCE][cut.bounds.index(case.target[0]) - first]


def isolate(completion: Completion, target: tuple[int, int]) -> Segmentation:
    """A segmentation in which the target is one span."""
    bounds = sorted({0, completion.n_prompt_tokens, *target, len(completion.tokens)})
    return Segmentation(granularity=Granularity.SENTENCE, bounds=tuple(bounds))
