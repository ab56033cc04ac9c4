"""Summaries by hand arithmetic, and what is known exactly of a bootstrap."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.salience import statistics
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question, cut_targets, explain_target, find_targets
from promptlight.salience.explain.summary import Grouping, GroupQuestion, share_out, summarize_shares
from promptlight.salience.statistics import bootstrap_interval
from promptlight.salience.text.spans import segment
from promptlight.salience.types import Analysis, Granularity, Method, Pattern, Prompt, SalienceMap, Section, Way
from tests.support.handmade import make_analysis, make_completion

TEXT, LINE, SECTION, ROLE = Grouping.TEXT, Grouping.LINE, Grouping.SECTION, Grouping.ROLE

# place   0      1   2   3   4   5   | 6   7   8
# token   <bos>  a   b   ↵   c   ↵   | d   ↵   e
# lines   <bos>  a b↵        c↵      | d↵      e
# scores, of all visible sources: for line d 12 (its two rows together), for line e 10
FIRST = ["<bos>", "a", "▁b", "\n", "c", "\n"], ["d", "\n", "e"]
FIRST_SCORES = [[90, 1, 1, 0, 2, 0, 0, 0, 0], [10, 0, 0, 6, 1, 1, 8, 0, 0], [100, 1, 2, 1, 3, 0, 2, 1, 0]]

# place   0      1   2   3   4   | 5
# token   <bos>  c   ↵   c   ↵   | e
# lines   <bos>  c↵      c↵      | e
SECOND = ["<bos>", "c", "\n", "c", "\n"], ["e"]
SECOND_SCORES = [[50, 1, 0, 2, 1, 0]]


def build(
    id: str, pieces: tuple[list[str], list[str]], scores: Sequence[Sequence[float]], section: tuple[int, int] | None
) -> Analysis:
    text = "".join(pieces[0][1:]).replace("▁", " ")
    sections = (Section(name="first", start=section[0], stop=section[1]),) if section else ()
    completion = make_completion(*pieces, prompt=Prompt(id=id, text=text, sections=sections))
    return Analysis(
        completion=completion,
        segmentations={cut: segment(completion, cut) for cut in Granularity},
        maps={
            Method.GRAD_L2: SalienceMap(
                method=Method.GRAD_L2, scores=np.array(scores, dtype=np.float32), span_scores={}
            )
        },
    )


def both() -> list[Analysis]:
    return [build("one", FIRST, FIRST_SCORES, (0, 3)), build("two", SECOND, SECOND_SCORES, (2, 3))]


def group(
    name: str, n_prompts: int, share: float, interval: tuple[float, float] | None, n_top: int, *words: str
) -> dict[str, Any]:
    low, high = (None, None) if interval is None else map(pytest.approx, interval)
    return {
        "name": name,
        "n_prompts": n_prompts,
        "mean_share": pytest.approx(share),
        "share_low": low,
        "share_high": high,
        "n_top": n_top,
        "top_words": words,
    }


@pytest.mark.parametrize(
    ("grouping", "expected"),
    [
        (
            TEXT,  # of the first 4, 3 and 3 of 10; of the second both lines together
            [
                group("c", 2, 0.65, (0.3, 1), 1, "c"),
                group("a b", 1, 0.4, None, 1, "b", "a"),
                group("d", 1, 0.3, None, 0, "d"),
            ],
        ),
        (
            LINE,
            [
                group("2", 2, 0.525, (0.3, 0.75), 1, "c"),
                group("1", 2, 0.325, (0.25, 0.4), 1, "b", "c", "a"),
                group("(completion)", 1, 0.3, None, 0, "d"),
            ],
        ),
        (
            SECTION,
            [
                group("first", 2, 0.575, (0.4, 0.75), 2, "c", "b", "a"),
                group("(completion)", 1, 0.3, None, 0, "d"),
                group("(no section)", 2, 0.275, (0.25, 0.3), 0, "c"),
            ],
        ),
        (ROLE, [group("prompt", 2, 0.85, (0.7, 1), 2, "c", "b", "a"), group("completion", 1, 0.3, None, 0, "d")]),
    ],
)
def test_two_prompts_by_hand(grouping: Grouping, expected: list[dict[str, Any]]) -> None:
    found = summarize_shares(both(), GroupQuestion(group=grouping, target="e"))
    assert [asdict(one) for one in found.groups] == expected
    assert (found.n_prompts, found.n_skipped) == (2, 0)


def test_words_that_are_the_groups_are_not_listed_in_them() -> None:
    found = summarize_shares(both(), GroupQuestion(by=Granularity.WORD, target="e"))
    assert [(one.name, one.top_words) for one in found.groups] == [("c", ()), ("b", ()), ("d", ()), ("a", ())]
    assert [one.mean_share for one in found.groups] == pytest.approx([0.65, 0.3, 0.3, 0.1])
    in_lines = summarize_shares(both(), GroupQuestion(by=Granularity.WORD, group=LINE, target="e"))
    assert in_lines.groups[0].top_words == ("c",)


def test_prompts_without_the_target_are_left_out_and_what_follows_it_is_no_source() -> None:
    found = summarize_shares(both(), GroupQuestion(target="d"))
    assert (found.n_prompts, found.n_skipped) == (1, 1)
    assert [asdict(one) for one in found.groups] == [
        group("a b", 1, 2 / 3, None, 1, "b", "a"),
        group("c", 1, 1 / 3, None, 0, "c"),
    ]


def test_the_whole_completion_is_the_target_if_none_is_named() -> None:
    found = summarize_shares(both(), GroupQuestion())
    assert [one.name for one in found.groups] == ["c", "a b"]  # of the first 7 and 12 of 19
    assert [one.mean_share for one in found.groups] == pytest.approx([(7 / 19 + 1) / 2, 12 / 19])


def test_targets_are_cut_as_asked() -> None:
    question = GroupQuestion(by=Granularity.LINE, target="d", target_by=Granularity.TOKEN)  # its own row alone
    found = summarize_shares(both(), question)
    assert {one.name: one.mean_share for one in found.groups} == pytest.approx({"a b": 0.5, "c": 0.5})
    question = GroupQuestion(by=Pattern("c"), target="e", target_by=Granularity.TOKEN)
    found = summarize_shares(both(), question)  # the completion is one span, and e in it
    assert {one.name: one.mean_share for one in found.groups} == pytest.approx({"c": (3 / 7 + 1) / 2, "a b": 4 / 7})


def test_scores_that_are_all_zero_make_no_top() -> None:
    nothing = build("one", FIRST, np.zeros((3, 9)).tolist(), None)
    found = summarize_shares([nothing], GroupQuestion(target="e"))
    assert [(one.mean_share, one.n_top, one.top_words) for one in found.groups] == [(0, 0, ())] * 3


def test_a_source_that_pulls_down_counts_by_its_size() -> None:
    scores = [[0] * 9, [0] * 9, [0, -3, -2, 0, 2, 0, 1, 2, 0]]
    found = summarize_shares([build("one", FIRST, scores, None)], GroupQuestion(target="e"))
    assert [(one.name, one.mean_share, one.n_top) for one in found.groups] == [
        ("a b", pytest.approx(-0.5), 1),
        ("d", pytest.approx(0.3), 0),
        ("c", pytest.approx(0.2), 0),
    ]
    assert found.groups[0].top_words == ("a", "b")


def test_a_blank_source_has_a_name() -> None:
    analysis = build("one", (["<bos>", "\n", "▁", "a", "\n"], ["e"]), [[5, 3, 0, 1, 0, 0]], None)
    found = summarize_shares([analysis], GroupQuestion())
    assert [(one.name, one.mean_share) for one in found.groups] == [("(blank)", 0.75), ("a", 0.25)]


@pytest.mark.parametrize("grouping", Grouping)
@pytest.mark.parametrize("by", [Granularity.WORD, Granularity.LINE, Granularity.PARAGRAPH])
@given(seed=st.integers(0, 1000))
def test_groups_make_a_whole_and_their_words_make_them(grouping: Grouping, by: Granularity, seed: int) -> None:
    completion = make_completion(
        ["<bos>", "a", "b", "▁c", ",", "\n", "\n", "▁d", "e", "\n", "f"], ["▁g", "h", "\n", "i", "▁j", "<eos>"]
    )
    question = GroupQuestion(by=by, group=grouping, target="i", target_by=Granularity.TOKEN)
    analysis = make_analysis(completion, seed=seed)
    found = share_out(analysis, question, find_targets(analysis, question), cut_targets(analysis, question))
    assert sum(found.groups.values()) == pytest.approx(1)
    if question.has_words:
        for name, share in found.groups.items():
            assert sum(found.words[name].values()) == pytest.approx(share, abs=1e-6)


# ---- where there is no answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            "x",
            "expected prompts with the target, found none among 2 that were explained; one: target 'x': expected text",
        ),
        ("7", "one: target 7: expected a span from 1 to 2"),
        ("(", "as a pattern it fails"),
    ],
)
def test_a_target_that_no_prompt_has_is_refused_with_the_first_reason(target: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        summarize_shares(both(), GroupQuestion(target=target))
    assert says in str(refused.value)


@pytest.mark.parametrize("way", [Way.THROUGH, Way.ALL])
def test_means_by_way_are_parts_of_the_target(way: Way) -> None:
    analyses = [make_analysis(make_completion(["a b\n", "c\n"], ["d\n", "e"]), seed=seed) for seed in (0, 1)]
    question = GroupQuestion(target="-1", way=way, group=Grouping.LINE)
    found = {one.name: one for one in summarize_shares(analyses, question).groups}
    assert set(found) == {"1", "2"}  # what the model wrote is no source
    shares = [explain_target(one, Question(target="-1", way=way)).shares for one in analyses]
    for line, of_line in enumerate(np.array(shares)[:, :2].T, 1):
        assert found[str(line)].mean_share == pytest.approx(of_line.mean())
    assert sum(one.mean_share for one in found.values()) < 0.999 or way is Way.ALL


def test_prompts_that_can_not_be_followed_are_left_out_with_the_reason() -> None:
    followed = make_analysis(make_completion(["a\n", "b\n"], ["c\n", "d"]))
    not_followed = make_analysis(make_completion(["a\n", "b\n"], ["c\n", "d"]), with_tokens=False)
    found = summarize_shares([followed, not_followed], GroupQuestion(target="-1", way=Way.ALL))
    assert (found.n_prompts, found.n_skipped) == (1, 1)
    assert found.reason
    assert found.reason.startswith("by-hand: expected scores of every token that the model wrote before the target")
    with pytest.raises(UsageError, match="found none among 1 that were explained; by-hand: expected") as refused:
        summarize_shares([not_followed], GroupQuestion(target="-1", way=Way.ALL))
    assert "through_by" in refused.value.parameters


def test_without_prompts_there_is_nothing_to_summarize() -> None:
    with pytest.raises(UsageError, match=r"found none among 0 that were explained$"):
        summarize_shares([], GroupQuestion())


def test_sections_that_no_prompt_has_are_refused() -> None:
    without = [build("one", FIRST, FIRST_SCORES, None)]
    with pytest.raises(UsageError, match="expected prompts with sections, found none: give their records `sections`"):
        summarize_shares(without, GroupQuestion(group=SECTION, target="e"))


def test_missing_scores_are_no_missing_target() -> None:
    analysis = make_analysis(make_completion(["<bos>", "a"], ["b"]), exact=[Granularity.WORD], with_tokens=False)
    with pytest.raises(UsageError, match="expected scores by line or token, found word"):
        summarize_shares([analysis], GroupQuestion(target_by=Granularity.LINE))


def test_prompts_are_let_go_of() -> None:
    seen: list[weakref.ref[Analysis]] = []
    n_alive: list[int] = []

    def analyses() -> Iterator[Analysis]:
        for _ in range(10):
            one = build("one", FIRST, FIRST_SCORES, None)
            n_alive.append(sum(reference() is not None for reference in seen))
            seen.append(weakref.ref(one))
            yield one

    assert summarize_shares(analyses(), GroupQuestion()).n_prompts == 10
    assert max(n_alive) <= 2


# ---- the bootstrap --------------------------------------------------------------------------------------------------


def test_one_prompt_has_no_interval() -> None:
    assert bootstrap_interval([0.3]) is None


@pytest.mark.parametrize("n_values", [2, 7, 1000])
def test_equal_shares_have_an_interval_without_width(n_values: int) -> None:
    low, high = bootstrap_interval([0.1] * n_values) or (0, 1)
    assert low == high == pytest.approx(0.1)


@pytest.mark.parametrize("values", [[0.2, 0.9], [0.9, 0.2], [0.1, 0.2, 0.9]])
def test_few_shares_have_an_interval_from_the_smallest_to_the_largest(values: list[float]) -> None:
    """Of two, a quarter of all draws is one value alone; of three, a 27th: more than the fortieth that is cut off."""
    assert bootstrap_interval(values) == pytest.approx((min(values), max(values)))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
def test_the_mean_is_in_its_interval_and_that_is_among_the_values(values: list[float]) -> None:
    low, high = bootstrap_interval(values) or (1, -1)
    assert min(values) - 1e-12 <= low <= np.mean(values) + 1e-12
    assert np.mean(values) - 1e-12 <= high <= max(values) + 1e-12


def test_many_shares_have_the_interval_of_the_normal_distribution() -> None:
    values = np.random.default_rng(5).normal(0.3, 0.1, size=400)
    low, high = bootstrap_interval(values.tolist()) or (0, 0)
    error = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.1 * error)


def test_a_seed_draws_the_same_and_another_one_others() -> None:
    values = np.random.default_rng(5).normal(size=50).tolist()
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


@pytest.mark.parametrize("at_once", [1, 350])
def test_drawing_in_pieces_draws_the_same(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    values = np.random.default_rng(5).normal(size=50).tolist()
    expected = bootstrap_interval(values)
    monkeypatch.setattr(statistics, "N_DRAWN_AT_ONCE", at_once)
    assert bootstrap_interval(values) == expected
