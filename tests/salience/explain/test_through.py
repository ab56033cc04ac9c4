"""The chain through the model's own words: by matrix inverse, by listing every path, by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.explain.through import Through, find_doubt, trace_back
from promptlight.salience.explain.ways import FoundWay, find_ways
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import (
    Analysis,
    Completion,
    FloatArray,
    Foil,
    Granularity,
    Method,
    Objective,
    Pooling,
    Role,
    Segmentation,
    Token,
    Way,
)
from tests.support.handmade import make_analysis, make_completion

TOKEN, WORD, LINE = Granularity.TOKEN, Granularity.WORD, Granularity.LINE
PROMPT = ["<bos>", "One", " two", "\n", "Three", " four", "\n"]
WRITTEN = ["Five", " six", "\n", "Seven", " eight", "\n", "Nine", " ten"]


def make(method: Method = Method.GRAD_L2, seed: int = 0, **changes: object) -> Analysis:
    """Two lines read, three lines written."""
    return make_analysis(make_completion(PROMPT, WRITTEN), method=method, seed=seed, **changes)  # pyright: ignore


def ask(analysis: Analysis, way: Way = Way.ALL, **question: object) -> Explanation:
    """Explain the last line, unless another target is asked about."""
    return explain_target(analysis, Question(**{"target": "-1", "way": way} | question))  # pyright: ignore


def trace(analysis: Analysis, way: Way = Way.ALL, **question: object) -> Through:
    """The parts of all ways."""
    through = ask(analysis, way, **question).through
    assert through
    return through


def read_shares(analysis: Analysis, method: Method = Method.GRAD_L2) -> tuple[FloatArray, FloatArray]:
    """The oracle's rows: shares [8, 15] of every token that was written, without <bos>."""
    scores = analysis.maps[method].scores
    assert scores is not None
    raised = np.maximum(scores.astype(np.float64), 0)
    raised[:, 0] = 0
    return raised / np.maximum(raised.sum(axis=1, keepdims=True), 1e-30), scores


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), method=st.sampled_from([Method.GRAD_L2, Method.GRAD_DOT_INPUT]))
def test_totals_are_those_of_the_matrix_inverse(seed: int, method: Method) -> None:
    analysis = make(method, seed)
    links, _ = read_shares(analysis, method)
    among, to_prompt = links[:6, 7:13], links[:6, :7]
    row = np.maximum(analysis.maps[method].span_scores[LINE][-1].astype(np.float64), 0)
    row[0] = row[13:] = 0  # <bos>, and the target itself
    row /= max(row.sum(), 1e-30)

    expected = row[:7] + row[7:13] @ np.linalg.inv(np.eye(6) - among) @ to_prompt

    found = ask(analysis, by=TOKEN, method=method)
    assert found.scores[1:7] == pytest.approx(expected[1:], abs=1e-6)
    assert trace(analysis, by=TOKEN, method=method).direct[1:13] == pytest.approx(row[1:13], abs=1e-6)
    lost = 0.0 if links[:6].any(axis=1).all() else row.sum() - expected[1:].sum()
    assert trace(analysis, by=TOKEN, method=method).stuck == pytest.approx(lost, abs=1e-6)
    through = ask(analysis, Way.THROUGH, by=TOKEN, method=method)
    assert through.scores[1:7] == pytest.approx(expected[1:] - row[1:7], abs=1e-6)
    assert through.shares[1:7].sum() == pytest.approx(row[7:13].sum() - lost, abs=1e-5)


def list_paths(links: FloatArray, row: FloatArray) -> Iterator[tuple[list[int], float]]:
    """Every path back from the target, through any own words, to a token of the prompt, and its product of shares."""
    waiting = [([place], float(row[place])) for place in range(13)]
    while waiting:
        path, product = waiting.pop()
        if path[-1] < 7:
            yield path, product
        else:
            own = links[path[-1] - 7]
            waiting += [([*path, place], product * float(own[place])) for place in range(1, path[-1])]


def test_ways_are_the_strongest_sums_of_paths() -> None:
    analysis = make(seed=3)
    links, _ = read_shares(analysis)
    row = analysis.maps[Method.GRAD_L2].span_scores[LINE][-1].astype(np.float64)
    row[0] = row[13:] = 0
    found = ask(analysis)
    lines = {place: span.number for span in found.spans for place in range(span.start, span.stop)}
    sums: dict[tuple[int, ...], float] = {}
    for path, product in list_paths(links, row / row.sum()):
        passed = tuple(dict.fromkeys(lines[place] for place in reversed(path)))
        sums[passed] = sums.get(passed, 0.0) + product

    expected = sorted(((share, passed) for passed, share in sums.items() if len(passed) > 1), reverse=True)

    def spell(way: FoundWay) -> tuple[int, ...]:
        return (way.source.number, *(station.span.number for station in way.stations))

    ways = find_ways(found, 100)
    assert [spell(way) for way in ways] == [passed for _, passed in expected]
    assert [way.share for way in ways] == pytest.approx([share for share, _ in expected])
    assert [spell(way) for way in find_ways(found, 2)] == [passed for _, passed in expected[:2]]
    assert sum(way.share for way in ways) == pytest.approx(trace(analysis).own)


