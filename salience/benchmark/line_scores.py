"""Score the lines before a target by each rule: a method, an objective, a way, and how tokens are pooled.

*Direct* scores are those of the whole target's own row. What came *through* the model's own words, or *in all*, takes
the rows of every own word, too (``explain/through.py``). Ablation methods then remove the prompt by line and the own
words one by one: a line of the model's own, removed as a whole, would say nothing of the words in it. ``docs`` calls
own words by token or by line their *units*.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from promptlight.salience.ablation.maps import explain_by_ablation
from promptlight.salience.ablation.scores import compute_ablation_scores
from promptlight.salience.benchmark.causes import KnownCause
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.explain.span_scores import pool_sources
from promptlight.salience.explain.through import build_chain
from promptlight.salience.gradients.compute import GRADIENT_METHODS, Setting, compute_salience
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.text.completion import with_log_probs
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import (
    Analysis,
    Completion,
    FloatArray,
    Granularity,
    Method,
    Objective,
    Pooling,
    Role,
    SalienceMap,
    Segmentation,
    Way,
)

TARGET = Granularity.SENTENCE  # the name of the segmentation in which the target is one span
UNITS = ((Granularity.TOKEN, False), (Granularity.TOKEN, True), (Granularity.LINE, False))  # with the rule's by_doubt
OWN_WORDS = {"sources": Granularity.LINE, "own_sources": Granularity.TOKEN}  # what ablation takes away, one by one


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a line is chosen; what does not apply is empty. A baseline has its name as ``method`` and nothing else.

    ``unit`` says how the model's own words are cut, ``by_doubt`` whether they count by how unsure the model was of
    them, and ``ranking`` whether lines are ordered by score or by size, its absolute value.
    """

    method: str
    objective: str = ""
    way: str = ""
    unit: str = ""
    by_doubt: bool = False
    pooling: str = ""
    ranking: str = ""


def score_lines(
    decoder: Decoder,
    case: KnownCause,
    methods: Sequence[Method],
    objective: Objective,
    ways: Collection[Way],
    options: MethodOptions,
) -> Iterator[tuple[Rule, FloatArray]]:
    """The scores [S] of all lines by every rule; by a way other than direct, only those of the prompt's lines count."""
    lines = segment(case.completion, Granularity.LINE)
    indirect = [way for way in ways if way is not Way.DIRECT]
    analysis = explain_case(decoder, case, methods, objective, options, own_words=bool(indirect))
    for method in methods:
        plain = Rule(method=method.value, objective=objective.value, ranking="score")
        if Way.DIRECT in ways:
            for pooling, scores in _score_directly(decoder, case, analysis, method, objective, options):
                rule = replace(plain, way=Way.DIRECT.value, pooling=pooling)
                yield rule, scores
                if method.is_signed:
                    yield replace(rule, ranking="size"), np.abs(scores)
        for unit, by_doubt in UNITS if indirect else ():
            for way, row in _trace(analysis, case, method, unit, indirect, by_doubt=by_doubt):
                for pooling in Pooling if method in GRADIENT_METHODS else (Pooling.SUM,):
                    name = pooling.value if method in GRADIENT_METHODS else ""
                    rule = replace(plain, way=way.value, unit=unit.value, by_doubt=by_doubt, pooling=name)
                    yield rule, pool_sources(row[None], lines, pooling)[0]


def _score_directly(
    decoder: Decoder,
    case: KnownCause,
    analysis: Analysis,
    method: Method,
    objective: Objective,
    options: MethodOptions,
) -> Iterator[tuple[str, FloatArray]]:
    """The scores [S] of all lines for each pooling; an ablation method scores lines and needs no pooling."""
    lines = segment(case.completion, Granularity.LINE)
    if method in GRADIENT_METHODS:
        row = read_target_row(analysis.maps[method], case)
        yield from ((pooling.value, pool_sources(row[None], lines, pooling)[0]) for pooling in Pooling)
    else:
        how = options.for_ablation(objective)
        yield "", compute_ablation_scores(decoder, case.completion, lines, [case.target], method, how).scores[0]


def _trace(
    analysis: Analysis, case: KnownCause, method: Method, unit: Granularity, ways: Sequence[Way], *, by_doubt: bool
) -> Iterator[tuple[Way, FloatArray]]:
    """What came to each token [T] through own words, or in all."""
    cut, salience = analysis.segmentations[TARGET], analysis.maps[method]
    target = describe_spans(analysis.completion, cut)[cut.bounds.index(case.target[0])]
    row = read_target_row(salience, case)
    hidden = np.arange(len(row)) >= target.start
    chain = build_chain(analysis, salience, row, hidden, target, unit, by_doubt=by_doubt)
    for way in ways:
        yield way, (chain.arrived - chain.row if way is Way.THROUGH else chain.arrived).astype(np.float32)


def read_target_row(salience: SalienceMap, case: KnownCause) -> FloatArray:
    """The scores [T] of all tokens for the whole target."""
    cut = isolate(case.completion, case.target)
    first = cut.spans_from(case.completion.n_prompt_tokens).start
    return salience.span_scores[TARGET][cut.bounds.index(case.target[0]) - first]


def explain_case(
    decoder: Decoder,
    case: KnownCause,
    methods: Sequence[Method],
    objective: Objective,
    options: MethodOptions,
    *,
    own_words: bool,
) -> Analysis:
    """Scores of the whole target, and those of all tokens and lines that the model wrote if ``own_words`` count."""
    completion = case.completion
    cuts = {TARGET: isolate(completion, case.target)}
    if own_words:
        cuts[Granularity.LINE] = segment(completion, Granularity.LINE)
    result = compute_salience(
        decoder,
        completion.ids,
        completion.n_prompt_tokens,
        cuts,
        methods=[method for method in methods if method in GRADIENT_METHODS],
        setting=Setting(
            objective=objective,
            options=options,
            special=[token.role is Role.SPECIAL for token in completion.tokens],
            name=completion.prompt.id,
        ),
        unit=Granularity.TOKEN if own_words else TARGET,
    )
    maps = dict(result.maps)
    if own_words:
        one_by_one = replace(options, **OWN_WORDS)
        for method in set(methods) - set(GRADIENT_METHODS):
            maps[method] = explain_by_ablation(decoder, completion, cuts, method, objective, one_by_one)
    return Analysis(completion=with_log_probs(completion, result.log_probs), segmentations=cuts, maps=maps)


def isolate(completion: Completion, target: tuple[int, int]) -> Segmentation:
    """A segmentation in which the target is one span."""
    bounds = sorted({0, completion.n_prompt_tokens, *target, len(completion.tokens)})
    return Segmentation(granularity=TARGET, bounds=tuple(bounds))
