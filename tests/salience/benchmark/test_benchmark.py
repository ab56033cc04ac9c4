"""Known causes are causes, and hit rates count what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from promptlight.salience.ablation.maps import cut_sources
from promptlight.salience.benchmark.causes import (
    TWO_CAUSES,
    KnownCause,
    answer_all,
    find_known_causes,
    has_twin,
    read_recommendation,
)
from promptlight.salience.benchmark.line_scores import (
    OWN_WORDS,
    explain_case,
    isolate,
    read_target_row,
    score_lines,
)
from promptlight.salience.benchmark.rates import CHANCE, LAST, Scope, Verdict, find_scopes, judge, measure
from promptlight.salience.errors import UsageError
from promptlight.salience.loading.load import load_model
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import Benchmark, Completion, Granularity, Method, Objective, Span, Way
from tests.support.handmade import make_completion

if TYPE_CHECKING:
    from promptlight.salience import Model

N = 6
DEMO_BENCHMARKS = [benchmark for benchmark in Benchmark if benchmark is not Benchmark.TRACKING]


@pytest.fixture(scope="module", params=DEMO_BENCHMARKS)
def found(request: pytest.FixtureRequest, demo_model: Model) -> tuple[Benchmark, list[KnownCause]]:
    return request.param, list(find_known_causes(demo_model, request.param, N, seed=3))


def lines_of(case: KnownCause) -> list[Span]:
    return describe_spans(case.completion, segment(case.completion, Granularity.LINE))


def test_a_case_is_the_whole_recommendation_and_lines_before_it(found: tuple[Benchmark, list[KnownCause]]) -> None:
    benchmark, cases = found
    assert len(cases) == N
    for case in cases:
        tokens, (start, stop) = case.completion.tokens, case.target
        text = case.completion.text[tokens[start].start : tokens[stop - 1].stop]
        assert text.strip() == read_recommendation(case.completion)
        assert set(case.causes) <= set(case.candidates)
        assert len(case.causes) == (2 if benchmark in TWO_CAUSES else 1)
        for number in case.candidates:
            shown = lines_of(case)[number].text
            assert shown.startswith(("Recommendation: ", "Taste-dislikes: ", "Suggestion: ", "* "))
            assert lines_of(case)[number].stop <= case.completion.n_prompt_tokens


def test_cases_are_what_their_benchmark_says(found: tuple[Benchmark, list[KnownCause]]) -> None:
    benchmark, cases = found
    for case in cases:
        causes = [lines_of(case)[number].text.strip() for number in case.causes]
        answer = read_recommendation(case.completion)
        if benchmark in (Benchmark.RECOMMENDATIONS, Benchmark.TWINS):
            assert causes == [f"Recommendation: {answer}"]
            assert has_twin(case) == (benchmark is Benchmark.TWINS)
        if benchmark is Benchmark.PRINCIPLES:
            assert answer == "Not suitable for you."
            assert causes[0].startswith("* ")
            assert causes[1].startswith("Taste-dislikes: Can't eat")
        if benchmark is Benchmark.HOPS:
            assert [cause.split(" ")[0] for cause in causes] == ["Taste-dislikes:", "Suggestion:"]


def test_editing_the_cause_changes_the_answer(demo_model: Model) -> None:
    """By replacing the line in the text itself, not through the generator that made it."""
    for case in find_known_causes(demo_model, Benchmark.RECOMMENDATIONS, N, seed=4):
        prompt, lines = case.completion.prompt.text, lines_of(case)
        given = read_recommendation(case.completion)
        for number in case.candidates:
            line = lines[number]
            start = case.completion.tokens[line.start].start
            changed = prompt[:start] + "Recommendation: Ask the cook." + prompt[start + len(line.text.rstrip()) :]
            (answer,) = answer_all(demo_model, [changed])
            assert (read_recommendation(answer) != given) == (number in case.causes)


def test_the_same_seed_gives_the_same_cases(demo_model: Model) -> None:
    first, again, other = (
        [case.completion.text for case in find_known_causes(demo_model, Benchmark.HOPS, 3, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_model_that_knows_nothing_of_it_is_refused(tiny_preset: Path) -> None:
    random_model = load_model(str(tiny_preset), device="cpu")
    with pytest.raises(UsageError, match=r"expected a model that (answers|reads) the demo's prompts"):
        list(find_known_causes(random_model, Benchmark.HOPS, 1))


#                                      0        1       2       3         4     5      6
HANDMADE = make_completion(["<bos>", "one\n", "two\n", "three"], ["\n", "four\n", "five"])
CASE = KnownCause(completion=HANDMADE, target=(6, 7), candidates=(1, 2, 3), causes=(2,))


def test_lines_to_choose_from_lie_before_the_target() -> None:
    scopes = find_scopes(CASE, lines_of(CASE))
    assert scopes[Scope.CANDIDATES] == [1, 2, 3]
    assert [HANDMADE.tokens[lines_of(CASE)[n].start].piece for n in scopes[Scope.PROMPT]] == ["one\n", "two\n", "three"]
    assert set(scopes[Scope.ALL]) > set(scopes[Scope.PROMPT])
    assert all(lines_of(CASE)[n].stop <= 6 for n in scopes[Scope.ALL])


@pytest.mark.parametrize(
    ("causes", "scores", "expected"),
    [
        ((2,), [0.1, 0.5, 0.2], (1.0, 1.0, 0.0)),
        ((2,), [0.6, 0.5, 0.2], (0.0, 0.0, 0.0)),
        ((1, 2), [0.6, 0.5, 0.2], (1.0, 1.0, 1.0)),
        ((1, 2), [0.5, 0.6, 0.2], (1.0, 0.0, 1.0)),
        ((1, 3), [0.6, 0.5, 0.2], (1.0, 1.0, 0.0)),
        ((2, 3), [0.6, 0.5, 0.2], (0.0, 0.0, 0.0)),
    ],
)
def test_the_top_line_is_judged(
    causes: tuple[int, ...], scores: list[float], expected: tuple[float, float, float]
) -> None:
    case = KnownCause(completion=HANDMADE, target=(6, 7), candidates=(1, 2, 3), causes=causes)
    hits, first, both = expected
    assert judge(case, [1, 2, 3], scores) == Verdict(hits=hits, first=first, both=both)


def test_the_target_is_a_span_of_its_own() -> None:
    assert isolate(HANDMADE, (5, 6)).bounds == (0, 4, 5, 6, 7)
    assert isolate(HANDMADE, (4, 7)).bounds == (0, 4, 7)


def test_scores_of_the_target_are_those_of_its_tokens_where_that_is_a_sum(demo_model: Model) -> None:
    """Gradient times input is linear: the whole target's row is the sum of its tokens' rows."""
    from promptlight.salience.gradients.compute import compute_salience

    (case,) = find_known_causes(demo_model, Benchmark.RECOMMENDATIONS, 1, seed=9)
    method = Method.GRAD_DOT_INPUT
    options = MethodOptions()
    row, again = (
        read_target_row(explained.maps[method], case)
        for explained in (
            explain_case(demo_model.decoder, case, [method], Objective.LOGPROB, options, own_words=own_words)
            for own_words in (False, True)
        )
    )
    np.testing.assert_allclose(row, again, atol=1e-5 * np.abs(row).max())
    completion, (start, stop) = case.completion, case.target
    result = compute_salience(demo_model.decoder, completion.ids, completion.n_prompt_tokens, {}, methods=(method,))
    tokens = result.maps[method].scores
    assert tokens is not None
    first = completion.n_prompt_tokens
    expected = tokens[start - first : stop - first].sum(axis=0)
    np.testing.assert_allclose(row, expected, atol=1e-4 * np.abs(expected).max())


def test_rates_have_baselines_and_the_gradient_finds_the_copied_line(demo_model: Model) -> None:
    cases = list(find_known_causes(demo_model, Benchmark.RECOMMENDATIONS, 12, seed=5))
    rates = {
        (rate.method, rate.pooling, rate.scope): rate
        for rate in measure(demo_model.decoder, cases, [Method.GRAD_L2], [Objective.LOGPROB])
        if rate.way in ("", Way.DIRECT)
    }
    assert all(rate.n == 12 for rate in rates.values())
    chance = rates[CHANCE, "", Scope.CANDIDATES]
    assert chance.rate == pytest.approx(np.mean([1 / len(case.candidates) for case in cases]))
    last = rates[LAST, "", Scope.CANDIDATES]
    assert last.hits == sum(case.causes[0] == max(case.candidates) for case in cases)
    gradient = rates["grad_l2", "sum", Scope.CANDIDATES]
    assert gradient.rate >= 0.9
    low, high = gradient.interval
    assert low < gradient.rate <= high


def test_own_words_are_removed_one_by_one_and_the_prompt_by_line() -> None:
    def cut(completion: Completion) -> tuple[int, ...]:
        return cut_sources(completion, {}, Method.OCCLUSION, replace(MethodOptions(), **OWN_WORDS)).bounds

    assert cut(HANDMADE) == (0, 1, 2, 3, 4, 5, 6, 7)
    two_lines = make_completion(["<bos>", "one", " two\n", "three"], [" four", " five\n"])
    assert cut(two_lines) == (0, 1, 3, 4, 5, 6)


def test_the_causes_of_the_analysis_are_found_through_it_and_not_directly(demo_model: Model) -> None:
    cases = list(find_known_causes(demo_model, Benchmark.HOPS, N, seed=5))
    found = {
        (rate.method, rate.way, rate.by_doubt): rate
        for rate in measure(demo_model.decoder, cases, [Method.GRAD_L2, Method.OCCLUSION], [Objective.LOGPROB])
        if rate.scope is Scope.PROMPT and rate.pooling in ("", "sum") and rate.unit in ("", "token")
    }
    assert found["grad_l2", Way.DIRECT, False].hits == 0
    assert found["grad_l2", Way.THROUGH, False].rate >= 0.8
    assert found["occlusion", Way.THROUGH, True].rate >= 0.8
    chance = found[CHANCE, "", False]
    n_lines = [len(find_scopes(case, lines_of(case))[Scope.PROMPT]) for case in cases]
    assert chance.hits == pytest.approx(sum(2 / n for n in n_lines))
    assert chance.first == pytest.approx(sum(1 / n for n in n_lines))
    assert chance.both == pytest.approx(sum(2 / (n * (n - 1)) for n in n_lines))


def test_what_comes_through_and_directly_adds_up_to_all_of_it(demo_model: Model) -> None:
    (case,) = find_known_causes(demo_model, Benchmark.HOPS, 1, seed=9)
    prompt = find_scopes(case, lines_of(case))[Scope.PROMPT]
    methods, options = [Method.GRAD_L2, Method.OCCLUSION], MethodOptions()
    scores = dict(score_lines(demo_model.decoder, case, methods, Objective.LOGPROB, list(Way), options))
    for rule, through in scores.items():
        if rule.way != Way.THROUGH or rule.pooling not in ("", "sum"):
            continue
        total = scores[replace(rule, way=Way.ALL.value)]
        assert (through[prompt] >= -1e-6).all()
        assert (total[prompt] >= through[prompt] - 1e-6).all()
        assert 0 < through[prompt].sum() < total[prompt].sum() <= 1 + 1e-5
