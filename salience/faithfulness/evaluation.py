"""Evaluate the stored scores of a prompt: test each method's order of sources on the model.

 1. Sources are the visible spans that lie wholly before the target and have a removable token.
 2. Each method orders them (``curves.rank_sources``). Its rivals are random orders, the nearest source first, and the
    last line of the prompt first, then all others from the top.
 3. One batch of forwards values what each order leaves: the target's summed log-probability (``ablation/forward.py``).
 4. Gradient methods are computed again with a little noise on the embeddings, and the new scores are compared with the
    stored ones by rank correlation. So are the stored methods with each other.

Random numbers depend on the seed and the prompt's id alone.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean

import numpy as np

from promptlight.salience.ablation.coalitions import draw_orders, start_stream
from promptlight.salience.ablation.forward import score_ablations
from promptlight.salience.ablation.scores import check_targets, find_removable
from promptlight.salience.ablation.streams import lay_out_streams
from promptlight.salience.errors import ModelError, UsageError
from promptlight.salience.explain.explanation import Explanation, Question, cut_targets, explain_spans, find_targets
from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.faithfulness.curves import N_STEPS, Faithfulness, Order, ValueOf, measure_orders, rank_sources
from promptlight.salience.faithfulness.noise import recompute_with_noise
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.gradients.compute import GRADIENT_METHODS
from promptlight.salience.model import Model
from promptlight.salience.options.methods import AblationKind, MethodOptions
from promptlight.salience.statistics import BoolArray, WideArray, correlate_ranks
from promptlight.salience.types import Analysis, Method, Objective, Role, Span

NOISE = 0.01  # relative to the standard deviation of the embeddings' entries
NEAREST, LAST_LINE = "nearest", "last line"
DIRECTED = {  # 1: a positive score should raise the log-probability; -1: lower it
    Objective.LOGPROB: 1,
    Objective.LOGIT: 1,
    Objective.MARGIN: 1,
    Objective.PROB: 1,
    Objective.LOSS: -1,
}


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
class Evaluated:
    """A prompt's row for each method, and the rank correlation of each pair; None if one has only equal scores."""

    rows: Sequence[PromptEvaluation]
    agreements: Mapping[tuple[Method, Method], float | None]


def evaluate_analysis(
    analysis: Analysis, model: Model, question: Question, options: EvaluationOptions | None = None
) -> Evaluated:
    """Evaluate every stored method of a prompt.

    Raises UsageError if the prompt has no such target, nothing to remove, or scores that are not of a log-probability;
    ModelError if another model made the results.
    """
    options = options or EvaluationOptions()
    directions = [_find_direction(analysis, method) for method in analysis.maps]
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
    stream = start_stream(options.seed, analysis.completion.prompt.id)
    drawn = draw_orders(options.n_random, len(players), stream)
    measured = measure_orders(_play(found[0], players, model, options.ablate), orders, drawn, n_steps=options.n_steps)
    _check_log_prob(found[0], measured.full, model)
    agreements = {pair: correlate_ranks(scores[pair[0]], scores[pair[1]]) for pair in combinations(scores, 2)}
    rows = [
        _build_row(
            one, question, players, measured, _correlate_with_noise(one, question, players, model, options), agreements
        )
        for one in found
    ]
    return Evaluated(rows=rows, agreements=agreements)


def find_players(explanation: Explanation) -> np.ndarray:
    """Numbers of the sources: visible, wholly before the target, and with a removable token.

    Raises UsageError if there are fewer than two.
    """
    completion = explanation.analysis.completion
    first = _ranges_of(explanation.targets)[0][0]
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


def _play(explanation: Explanation, players: np.ndarray, model: Model, ablate: AblationKind) -> ValueOf:
    """The game: the target's summed log-probability with only some of the players left, [n, S] -> [n]."""
    completion = explanation.analysis.completion
    sources = explanation.source_cut
    targets = _ranges_of(explanation.targets)
    check_targets(completion, targets)
    removable = find_removable(completion, sources)[players]
    layout = lay_out_streams(sources.bounds, targets, model.decoder.embedding.device)

    def value_of(kept: BoolArray) -> WideArray:
        return score_ablations(model.decoder, completion.ids, layout, removable, kept, ablate=ablate).sum(axis=1)

    return value_of


