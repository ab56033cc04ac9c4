"""Two texts: nothing is lost between them, like goes with like, and shares move as arithmetic says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.io import find_result
from promptlight.salience import Analysis
from promptlight.salience.explain.comparison import (
    Change,
    align,
    compare_explanations,
    diff_words,
    find_moved,
    find_partner_target,
    pair_likest,
    summarize_comparison,
)
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Granularity
from tests.support.handmade import make_analysis, make_completion

PARTS = st.lists(st.sampled_from(["a b", "a c", "d", "e f g", ""]), max_size=8)


@given(before=PARTS, after=PARTS)
def test_each_part_stands_once_in_order_and_equal_texts_are_whole_partners(before: list[str], after: list[str]) -> None:
    pairs = align(before, after)
    for side, parts in enumerate((before, after)):
        assert [pair[side] for pair in pairs if pair[side] is not None] == list(range(len(parts)))
    assert (None, None) not in pairs
    assert align(before, before) == [(at, at) for at in range(len(before))]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["x", "You must try it"], ["x", "Be brief", "You may try it"], [(0, 0), (None, 1), (1, 2)]),
        (["You must try it", "x"], ["You may try it", "Be brief", "x"], [(0, 0), (None, 1), (1, 2)]),
        (["Try it."], ["Avoid"], [(0, 0)]),  # nothing in common: still the one in the other's place
        (["a", "b"], [], [(0, None), (1, None)]),
        ([], ["a"], [(None, 0)]),
        (["p q", "r s"], ["r t"], [(0, None), (1, 0)]),
    ],
)
def test_an_edited_part_finds_the_one_it_came_from(
    before: Sequence[str], after: Sequence[str], expected: list[tuple[int | None, int | None]]
) -> None:
    assert align(before, after) == expected


def test_huge_blocks_are_paired_in_time() -> None:
    before, after = [f"a{n}" for n in range(300)], [f"b{n}" for n in range(250)]
    pairs = list(pair_likest(before, after))
    assert pairs[:250] == [(at, at) for at in range(250)]
    assert pairs[250:] == [(at, None) for at in range(250, 300)]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (range(1), range(1)),  # "so" is the first there, too
        (range(1, 2), range(2, 3)),  # "try" has moved
        (range(2, 3), range(2, 3)),  # "it" is gone: what has its number
        (range(3, 4), range(2, 3)),  # no text and no number: the last
        (range(2), range(2)),
        (range(1, 4), range(1, 3)),
    ],
)
def test_a_target_finds_the_same_text_or_else_the_same_number(chosen: range, expected: range) -> None:
    question = Question(target_by=Granularity.WORD)
    first, second = (
        explain_target(make_analysis(make_completion(["▁a"], pieces)), question).targets
        for pieces in (["▁so", "▁try", "▁it", "▁now"], ["▁so", "▁do", "▁try"])
    )
    assert find_partner_target(chosen, first, second) == expected


@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_a_word_diff_holds_both_texts(before: str, after: str) -> None:
    pieces = diff_words(before, after)
    assert "".join(text for change, text in pieces if change is not Change.NEW) == before
    assert "".join(text for change, text in pieces if change is not Change.GONE) == after


def test_words_are_not_cut_in_a_diff() -> None:
    assert diff_words("you don't like.", "you can't eat.") == [
        (Change.SAME, "you "),
        (Change.GONE, "don't"),
        (Change.NEW, "can't"),
        (Change.SAME, " "),
        (Change.GONE, "like"),
        (Change.NEW, "eat"),
        (Change.SAME, "."),
    ]


def build(prompt: list[str], target: list[str], seed: int) -> Analysis:
    return make_analysis(make_completion(["<bos>", *prompt], target), seed=seed)


def test_shares_move_as_arithmetic_says() -> None:
    one = build(["a\n", "b", " c\n", "x\n"], ["y"], 1)
    two = build(["a\n", "b", " d\n", "new\n", "x\n"], ["y"], 2)
    question = Question(by=Granularity.LINE)
    before, after = explain_target(one, question), explain_target(two, question)
    paired = compare_explanations(before, after)
    assert [pair.change for pair in paired] == [Change.SAME, Change.EDITED, Change.NEW, Change.SAME, Change.SAME]
    *sources, target = paired
    assert (target.share_before, target.share_after, target.moved) == (None, None, 0.0)
    shares = [float(share) for share, visible in zip(before.shares, before.visible, strict=True) if visible]
    others = [float(share) for share, visible in zip(after.shares, after.visible, strict=True) if visible]
    expected = [others[0] - shares[0], others[1] - shares[1], others[2], others[3] - shares[2]]
    assert [pair.moved for pair in sources] == pytest.approx(expected)
    assert sum(expected) == pytest.approx(0, abs=1e-6)
    assert find_moved(paired) == pytest.approx(sum(map(abs, expected)) / 2)


def test_the_same_explanation_moves_nothing() -> None:
    explanation = explain_target(build(["a\n", "b\n"], ["y"], 3), Question())
    difference = summarize_comparison(explanation, explanation)
    assert (difference.same_completion, difference.moved, difference.most) == (True, 0.0, None)


def test_the_fixed_example_is_what_moves_most(demo_results: object) -> None:
    """The tutorial's story: the mistaken recommendation is edited, and the answer follows it."""
    mistake, fixed = (find_result(str(demo_results), id=name) for name in ("dish-mistake", "dish-fixed"))
    assert isinstance(mistake, Analysis)
    assert isinstance(fixed, Analysis)
    question = Question(by=Granularity.LINE, target="Recommendation")
    difference = summarize_comparison(explain_target(mistake, question), explain_target(fixed, question))
    assert not difference.same_completion
    assert difference.most
    assert difference.most.change is Change.EDITED
    assert difference.most.before
    assert difference.most.before.text == "Recommendation: You have to try it.\n\n"
    assert difference.most.moved > 0.1
