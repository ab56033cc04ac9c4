"""Measure how well methods find all the lines that an answer follows from, by way: directly or through own words.

For a case with k causes, every method and way scores the lines before the target. Three figures:

 - ``recall``: the share of the causes among the k highest lines.
 - ``value``: whether the highest line is the one that has the value, the first cause.
 - ``hop``: whether the highest line is one that hands the value on, another cause.

They are taken among the block's lines (``Scope.CANDIDATES``), and among all lines of the prompt but the question. Equal
scores are in random order: the figures are expectations over it. So lines that all score the same give chance, exactly.

Own words are followed token by token. So occlusion takes away lines of the prompt, and tokens of the completion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from promptlight.salience.benchmark.causes import KnownCause
from promptlight.salience.benchmark.rates import Scope
from promptlight.salience.explain.explanation import Question, explain_spans
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.run.pipeline import explain
from promptlight.salience.statistics import WideArray, bootstrap_interval, wilson_interval
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import (
    Analysis,
    Completion,
    Granularity,
    Method,
    Role,
    Segmentation,
    Way,
)

CHANCE, NEAREST, TOP = "chance", "nearest lines", "top lines"
SCOPES = (Scope.CANDIDATES, Scope.PROMPT)


@dataclass(frozen=True, kw_only=True)
class Found:
    """How well one ranking finds the causes of one case, 0 to 1 each: see the module's text."""

    recall: float
    value: float
    hop: float


@dataclass(frozen=True, kw_only=True)
class Recall:
    """A method and way, or a rule (which has no way), and what it found in each case."""

    method: str
    way: Way | None
    scope: Scope
    found: tuple[Found, ...]

    @property
    def recall(self) -> float:
        """The mean share of causes among the k highest lines."""
        return float(np.mean([one.recall for one in self.found]))

    @property
    def recall_interval(self) -> tuple[float, float] | None:
        """The 95% bootstrap interval of ``recall``, for the prompts drawn; None for a single prompt."""
        return bootstrap_interval([one.recall for one in self.found])

    @property
    def value(self) -> float:
        """How often the highest line is the one that has the value."""
        return float(np.mean([one.value for one in self.found]))

    @property
    def value_interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of ``value``."""
        return wilson_interval(round(self.value * len(self.found)), len(self.found))

    @property
    def hop(self) -> float:
        """How often the highest line is one that hands the value on."""
        return float(np.mean([one.hop for one in self.found]))

    @property
    def hop_interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of ``hop``."""
        return wilson_interval(round(self.hop * len(self.found)), len(self.found))


def measure_recall(
    model: Model, cases: Iterable[KnownCause], methods: Sequence[Method], options: MethodOptions | None = None
) -> list[Recall]:
    """The figures of every method by every way, and of three rules that read no model, for both scopes."""
    found: dict[tuple[str, Way | None, Scope], list[Found]] = {}
    for case in cases:
        lines = segment(case.completion, Granularity.LINE)
        choices = {Scope.CANDIDATES: list(case.candidates), Scope.PROMPT: list_prompt_lines(case.completion, lines)}
        for name, way, scores in _score_by_all(model, case, lines, methods, options or MethodOptions()):
            for scope in SCOPES:
                found.setdefault((name, way, scope), []).append(judge_lines(scores, choices[scope], case.causes))
    return [Recall(method=name, way=way, scope=scope, found=tuple(each)) for (name, way, scope), each in found.items()]


def list_prompt_lines(completion: Completion, lines: Segmentation) -> list[int]:
    """The numbers of the prompt's lines that have text, without the last one, which asks."""
    spans = describe_spans(completion, lines)
    return [span.number for span in spans if span.role is Role.PROMPT and span.text.strip()][:-1]


def judge_lines(scores: WideArray, choices: Sequence[int], causes: Sequence[int]) -> Found:
    """Rank lines by their scores [S]. The first cause is the line with the value."""
    shown = scores[list(choices)]
    places = [choices.index(line) for line in causes]
    value, *hops = (find_chance_in_top(shown, place, 1) for place in places)
    recall = sum(find_chance_in_top(shown, place, len(causes)) for place in places) / len(causes)
    return Found(recall=recall, value=value, hop=sum(hops))


def find_chance_in_top(scores: WideArray, place: int, k: int) -> float:
    """The probability that a place is among the k highest scores if equal ones are put in random order."""
    n_above, n_equal = int((scores > scores[place]).sum()), int((scores == scores[place]).sum())
    return float(np.clip((k - n_above) / n_equal, 0, 1))


# ---- scores of lines ------------------------------------------------------------------------------------------------


def _score_by_all(
    model: Model, case: KnownCause, lines: Segmentation, methods: Sequence[Method], options: MethodOptions
) -> Iterator[tuple[str, Way | None, WideArray]]:
    """The scores [S] of all lines by the rules, then by each method and way."""
    order = np.arange(len(lines), dtype=np.float64)
    yield CHANCE, None, np.zeros_like(order)
    yield NEAREST, None, order
    yield TOP, None, -order
    analysis = _analyze(model, case.completion, methods, options)
    before = case.completion.text[case.completion.prompt_stop : case.completion.tokens[case.target[0]].start]
    for method in methods:
        for way in Way if before.strip() else (Way.DIRECT,):
            yield method.value, way, score_lines(analysis, case, lines, method, way)


def score_lines(analysis: Analysis, case: KnownCause, lines: Segmentation, method: Method, way: Way) -> WideArray:
    """The sums [S] of the scores of each line's tokens.

    Sources are cut by token first: the target's own line would hide the own words in it.
    """
    tokens = analysis.segmentations[Granularity.TOKEN]
    start, stop = case.target
    question = Question(by=Granularity.TOKEN, target_by=Granularity.TOKEN, method=method, way=way)
    targets = describe_spans(analysis.completion, tokens)[start:stop]
    scores = explain_spans(analysis, question, targets, tokens, tokens).scores.astype(np.float64)
    return np.add.reduceat(scores, list(lines.bounds[:-1]))


def _analyze(model: Model, completion: Completion, methods: Sequence[Method], options: MethodOptions) -> Analysis:
    """Score every token that the model wrote, by every method."""
    if Method.OCCLUSION in methods:
        options = replace(options, own_sources=Granularity.TOKEN)
    asked = AnalysisOptions(methods=tuple(methods), method_options=options, stored=(Granularity.TOKEN,))
    return explain(completion, model, asked)
