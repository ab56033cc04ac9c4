"""Measure how often the top source is the line that the answer depends on, by every rule to choose it.

``causes.py`` finds the prompts, ``line_scores.py`` scores their lines. The line with the highest score is chosen from
one of three *scopes*: the candidates that were edited, all lines of the prompt, and all lines before the target,
including those that the model wrote. Methods without a sign are ranked by score. Methods with a sign are ranked by
score (what raised the target most) and, separately, by absolute score.

For the benchmarks with two causes, ``both`` counts the cases where the two top lines are the two causes, and ``first``
those where the top line is the first of them in the text.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import numpy as np

from promptlight.salience.benchmark.causes import KnownCause
from promptlight.salience.benchmark.line_scores import Rule, score_lines
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.statistics import wilson_interval
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import FloatArray, Granularity, Method, Objective, Role, Span, Way

QUICK = (Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.OCCLUSION)
OBJECTIVES = (Objective.LOGPROB, Objective.LOGIT, Objective.MARGIN)
LAST, CHANCE = "last line", "chance"


class Scope(StrEnum):
    """Which lines may be chosen."""

    CANDIDATES = "candidates"
    PROMPT = "prompt"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the line with the highest score is a cause (``hits``), and whether it is the first of them in the text.

    ``both``: whether the two highest are the two causes. 0 or 1; chance has expected values.
    """

    hits: float
    first: float
    both: float


@dataclass(frozen=True, kw_only=True)
class Rate(Rule):
    """How often a rule's choice was a cause: ``hits`` of ``n``, with Wilson's 95% interval; ``Verdict`` has the rest.

    The hits of ``chance`` are expected values.
    """

    scope: Scope
    hits: float
    first: float
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


@dataclass
class Tally:
    """Running counts over the cases."""

    n: int = 0
    verdicts: dict[tuple[Rule, Scope], list[Verdict]] = field(default_factory=dict[tuple[Rule, Scope], list[Verdict]])

    def add(self, rule: Rule, scope: Scope, verdict: Verdict) -> None:
        """Count one case for one rule."""
        self.verdicts.setdefault((rule, scope), []).append(verdict)

    def rates(self) -> list[Rate]:
        """The rates of all rules, in the order in which they first occurred."""
        return [
            Rate(
                **asdict(rule),
                scope=scope,
                hits=sum(verdict.hits for verdict in verdicts),
                first=sum(verdict.first for verdict in verdicts),
                both=sum(verdict.both for verdict in verdicts),
                n=self.n,
            )
            for (rule, scope), verdicts in self.verdicts.items()
        ]


def measure(
    decoder: Decoder,
    cases: Iterable[KnownCause],
    methods: Sequence[Method],
    objectives: Sequence[Objective] = OBJECTIVES,
    options: MethodOptions | None = None,
) -> list[Rate]:
    """The hit rates of all rules, and of two baselines: the last line, and chance.

    Only the quick methods are measured by every way: that takes the rows of every own word. The others are direct.
    """
    tally = Tally()
    for case in cases:
        lines = describe_spans(case.completion, segment(case.completion, Granularity.LINE))
        scopes = find_scopes(case, lines)
        tally.n += 1
        for scope, numbers in scopes.items():
            tally.add(Rule(method=LAST), scope, judge(case, numbers, [float(number) for number in numbers]))
            tally.add(Rule(method=CHANCE), scope, _expect_chance(case, numbers))
        for rule, scores in _score_all(decoder, case, methods, objectives, options or MethodOptions()):
            for scope, numbers in scopes.items():
                if scope is not Scope.ALL or rule.way == Way.DIRECT:
                    tally.add(rule, scope, judge(case, numbers, scores[list(numbers)].tolist()))
    return tally.rates()


def _score_all(
    decoder: Decoder,
    case: KnownCause,
    methods: Sequence[Method],
    objectives: Sequence[Objective],
    options: MethodOptions,
) -> Iterator[tuple[Rule, FloatArray]]:
    """The scores [S] of all lines by every rule."""
    for objective in objectives:
        for ways in (tuple(Way), (Way.DIRECT,)):
            some = [method for method in methods if (method in QUICK) == (len(ways) > 1)]
            if some:
                yield from score_lines(decoder, case, some, objective, ways, options)


def _expect_chance(case: KnownCause, numbers: Sequence[int]) -> Verdict:
    """What a random order would get."""
    n, found = len(numbers), len(set(case.causes) & set(numbers))
    pairs = n * (n - 1) / 2
    return Verdict(
        hits=found / n, first=float(case.causes[0] in numbers) / n, both=1 / pairs if found == 2 and pairs else 0.0
    )


def find_scopes(case: KnownCause, lines: Sequence[Span]) -> dict[Scope, list[int]]:
    """The lines to choose from in each scope, by number: those wholly before the target."""
    earlier = [line for line in lines if line.stop <= case.target[0] and line.role is not Role.SPECIAL]
    prompt = [line.number for line in earlier if line.role is Role.PROMPT]
    scopes = {Scope.PROMPT: prompt, Scope.ALL: [line.number for line in earlier]}
    if len(case.candidates) > len(case.causes):
        return {Scope.CANDIDATES: list(case.candidates), **scopes}
    return scopes


def judge(case: KnownCause, numbers: Sequence[int], scores: Sequence[float]) -> Verdict:
    """Judge the order that the scores [n] give the lines with these numbers."""
    order = [numbers[at] for at in np.argsort(-np.array(scores), kind="stable")]
    both = len(case.causes) == 2 and set(order[:2]) == set(case.causes)
    return Verdict(hits=float(order[0] in case.causes), first=float(order[0] == case.causes[0]), both=float(both))
