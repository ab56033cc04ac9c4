"""Which lines are found, by which way; what a solved prompt is, and what it hangs on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from promptlight.salience.benchmark import solved
from promptlight.salience.benchmark.causes import KnownCause
from promptlight.salience.benchmark.rates import Scope
from promptlight.salience.benchmark.recall import (
    CHANCE,
    NEAREST,
    find_chance_in_top,
    judge_lines,
    list_prompt_lines,
    measure_recall,
    score_lines,
)
from promptlight.salience.benchmark.solved import Attempt, ask_in_batches, build_case, write_without
from promptlight.salience.benchmark.tracking import Form, draw_prompts
from promptlight.salience.errors import UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.batches import complete
from promptlight.salience.text.spans import segment
from promptlight.salience.types import (
    Analysis,
    Completion,
    Explain,
    Granularity,
    Method,
    Prompt,
    SalienceMap,
    Way,
)
from tests.support.handmade import make_completion
from tests.support.tracking import answer_by_rule

if TYPE_CHECKING:
    from promptlight.salience import Model

METHODS = (Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.OCCLUSION)


@pytest.mark.parametrize("scores", [[3, 1, 2, 0], [1, 1, 1, 1], [2, 1, 1, 1], [0, 2, 2, 5], [1, 1, 0, 0]])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_equal_scores_share_the_places_at_random(scores: list[float], k: int) -> None:
    """Against all orders of the lines, of which a stable sort keeps that of equal ones."""
    for place in range(4):
        hits = [
            place in sorted(order, key=lambda number: -scores[number])[:k] for order in permutations(range(len(scores)))
        ]
        assert find_chance_in_top(np.array(scores, dtype=float), place, k) == pytest.approx(np.mean(hits))


@pytest.mark.parametrize(
    ("scores", "choices", "expected"),
    [  # causes: the value's line 3, then 5 and 6
        ([0, 9, 9, 8, 0, 7, 6, 0], [3, 4, 5, 6, 7], (1, 1, 0)),
        ([0, 9, 9, 8, 0, 7, 6, 0], range(8), (1 / 3, 0, 0)),
        ([0, 0, 0, 1, 5, 7, 6, 0], [3, 4, 5, 6, 7], (2 / 3, 0, 1)),
        ([0, 0, 0, 0, 0, 0, 0, 0], [3, 4, 5, 6, 7], (3 / 5, 1 / 5, 2 / 5)),
    ],
)
def test_lines_are_judged(scores: list[float], choices: Sequence[int], expected: tuple[float, float, float]) -> None:
    found = judge_lines(np.array(scores, dtype=float), list(choices), (3, 5, 6))
    assert (found.recall, found.value, found.hop) == pytest.approx(expected)


#                                      0        1      2      3      4              5    6     7     8
BY_HAND = make_completion(["<bos>", "one\n", "two\n", "six\n", "ask"], [" = ", "two", " = ", "9"])


def test_scores_go_by_the_way_that_is_asked() -> None:
    """The value 9 hangs on its own word "two" and on line 3; the own word hangs on line 2."""
    rows = np.zeros((4, 9), dtype=np.float32)
    rows[0, 4] = 1
    rows[1, 2] = 5
    rows[2, 4] = 1
    rows[3, [3, 6]] = 1, 3
    tokens = segment(BY_HAND, Granularity.TOKEN)
    method = Method.GRAD_L2
    analysis = Analysis(
        completion=BY_HAND,
        segmentations={Granularity.TOKEN: tokens},
        maps={method: SalienceMap(method=method, scores=rows, span_scores={})},
    )
    case = KnownCause(completion=BY_HAND, target=(8, 9), candidates=(1, 2, 3), causes=(3, 2))
    lines = segment(BY_HAND, Granularity.LINE)
    scores = {way: score_lines(analysis, case, lines, method, way)[:5].tolist() for way in Way}
    assert scores[Way.DIRECT] == [0, 0, 0, 1, 0]
    assert scores[Way.THROUGH] == pytest.approx([0, 0, 0.75, 0, 0])
    assert scores[Way.ALL] == pytest.approx([0, 0, 0.75, 0.25, 0])
    assert list_prompt_lines(BY_HAND, lines) == [1, 2, 3]


# ---- with a model, whose answers are given --------------------------------------------------------------------------


@pytest.fixture
def attempts(demo_model: Model, monkeypatch: pytest.MonkeyPatch) -> list[Attempt]:
    monkeypatch.setattr(solved, "complete", partial(answer_by_rule, all_right=False))
    batches = list(ask_in_batches(demo_model, Form(hops=2), 15))
    assert [len(batch) for batch in batches] == [solved.AT_ONCE, solved.AT_ONCE]
    return [attempt for batch in batches for attempt in batch]


def test_a_prompt_is_solved_if_the_answer_is_right_and_consistent_if_all_are(attempts: list[Attempt]) -> None:
    assert [attempt.is_solved for attempt in attempts[:6]] == [True, True, False, True, True, False]
    # of those that are asked about their other chain, each third is not answered
    assert [attempt.is_consistent for attempt in attempts[:6]] == [True, True, False, False, True, False]


def test_a_case_has_the_value_as_target_and_the_chain_as_causes(attempts: list[Attempt]) -> None:
    for attempt in attempts[:2]:
        case = build_case(attempt)
        tokens, (start, stop) = case.completion.tokens, case.target
        assert case.completion.text[tokens[start].start : tokens[stop - 1].stop].strip() == attempt.prompt.block.value
        shown = case.completion.text.split("\n")
        cut = segment(case.completion, Granularity.LINE).ranges()
        texts = [case.completion.text[tokens[cut[n][0]].start : tokens[cut[n][1] - 1].stop] for n in case.causes]
        assert [text.strip() for text in texts] == [shown[n - 1] for n in reversed(attempt.prompt.causes)]
        assert texts[0].strip().endswith(f"= {attempt.prompt.block.value}")
        assert set(case.causes) < set(case.candidates)


def test_each_method_is_measured_by_each_way_beside_exact_chance(demo_model: Model, attempts: list[Attempt]) -> None:
    cases = [build_case(attempt) for attempt in attempts[:2]]
    found = {(one.method, one.way, one.scope): one for one in measure_recall(demo_model, cases, METHODS)}
    n_lines = Form(hops=2).n_lines
    chance = found[CHANCE, None, Scope.CANDIDATES]
    assert (chance.recall, chance.value, chance.hop) == pytest.approx((3 / n_lines, 1 / n_lines, 2 / n_lines))
    n_shown = 3 * (n_lines + 1) - 1  # two examples with their questions
    assert found[CHANCE, None, Scope.PROMPT].recall == pytest.approx(3 / n_shown)
    nearest = (found[NEAREST, None, scope] for scope in (Scope.CANDIDATES, Scope.PROMPT))
    assert len({(one.recall, one.value, one.hop) for one in nearest}) == 1  # the block is nearest
    for method in METHODS:
        rows = {
            (way, scope): found[method.value, way, scope] for way in Way for scope in (Scope.CANDIDATES, Scope.PROMPT)
        }
        assert all(len(row.found) == 2 and 0 <= row.recall <= 1 for row in rows.values())
        assert rows[Way.DIRECT, Scope.CANDIDATES].recall >= rows[Way.DIRECT, Scope.PROMPT].recall


def test_an_answer_at_once_has_no_own_words(demo_model: Model) -> None:
    prompt = next(draw_prompts(Form(at_once=True)))
    given = Prompt(id="once", text=prompt.text, given_completion=prompt.answer)
    (completion,) = complete([given], demo_model, AnalysisOptions(explain=Explain.TARGET))
    assert isinstance(completion, Completion)
    found = measure_recall(demo_model, [build_case(Attempt(prompt=prompt, completion=completion))], METHODS[:1])
    assert {one.way for one in found} == {None, Way.DIRECT}


def test_a_model_that_follows_the_chain_changes_its_answer_without_a_line_of_it(
    demo_model: Model, attempts: list[Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solved, "complete", answer_by_rule)
    for attempt in attempts[:2]:
        chain = attempt.prompt.block.follow()
        changed = write_without(demo_model, attempt).changed
        assert [number in chain for number in range(len(changed))] == list(changed)


def test_a_model_that_solves_nothing_is_refused(demo_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solved, "MIN_DRAWN", 20)
    with pytest.raises(UsageError, match=r"follows variables over 1 hops?, found 0 solved of 20 prompts"):
        list(ask_in_batches(demo_model, Form(), 1))
