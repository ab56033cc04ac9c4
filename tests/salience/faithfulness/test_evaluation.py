"""Evaluations on the demo model: what a drop is, against occlusion and edited texts; what noise does."""

# pyright: standard

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from promptlight.salience.errors import ModelError, UsageError
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.faithfulness.evaluation import (
    Evaluated,
    evaluate_analysis,
    measure_plan,
)
from promptlight.salience.faithfulness.noise import recompute_with_noise
from promptlight.salience.faithfulness.plan import EvaluationOptions, find_players, plan_evaluation, put_last_line_first
from promptlight.salience.gradients.smooth import start_noise
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.run.pipeline import AnalysisOptions, analyze
from promptlight.salience.statistics import correlate_ranks
from promptlight.salience.types import Analysis, Foil, Granularity, Method, Objective, Prompt

if TYPE_CHECKING:
    from promptlight.salience import Model

TEXT = "Suggestion: Quiche\nTaste-dislikes: I can't eat eggs\nTaste-likes: bread\nAnalysis:"
ANSWER = " it has eggs in it.\nRecommendation: Avoid."
METHODS = (Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.OCCLUSION)
LINES = Question(by=Granularity.LINE, target="Recommendation")
FEW = EvaluationOptions(n_random=6, n_noisy=1)


def explain(model: Model, text: str = TEXT, methods: tuple[Method, ...] = METHODS, **options: object) -> Analysis:
    from promptlight.salience.types import Explain

    prompt = Prompt(id="quiche", text=text, given_completion=ANSWER)
    chosen = AnalysisOptions(methods=methods, explain=Explain.TARGET, **options)  # pyright: ignore[reportArgumentType]
    (analysis,) = analyze([prompt], model, chosen)
    assert isinstance(analysis, Analysis)
    return analysis


@pytest.fixture(scope="module")
def analysis(demo_model: Model) -> Analysis:
    return explain(demo_model)


@pytest.fixture(scope="module")
def evaluated(demo_model: Model, analysis: Analysis) -> Evaluated:
    return evaluate_analysis(analysis, demo_model, LINES, FEW)


def test_the_target_is_as_likely_as_it_was_when_it_was_stored(analysis: Analysis, evaluated: Evaluated) -> None:
    row = evaluated.rows[0]
    tokens = analysis.completion.tokens[row.target_start : row.target_stop]
    assert row.target_text == "Recommendation: Avoid."
    assert row.log_prob == pytest.approx(sum(token.log_prob or 0 for token in tokens), abs=1e-4)
    assert (row.n_sources, row.target, row.by, row.target_by) == (5, "Recommendation", "line", "line")
    assert {(one.log_prob, one.empty_log_prob, one.random) for one in evaluated.rows} == {
        (row.log_prob, row.empty_log_prob, row.random)
    }


def test_occlusions_first_drop_is_its_largest_score_and_no_first_drop_is_larger(
    analysis: Analysis, evaluated: Evaluated
) -> None:
    scores = explain_target(analysis, replace(LINES, method=Method.OCCLUSION)).scores
    drops = {row.method: row.order.drop_1 or 0.0 for row in evaluated.rows}
    assert drops["occlusion"] == pytest.approx(scores.max(), rel=1e-3)
    assert all(drop is not None and drop <= drops["occlusion"] for drop in drops.values())


def test_all_drops_at_once_leave_nothing(evaluated: Evaluated) -> None:
    for row in evaluated.rows:
        assert row.order.drop_5 == pytest.approx(row.log_prob - row.empty_log_prob)
        assert row.n_random == 6


def test_several_targets_count_together_and_only_what_is_before_the_first_is_a_source(
    demo_model: Model, analysis: Analysis
) -> None:
    both = evaluate_analysis(analysis, demo_model, Question(by=Granularity.LINE), FEW).rows[0]
    tokens = analysis.completion.tokens
    first = analysis.completion.n_prompt_tokens
    assert (both.target_start, both.target_stop, both.n_sources) == (first, len(tokens), 4)
    assert both.log_prob == pytest.approx(sum(token.log_prob or 0 for token in tokens[first:]), abs=1e-3)


def test_the_prompts_last_line_goes_first(analysis: Analysis) -> None:
    found = explain_target(analysis, replace(LINES, by=Granularity.WORD))
    players = find_players(found)
    texts = [found.spans[int(players[place])].text.strip() for place in put_last_line_first(found, players)]
    assert texts[:3] == [":", "Analysis", "Suggestion"] or texts[:2] == ["Analysis:", "Suggestion:"]
    assert len(set(put_last_line_first(found, players).tolist())) == len(players)


def test_the_same_seed_draws_the_same(demo_model: Model, analysis: Analysis, evaluated: Evaluated) -> None:
    again = evaluate_analysis(analysis, demo_model, LINES, FEW)
    assert again == evaluated
    other = evaluate_analysis(analysis, demo_model, LINES, replace(FEW, seed=1, n_noisy=0))
    assert other.rows[0].random != evaluated.rows[0].random
    found, expected = astuple(other.rows[0].order), astuple(evaluated.rows[0].order)
    assert found == pytest.approx(expected, rel=1e-6)  # other texts went through the model together
    assert other.rows[0].noise_correlation is None


