"""Evaluate the stored scores of a prompt: test each method's order of sources on the model.

1. ``plan.py`` says which sources are ranked, and by which orders.
2. One batch of forwards values what each order leaves: the target's summed log-probability (``ablation/forward.py``).
3. Gradient methods are computed again with a little noise on the embeddings, and the new scores are compared with the
   stored ones by rank correlation. So are the stored methods with each other.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from promptlight.salience.ablation.forward import score_ablations
from promptlight.salience.ablation.scores import check_targets, find_removable
from promptlight.salience.ablation.streams import lay_out_streams
from promptlight.salience.errors import ModelError
from promptlight.salience.explain.explanation import Explanation, Question, explain_spans
from promptlight.salience.faithfulness.curves import Faithfulness, ValueOf, measure_orders
from promptlight.salience.faithfulness.noise import recompute_with_noise
from promptlight.salience.faithfulness.plan import (
    LAST_LINE,
    NEAREST,
    NOISE,
    EvaluationOptions,
    Plan,
    plan_evaluation,
)
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.gradients.compute import GRADIENT_METHODS
from promptlight.salience.model import Model
from promptlight.salience.progress import Counted, Counter, ignore
from promptlight.salience.statistics import BoolArray, WideArray, correlate_ranks
from promptlight.salience.types import Analysis, Method


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A prompt's row for each method, and the rank correlation of each pair; None if one has only equal scores."""

    rows: Sequence[PromptEvaluation]
    agreements: Mapping[tuple[Method, Method], float | None]


def evaluate_analysis(
    analysis: Analysis, model: Model, question: Question, options: EvaluationOptions | None = None
) -> Evaluated:
    """Evaluate every stored method of a prompt; raises what ``plan_evaluation`` and ``measure_plan`` raise."""
    return measure_plan(plan_evaluation(analysis, question, options or EvaluationOptions()), model)


def measure_plan(plan: Plan, model: Model, counted: Counted = ignore) -> Evaluated:
    """Measure what is planned; ``counted`` is told the passes. Raises ModelError if another model made the results."""
    counter = Counter(plan.n_passes, counted)
    measured = measure_orders(_play(plan, model, counter), plan.orders, plan.drawn, n_steps=plan.options.n_steps)
    _check_log_prob(plan, measured.full, model)
    noise = [_correlate_with_noise(plan, one, model, counter) for one in plan.explanations]
    counter.finish()
    rows = [
        _build_row(plan, one, measured, correlation) for one, correlation in zip(plan.explanations, noise, strict=True)
    ]
    return Evaluated(rows=rows, agreements=plan.agreements)


def _play(plan: Plan, model: Model, counter: Counter) -> ValueOf:
    """The game: the target's summed log-probability with only some of the players left, [n, S] -> [n]."""
    completion, sources = plan.analysis.completion, plan.explanations[0].source_cut
    check_targets(completion, plan.targets)
    removable = find_removable(completion, sources)[plan.players]
    layout = lay_out_streams(sources.bounds, plan.targets, model.decoder.embedding.device)

    def value_of(kept: BoolArray) -> WideArray:
        values = score_ablations(
            model.decoder,
            completion.ids,
            layout,
            removable,
            kept,
            ablate=plan.options.ablate,
            counted=counter.part(),
        )
        return values.sum(axis=1)

    return value_of


def _correlate_with_noise(plan: Plan, explanation: Explanation, model: Model, counter: Counter) -> float | None:
    """The mean rank correlation of the stored scores with noisy ones; None if it can't be measured."""
    name, method, options = plan.analysis.completion.prompt.id, explanation.salience.method, plan.options
    if method not in GRADIENT_METHODS:
        return None
    found: list[float] = []
    for number in range(options.n_noisy):
        seed = f"{options.seed} noise {number} {name}"
        noisy = recompute_with_noise(explanation, model, options.method_options, NOISE, seed, counter.part())
        question = replace(plan.question, method=method)
        scores = explain_spans(
            noisy, question, explanation.targets, explanation.target_cut, explanation.source_cut
        ).scores
        correlation = correlate_ranks(explanation.scores[plan.players], scores[plan.players])
        found += [] if correlation is None else [correlation]
    return fmean(found) if found else None


def _build_row(plan: Plan, explanation: Explanation, measured: Faithfulness, noise: float | None) -> PromptEvaluation:
    """Collect all measurements of one method."""
    prompt, method = explanation.analysis.completion.prompt, explanation.salience.method
    with_others = [value for pair, value in plan.agreements.items() if method in pair and value is not None]
    beaten, beaten_insertion = measured.count_beaten(method.value)
    return PromptEvaluation(
        id=prompt.id,
        label=prompt.label,
        fingerprint=prompt.fingerprint,
        method=method.value,
        by=str(explanation.by),
        target=plan.question.target,
        target_by=str(explanation.target_by),
        target_text=explanation.target_text,
        target_start=plan.targets[0][0],
        target_stop=plan.targets[-1][1],
        n_sources=len(plan.players),
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


def _check_log_prob(plan: Plan, found: float, model: Model) -> None:
    """Raise ModelError if the target is far more or less likely for this model than when it was stored."""
    tokens = plan.analysis.completion.tokens
    places = (at for start, stop in plan.targets for at in range(start, stop))
    stored = sum(tokens[at].log_prob or 0.0 for at in places)
    if abs(found - stored) > 0.5 + 0.1 * abs(stored):
        raise ModelError(
            f"{plan.analysis.completion.prompt.id}: expected the log-probability {stored:.3g} that was stored,"
            f" found {found:.3g} by {model.facts.name}: name the model that made these results",
            parameters=("model",),
        )