def put_last_line_first(explanation: Explanation, players: np.ndarray) -> Order:
    """The sources in the last line of the prompt, the last first, then all others from the top."""
    spans = [explanation.spans[number] for number in players]
    last = max((span.line for span in spans if span.role is Role.PROMPT), default=0)
    in_it = [place for place, span in enumerate(spans) if span.role is Role.PROMPT and span.line == last]
    return np.array([*reversed(in_it), *(place for place in range(len(spans)) if place not in in_it)], dtype=np.intp)


def _correlate_with_noise(
    explanation: Explanation, question: Question, players: np.ndarray, model: Model, options: EvaluationOptions
) -> float | None:
    """The mean rank correlation of the stored scores with noisy ones; None if it can't be measured."""
    name, method = explanation.analysis.completion.prompt.id, explanation.salience.method
    if method not in GRADIENT_METHODS:
        return None
    found: list[float] = []
    for number in range(options.n_noisy):
        seed = f"{options.seed} noise {number} {name}"
        noisy = recompute_with_noise(explanation, model, options.method_options, NOISE, seed)
        scores = explain_spans(
            noisy, replace(question, method=method), explanation.targets, explanation.target_cut, explanation.source_cut
        ).scores
        correlation = correlate_ranks(explanation.scores[players], scores[players])
        found += [] if correlation is None else [correlation]
    return fmean(found) if found else None


def _build_row(
    explanation: Explanation,
    question: Question,
    players: np.ndarray,
    measured: Faithfulness,
    noise: float | None,
    agreements: Mapping[tuple[Method, Method], float | None],
) -> PromptEvaluation:
    """Collect all measurements of one method."""
    prompt, method = explanation.analysis.completion.prompt, explanation.salience.method
    with_others = [value for pair, value in agreements.items() if method in pair and value is not None]
    beaten, beaten_insertion = measured.count_beaten(method.value)
    ranges = _ranges_of(explanation.targets)
    return PromptEvaluation(
        id=prompt.id,
        label=prompt.label,
        fingerprint=prompt.fingerprint,
        method=method.value,
        by=str(explanation.by),
        target=question.target,
        target_by=str(explanation.target_by),
        target_text=explanation.target_text,
        target_start=ranges[0][0],
        target_stop=ranges[-1][1],
        n_sources=len(players),
        log_prob=measured.full,
        empty_log_prob=measured.empty,
        order=measured.orders[method.value],
        random=measured.mean_random(),
        nearest=measured.orders[NEAREST],
        last_line=measured.orders[LAST_LINE],
        n_random=len(measured.random),
        n_beaten=beaten,
        n_beaten_insertion=beaten_insertion,
        noise_correlation=noise,
        agreement=fmean(with_others) if with_others else None,
    )


def _ranges_of(targets: Sequence[Span]) -> list[tuple[int, int]]:
    """The targets' tokens as ranges, neighbours joined, without the text's first token: nothing predicts that one."""
    ranges: list[tuple[int, int]] = []
    for span in targets:
        start = max(span.start, 1)
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], span.stop)
        else:
            ranges.append((start, span.stop))
    return ranges


def _find_direction(analysis: Analysis, method: Method) -> int:
    """1 if a positive score should raise the target's log-probability, -1 if it should lower it."""
    if analysis.foil is not None:
        raise UsageError(
            f"{analysis.completion.prompt.id}: expected scores of a log-probability, found those of a difference from a"
            " foil, which can't be evaluated"
        )
    objective = analysis.maps[method].objective
    direction = DIRECTED.get(objective)
    if direction is None:
        known = ", ".join(DIRECTED)
        raise UsageError(f"expected scores of one of {known}, found {objective}, which can't be evaluated")
    return direction


def _check_log_prob(explanation: Explanation, found: float, model: Model) -> None:
    """Raise ModelError if the target is far more or less likely for this model than when it was stored."""
    tokens = explanation.analysis.completion.tokens
    places = (at for start, stop in _ranges_of(explanation.targets) for at in range(start, stop))
    stored = sum(tokens[at].log_prob or 0.0 for at in places)
    if abs(found - stored) > 0.5 + 0.1 * abs(stored):
        raise ModelError(
            f"{explanation.analysis.completion.prompt.id}: expected the log-probability {stored:.3g} that was stored,"
            f" found {found:.3g} by {model.facts.name}: name the model that made these results",
            parameters=("model",),
        )