def test_agreement_is_between_scores_of_the_sources(analysis: Analysis, evaluated: Evaluated) -> None:
    found = {method: explain_target(analysis, replace(LINES, method=method)) for method in METHODS}
    players = find_players(found[Method.GRAD_L2])
    assert list(evaluated.agreements) == [METHODS[:2], METHODS[::2], METHODS[1:]]
    for (one, other), correlation in evaluated.agreements.items():
        assert correlation == correlate_ranks(found[one].scores[players], found[other].scores[players])
    values = list(evaluated.agreements.values())[:2]  # grad_l2 is in both
    assert evaluated.rows[0].agreement == pytest.approx(sum(value or 0 for value in values) / 2)


def test_signs_of_the_loss_are_turned_and_what_is_no_log_probability_is_refused(
    demo_model: Model, analysis: Analysis
) -> None:
    signed = replace(analysis, maps={METHODS[1]: analysis.maps[METHODS[1]]})
    straight = evaluate_analysis(signed, demo_model, LINES, FEW).rows[0].order
    scores = signed.map_by()
    turned = replace(
        scores,
        objective=Objective.LOSS,
        span_scores={name: -rows for name, rows in scores.span_scores.items()},
    )
    options = replace(FEW, n_noisy=0)
    assert (
        evaluate_analysis(replace(signed, maps={METHODS[1]: turned}), demo_model, LINES, options).rows[0].order
        == straight
    )
    entropy = replace(signed, maps={METHODS[1]: replace(scores, objective=Objective.ENTROPY)})
    with pytest.raises(UsageError, match=r"expected scores of one of logprob, .* found entropy"):
        evaluate_analysis(entropy, demo_model, LINES, FEW)
    foil = replace(signed, foil=Foil(request="Avoid=>Eat", tokens=()))
    with pytest.raises(UsageError, match="found those of a difference from a foil"):
        evaluate_analysis(foil, demo_model, LINES, FEW)


def test_other_weights_and_prompts_without_sources_are_refused(demo_model: Model, analysis: Analysis) -> None:
    tokens = tuple(
        token if token.log_prob is None else replace(token, log_prob=token.log_prob - 3)
        for token in analysis.completion.tokens
    )
    foreign = replace(analysis, completion=replace(analysis.completion, tokens=tokens))
    with pytest.raises(ModelError, match=r"expected the log-probability .* name the model that made these results"):
        evaluate_analysis(foreign, demo_model, LINES, FEW)
    single = explain(demo_model, "Suggestion: Quiche", (Method.GRAD_L2,))
    with pytest.raises(UsageError, match="two or more sources before the target, found only one"):
        evaluate_analysis(single, demo_model, Question(by=Granularity.LINE), FEW)


# ---- noise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [None, "Recommendation"])
@pytest.mark.parametrize("method", METHODS[:2])
def test_without_noise_the_stored_scores_come_again(
    demo_model: Model, analysis: Analysis, method: Method, target: str | None
) -> None:
    question = replace(LINES, target=target, method=method)
    stored = explain_target(analysis, question)
    again = explain_target(recompute_with_noise(stored, demo_model, MethodOptions(), 1e-12, "a"), question)
    np.testing.assert_allclose(again.scores, stored.scores, rtol=2e-3, atol=1e-6)
    noisy = explain_target(recompute_with_noise(stored, demo_model, MethodOptions(), 0.05, "a"), question)
    other = explain_target(recompute_with_noise(stored, demo_model, MethodOptions(), 0.05, "b"), question)
    players = find_players(stored)
    assert np.abs(noisy.scores[players] / stored.scores[players] - 1).max() > 0.01
    assert not np.array_equal(noisy.scores, other.scores)


def test_scores_of_spans_alone_are_computed_alone(demo_model: Model) -> None:
    options = {"targets": Granularity.LINE, "stored": (Granularity.LINE,)}
    lines = explain(demo_model, methods=(Method.GRAD_L2,), **options)
    assert lines.map_by().scores is None
    row = evaluate_analysis(lines, demo_model, Question(by=Granularity.LINE), FEW).rows[0]
    assert row.noise_correlation is not None
    assert find_segmentation(lines, Granularity.LINE).bounds[-1] == row.target_stop


def test_noise_is_of_the_size_asked_for_and_leaves_special_tokens_alone() -> None:
    x = 3 * torch.randn(400, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    special = [place < 100 for place in range(401)]
    draw = start_noise(x, special, 0.01, "a")
    first, second = draw(), draw()
    assert not first[:100].any()
    assert first[100:].std().item() == pytest.approx(0.01 * x.std().item(), rel=0.03)
    assert not torch.equal(first, second)
    assert torch.equal(first, start_noise(x, special, 0.01, "a")())


# ---- passes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target_by", [Granularity.LINE, Granularity.TOKEN])
def test_as_many_passes_are_counted_as_planned(demo_model: Model, analysis: Analysis, target_by: Granularity) -> None:
    question = Question(by=Granularity.LINE, target="2", target_by=target_by)
    plan = plan_evaluation(analysis, question, FEW)
    found: list[tuple[int, int]] = []
    measure_plan(plan, demo_model, lambda done, total: found.append((done, total)))
    assert found[0] == (0, plan.n_passes)
    assert found[-1] == (plan.n_passes, plan.n_passes)
    assert [done for done, _ in found] == sorted(done for done, _ in found)
    assert len(found) > 5
    own = {Granularity.LINE: 2, Granularity.TOKEN: analysis.completion.n_targets}[target_by]
    assert plan.n_backwards == 2 * own  # of two gradient methods, once