def test_what_passes_several_words_of_a_line_counts_once() -> None:
    analysis = make(seed=3)
    links, _ = read_shares(analysis)
    row = analysis.maps[Method.GRAD_L2].span_scores[LINE][-1].astype(np.float64)
    row[0] = row[13:] = 0
    found = ask(analysis)
    for number in (3, 4):  # the two lines before the target: the share of all paths that touch them
        inside = range(found.spans[number].start, found.spans[number].stop)
        touching = (product for path, product in list_paths(links, row / row.sum()) if set(path) & set(inside))
        assert trace(analysis).total[number] == pytest.approx(sum(touching))


def test_a_way_names_the_word_that_hands_most_on() -> None:
    completion = make_completion(["a\n", "b\n"], ["Say", " c", " d", "\n", "e"])
    scores = np.zeros((5, 7), dtype=np.float32)
    scores[0, :2] = 1, 1  # "Say" rests on both lines
    scores[1, :3] = 0, 8, 2  # " c" on line b
    scores[2, :4] = 0, 1, 0, 9  # " d" on " c"
    scores[3, 4] = 1
    scores[4, :5] = 1, 0, 1, 2, 6  # "e" mostly on " d"
    found = ask(_with_scores(completion, scores))
    way = find_ways(found)[0]
    assert (way.source.text, [(one.span.text, one.word) for one in way.stations]) == ("b\n", [("Say c d\n", "c")])
    #   b <- c <- e: 0.2 * 0.8;  b <- d <- e: 0.6 * 0.1;  b <- c <- d <- e: 0.6 * 0.9 * 0.8
    #   b <- Say <- e: 0.1 * 0.5; b <- Say <- c <- e: 0.2 * 0.2 * 0.5; b <- Say <- c <- d <- e: 0.6 * 0.9 * 0.2 * 0.5
    assert way.share == pytest.approx(0.16 + 0.06 + 0.432 + 0.05 + 0.02 + 0.054)


def _with_scores(completion: Completion, scores: FloatArray, method: Method = Method.GRAD_L2) -> Analysis:
    analysis = make_analysis(completion, exact=())
    (salience,) = analysis.maps.values()
    return replace(analysis, maps={method: replace(salience, method=method, scores=scores, span_scores={})})


def test_uniform_rows_leave_the_prompt_uniform() -> None:
    completion = make_completion(PROMPT, WRITTEN)
    scores = np.tril(np.ones((8, 15), dtype=np.float32), 6)
    found = ask(_with_scores(completion, scores), by=TOKEN)
    assert found.scores[1:7] == pytest.approx(np.full(6, 1 / 6))


@pytest.mark.parametrize("target", ["-1", "ten"])
def test_the_prompt_gets_the_same_however_sources_are_cut(target: str) -> None:
    target_by = WORD if target == "ten" else LINE
    by_token = ask(make(), by=TOKEN, target=target, target_by=target_by)
    assert by_token.through
    cuts = (WORD, LINE, Granularity.PARAGRAPH, Granularity.SECTION)
    for found in [
        ask(make(), by=by, target=target, target_by=target_by) for by in cuts
    ]:  # two of them make all that was written one source
        for span in found.spans:
            if found.visible[span.number]:
                assert found.scores[span.number] == pytest.approx(by_token.scores[span.start : span.stop].sum())
        assert found.through
        assert found.through.own == pytest.approx(by_token.through.own)


def test_links_of_larger_units_stay_outside_the_unit() -> None:
    analysis = make(seed=5)
    rows = analysis.maps[Method.GRAD_L2].span_scores[LINE].astype(np.float64)
    rows[:, 0] = 0
    rows[0, 7:] = rows[1, 10:] = rows[2, 13:] = 0  # within the unit
    rows /= rows.sum(axis=1, keepdims=True)
    second = rows[2, 10:13].sum()
    first = rows[2, 7:10].sum() + second * rows[1, 7:10].sum()

    expected = rows[2] + second * rows[1] + first * rows[0]

    found = ask(analysis, by=TOKEN, through_by=LINE)
    assert found.scores[1:7] == pytest.approx(expected[1:7], abs=1e-6)


def test_a_unit_that_reaches_into_the_target_is_cut_into_tokens() -> None:
    found = trace(make(), target="ten", target_by=WORD, by=WORD, through_by=LINE)
    assert [word.text for word in found.chain.words] == ["Five six\n", "Seven eight\n", "Nine"]


def test_a_word_without_positive_scores_keeps_its_share() -> None:
    arrived, flow = trace_back(
        np.array([0.5, 0.0, 0.5]), np.array([[0.0, 0.0, 0.0], [0.25, 0.75, 0.0]]), [(1, 2), (2, 3)]
    )
    assert arrived.tolist() == [0.625, 0.375, 0.0]
    assert flow.tolist() == [0.375, 0.5]


def test_own_words_count_by_doubt_where_spans_were_taken_away() -> None:
    completion = make_completion(["a\n", "b\n"], ["c", "d\n", "e"])
    tokens = (*completion.tokens[:2], *map(with_probability, completion.tokens[2:], (0.9375, 0.9999, 0.5)))
    completion = replace(completion, tokens=tokens)
    scores = np.array([[1, 3, 0, 0, 0], [2, 1, 4, 0, 0], [1, 1, 2, 4, 0]], dtype=np.float32)
    # doubt: c (1 - 0.9375)^(1/4) = 0.5, so that d's sources are 2, 1 and 4 x 0.5; the target's row stays
    through_c, through_d = 2 / 8 + 4 / 8 * 2 / 5, 4 / 8
    expected = 1 / 8 + through_c * 1 / 4 + through_d * 2 / 5
    analysis = _with_scores(completion, scores, Method.OCCLUSION)
    assert ask(analysis).scores[0] == pytest.approx(expected)
    plain = 1 / 8 + (2 / 8 + 4 / 8 * 4 / 7) * 1 / 4 + 4 / 8 * 2 / 7
    assert ask(_with_scores(completion, scores)).scores[0] == pytest.approx(plain)


def with_probability(token: Token, probability: float) -> Token:
    return replace(token, log_prob=math.log(probability))


def test_the_doubt_of_a_word_is_that_of_all_its_tokens() -> None:
    completion = make_completion(["a", "b"], ["c", "d", " e", "f"])
    tokens = (*completion.tokens[:2], *map(with_probability, completion.tokens[2:], (0.75, 0.5, 1.0, 1.0)))
    completion = replace(completion, tokens=(*tokens[:5], replace(tokens[5], log_prob=None)))
    words = describe_spans(completion, Segmentation(granularity=WORD, bounds=(0, 2, 4, 5, 6)))
    expected = [1.0, 1.0, 0.625**0.25, 0.625**0.25, 0.01, 1.0]
    assert find_doubt(completion, words[1:]).tolist() == pytest.approx(expected)


def test_the_objective_loss_is_turned_round() -> None:
    analysis = make(Method.GRAD_DOT_INPUT)
    (salience,) = analysis.maps.values()
    assert salience.scores is not None
    turned = replace(
        salience,
        objective=Objective.LOSS,
        scores=-salience.scores,
        span_scores={name: -scores for name, scores in salience.span_scores.items()},
    )
    lost = replace(analysis, maps={salience.method: turned})
    assert ask(lost).scores == pytest.approx(ask(analysis).scores)


def test_the_share_that_was_clipped() -> None:
    completion = make_completion(["a\n", "b\n"], ["c\n", "d"])
    scores = np.array([[3, -1, 0, 0], [-2, 2, 4, 0]], dtype=np.float32)
    analysis = make_analysis(completion, method=Method.GRAD_DOT_INPUT, exact=())
    (salience,) = analysis.maps.values()
    analysis = replace(analysis, maps={salience.method: replace(salience, scores=scores, span_scores={})})
    assert trace(analysis).own == pytest.approx(4 / 6)
    assert trace(analysis).chain.clipped == pytest.approx((2 / 8 + 4 / 6 * 1 / 4) / (1 + 4 / 6))
    assert trace(make()).chain.clipped == 0


@pytest.mark.parametrize("way", [Way.ALL, Way.THROUGH])
def test_only_the_prompt_is_visible(way: Way) -> None:
    found = ask(make(), way)
    assert [span.role is Role.PROMPT for span in found.spans] == found.visible.tolist()
    assert not found.shares[~found.visible].any()


def test_direct_is_as_before() -> None:
    found = ask(make(), Way.DIRECT)
    assert found.through is None
    assert find_ways(found) == []
    assert trace(make()).direct[found.visible] == pytest.approx(found.shares[found.visible], abs=1e-6)


def test_a_target_that_nothing_of_the_model_comes_before() -> None:
    with pytest.raises(UsageError, match="a target with words of the model before it, found 'Five six'"):
        ask(make(), Way.THROUGH, target="1")
    first = ask(make(), target="1")
    assert first.scores[first.visible].sum() == pytest.approx(1, abs=1e-6)
    assert find_ways(first) == []


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(UsageError, match="only sums"):
        ask(make(), pooling=Pooling.MAX)
    with pytest.raises(UsageError, match=r"every token that the model wrote before the target, found those of .*line"):
        ask(make(with_tokens=False))
    assert ask(make(with_tokens=False), through_by=LINE).through
    entropy = make(Method.GRAD_DOT_INPUT)
    (salience,) = entropy.maps.values()
    with pytest.raises(UsageError, match="those of its entropy"):
        ask(replace(entropy, maps={salience.method: replace(salience, objective=Objective.ENTROPY)}))
    foil = Foil(request="ten=>two", tokens=(None,) * 7 + (" two",))
    with pytest.raises(UsageError, match="contrasted with a foil"):
        ask(replace(make(), foil=foil))
    assert ask(replace(make(), foil=Foil(request="auto", tokens=("x",) * 8))).through
