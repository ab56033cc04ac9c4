"""Span scores by hand arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.span_scores import (
    build_span_table,
    combine_targets,
    find_foil_text,
    find_segmentation,
    pool_sources,
    share,
    sum_up,
)
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import (
    Analysis,
    Completion,
    FloatArray,
    Foil,
    Granularity,
    Method,
    Pattern,
    Pooling,
    Prompt,
    Role,
    SalienceMap,
    Segmentation,
    Span,
    StopReason,
    Token,
)
from tests.support.handmade import make_analysis, make_completion

TOKEN, WORD, SENTENCE, LINE = Granularity.TOKEN, Granularity.WORD, Granularity.SENTENCE, Granularity.LINE

# place   0      1    2    3   | 4    5    6    7
# token   <bos>  ab   c    .d  | e    f    g    <eos>
# words   <bos>  abc       .d  | ef        g    <eos>
# lines   <bos>  abc.d         | efg            <eos>
PIECES = ["<bos>", "ab", "c", ".d", "e", "f", "g", "<eos>"]
BOUNDS = {TOKEN: (0, 1, 2, 3, 4, 5, 6, 7, 8), WORD: (0, 1, 3, 4, 6, 7, 8), LINE: (0, 1, 4, 7, 8)}
TOKEN_SCORES = [
    [9, 1, 2, 3, 0, 0, 0, 0],
    [8, 2, 0, 1, 5, 0, 0, 0],
    [7, 1, 1, 1, 2, 4, 0, 0],
    [6, 3, 3, 3, 3, 3, 3, 0],
]
WORD_SCORES = [  # ef, g, <eos>; smaller than the sums of the rows above, as norms of sums are
    [10, 2, 1, 3, 4, 0, 0, 0],
    [7, 1, 1, 1, 2, 4, 0, 0],
    [6, 3, 3, 3, 3, 3, 3, 0],
]


def build_analysis(
    scores: list[list[int]] | None = TOKEN_SCORES,
    spans: Mapping[Granularity, list[list[int]]] | None = None,
    n_targets: int = 4,
) -> Analysis:
    stops = [0, 2, 3, 5, 6, 7, 8, 8]
    tokens = tuple(
        Token(
            id=place,
            piece=piece,
            start=start,
            stop=stop,
            role=Role.SPECIAL if piece[0] == "<" else Role.PROMPT if place < 4 else Role.COMPLETION,
        )
        for place, (piece, start, stop) in enumerate(zip(PIECES, [0, *stops], stops, strict=False))
    )[: 4 + n_targets]
    completion = Completion(
        prompt=Prompt(id="1", text="abc.d"),
        tokens=tokens,
        n_prompt_tokens=4,
        text="abc.defg"[: tokens[-1].stop],
        prompt_stop=5,
        stop_reason=StopReason.END_OF_TEXT,
    )
    cuts = {
        by: Segmentation(granularity=by, bounds=tuple(b for b in bounds if b <= len(tokens)))
        for by, bounds in BOUNDS.items()
    }
    salience = SalienceMap(
        method=Method.GRAD_L2,
        scores=None if scores is None else as_array(scores, len(tokens)),
        span_scores={by: as_array(rows, len(tokens)) for by, rows in (spans or {}).items()},
    )
    return Analysis(completion=completion, segmentations=cuts, maps={Method.GRAD_L2: salience})


def combine(
    analysis: Analysis, targets: Sequence[Span], *, granularity: Granularity, sources: Granularity, **options: Any
) -> tuple[FloatArray, bool]:
    """``combine_targets`` of the only method, with an analysis's own cuts."""
    cuts = {"target_cut": find_segmentation(analysis, granularity), "source_cut": find_segmentation(analysis, sources)}
    return combine_targets(analysis.map_by(), analysis.completion, targets, **cuts, **options)


def as_array(rows: list[list[int]], n_columns: int = 8) -> FloatArray:
    return np.array(rows, dtype=np.float32).reshape(len(rows), n_columns)


def spans_of(analysis: Analysis, granularity: Granularity, *texts: str) -> list[Span]:
    spans = describe_spans(analysis.completion, analysis.segmentations[granularity])
    return [next(span for span in spans if span.text == text) for text in texts]


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (Pooling.SUM, [[1, 5, -4], [0, -1, 2]]),
        (Pooling.MEAN, [[1, 2.5, -2], [0, -0.5, 1]]),
        (Pooling.MAX, [[1, 3, -5], [0, -4, 2]]),
    ],
)
def test_pooling_over_the_tokens_of_a_source(pooling: Pooling, expected: list[list[float]]) -> None:
    scores = np.array([[1, 2, 3, -5, 1], [0, 3, -4, 2, 0]], dtype=np.float32)
    pooled = pool_sources(scores, Segmentation(granularity=WORD, bounds=(0, 1, 3, 5)), pooling)
    assert pooled.tolist() == expected
    assert pooled.dtype == np.float32


def test_sums_lose_no_digits() -> None:
    big = 2**24  # in float32, big + 1 is big
    scores = np.array([[0, big, 1, -big]], dtype=np.float32)
    assert pool_sources(scores, Segmentation(granularity=LINE, bounds=(0, 4))).tolist() == [[1]]
    analysis = build_analysis(scores=[[score, *[0] * 7] for score in (big, 1, -big, 0)])
    total, _ = combine(analysis, spans_of(analysis, TOKEN, "e", "f", "g"), granularity=TOKEN, sources=TOKEN)
    assert total.tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert build_span_table(analysis, targets=LINE, sources=TOKEN).scores[0, 0] == 1


@given(st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=4), min_size=1, max_size=6))
def test_sums_keep_the_whole(spans: list[list[int]]) -> None:
    bounds = (0, *accumulate(map(len, spans)))
    scores = np.array([[score for span in spans for score in span]], dtype=np.float32)
    pooled = pool_sources(np.vstack([scores, -scores]), Segmentation(granularity=WORD, bounds=bounds))
    assert pooled.tolist() == [[sum(span) for span in spans], [-sum(span) for span in spans]]


def test_token_rows_and_word_columns() -> None:
    table = build_span_table(build_analysis(), targets=TOKEN, sources=WORD)
    assert [span.text for span in table.targets] == ["e", "f", "g"]  # <eos> is no text
    assert [span.text for span in table.sources] == ["<bos>", "abc", ".d", "ef", "g", "<eos>"]
    assert table.scores.tolist() == [
        [9, 3, 3, 0, 0, 0],
        [8, 2, 1, 0, 0, 0],  # "ef" holds the target f: hidden, though e scores 5
        [7, 2, 1, 6, 0, 0],
    ]
    assert table.exact
    assert table.scores.dtype == np.float32


def test_stored_spans_are_used_as_they_are() -> None:
    table = build_span_table(build_analysis(spans={WORD: WORD_SCORES}), targets=WORD, sources=TOKEN)
    assert [span.text for span in table.targets] == ["ef", "g"]
    assert table.scores.tolist() == [[10, 2, 1, 3, 0, 0, 0, 0], [7, 1, 1, 1, 2, 4, 0, 0]]
    assert table.exact


def test_missing_spans_are_pooled_from_tokens_and_say_so() -> None:
    table = build_span_table(build_analysis(), targets=LINE, sources=LINE)
    assert [span.text for span in table.targets] == ["efg"]
    assert table.scores.tolist() == [[24, 12, 0, 0]]  # 9 + 8 + 7, and all of abc.d
    assert not table.exact


def test_pooling_of_sources_is_passed_on() -> None:
    table = build_span_table(build_analysis(), targets=TOKEN, sources=WORD, pooling=Pooling.MAX)
    assert table.scores[0].tolist() == [9, 2, 3, 0, 0, 0]
    scores, _ = combine(
        build_analysis(),
        spans_of(build_analysis(), TOKEN, "e"),
        granularity=TOKEN,
        sources=WORD,
        pooling=Pooling.MEAN,
    )
    assert scores.tolist() == [9, 1.5, 3, 0, 0, 0]


@pytest.mark.parametrize("granularity", [TOKEN, LINE])
def test_a_completion_without_text_has_no_rows(granularity: Granularity) -> None:
    table = build_span_table(build_analysis(scores=[], n_targets=0), targets=granularity, sources=WORD)
    assert table.targets == []
    assert table.scores.shape == (0, 3)


def test_one_chosen_span_has_its_stored_row() -> None:
    analysis = build_analysis(spans={WORD: WORD_SCORES})
    scores, exact = combine(analysis, spans_of(analysis, WORD, "ef"), granularity=WORD, sources=WORD)
    assert scores.tolist() == [10, 3, 3, 0, 0, 0]
    assert exact


def test_several_chosen_spans_add_up_token_rows() -> None:
    analysis = build_analysis(spans={WORD: WORD_SCORES})
    scores, exact = combine(analysis, spans_of(analysis, WORD, "ef", "g"), granularity=WORD, sources=TOKEN)
    assert scores.tolist() == [24, 4, 3, 5, 0, 0, 0, 0]
    assert not exact


def test_a_selection_scores_the_same_however_it_is_cut() -> None:
    analysis = build_analysis(spans={WORD: WORD_SCORES})
    by_word, _ = combine(analysis, spans_of(analysis, WORD, "ef", "g"), granularity=WORD, sources=LINE)
    by_token, _ = combine(analysis, spans_of(analysis, TOKEN, "e", "f", "g"), granularity=TOKEN, sources=LINE)
    assert by_word.tolist() == by_token.tolist() == [24, 12, 0, 0]


def test_sources_between_chosen_spans_keep_their_score() -> None:
    analysis = build_analysis()
    scores, exact = combine(analysis, spans_of(analysis, TOKEN, "e", "g"), granularity=TOKEN, sources=TOKEN)
    assert scores.tolist() == [16, 2, 3, 4, 0, 4, 0, 0]  # f scores for g; e is chosen, so it is hidden
    assert not exact


def test_without_token_rows_span_rows_add_up() -> None:
    analysis = build_analysis(scores=None, spans={WORD: WORD_SCORES})
    scores, exact = combine(analysis, spans_of(analysis, WORD, "ef", "g"), granularity=WORD, sources=WORD)
    assert scores.tolist() == [17, 5, 4, 0, 0, 0]
    assert not exact


def test_a_cut_that_was_not_stored_is_made_and_its_rows_are_added_up() -> None:
    analysis = build_analysis()
    for cut in (SENTENCE, Pattern("f")):
        table = build_span_table(analysis, targets=cut, sources=TOKEN)
        assert not table.exact
        for target, row in zip(table.targets, table.scores, strict=True):
            rows = [TOKEN_SCORES[at - analysis.completion.n_prompt_tokens] for at in range(target.start, target.stop)]
            sums = [sum(column) for column in zip(*rows, strict=True)]
            assert row.tolist() == [*sums[: target.start], *[0] * (len(sums) - target.start)]


def test_what_was_not_computed_is_named() -> None:
    with pytest.raises(UsageError, match="scores by line or token, found word"):
        build_span_table(build_analysis(scores=None, spans={WORD: WORD_SCORES}), targets=LINE, sources=WORD)


@pytest.mark.parametrize(
    ("scores", "visible", "expected"),
    [
        ([4, 1, 3], [True, True, True], [0.5, 0.125, 0.375]),
        ([96, 1, 3], [False, True, True], [0, 0.25, 0.75]),  # <bos> has no part
        ([-3, 1, 0], [True, True, True], [-0.75, 0.25, 0]),  # signed: parts of the sum of sizes
        ([0, 0], [True, True], [0, 0]),
        ([5, 0], [False, True], [0, 0]),
    ],
)
def test_shares(scores: list[float], visible: list[bool], expected: list[float]) -> None:
    shares = share(np.array(scores, dtype=np.float32), np.array(visible))
    assert shares.tolist() == expected
    assert shares.dtype == np.float32


# ---- several methods, foils and sums ---------------------------------------------------------------------------------


def explained_twice() -> Analysis:
    """Two methods on one completion of four tokens, the second one's with what its rows should add up to."""
    completion = make_completion(["<bos>", "▁Buy", "▁eggs", "\n"], ["▁oat", "s", "▁or", "▁rye"])
    one, other = (
        make_analysis(completion, method=method, seed=seed)
        for seed, method in enumerate((Method.GRAD_L2, Method.INTEGRATED_GRADIENTS))
    )
    found = other.map_by()
    assert found.scores is not None
    errors = {Granularity.TOKEN: found.scores.sum(axis=1) - 2, Granularity.WORD: np.array([9, 8, 7], np.float32)}
    summed = replace(found, completeness_error=errors)
    foil = Foil(request="x", tokens=(None, "se", "▁and", ""))
    maps = {Method.GRAD_L2: one.map_by(), Method.INTEGRATED_GRADIENTS: summed}
    return replace(one, maps=maps, foil=foil)


def test_a_method_is_chosen_by_name_and_the_first_is_taken_without_one() -> None:
    both = explained_twice()
    assert both.map_by() is both.map_by(Method.GRAD_L2) is both.maps[Method.GRAD_L2]
    assert both.map_by(Method.INTEGRATED_GRADIENTS) is both.maps[Method.INTEGRATED_GRADIENTS]
    with pytest.raises(UsageError, match="expected scores by shap, found grad_l2, integrated_gradients: run that"):
        both.map_by(Method.SHAP)
    table = build_span_table(both, targets=TOKEN, sources=TOKEN, method=Method.INTEGRATED_GRADIENTS)
    assert table.method is Method.INTEGRATED_GRADIENTS
    assert not np.array_equal(table.scores, build_span_table(both, targets=TOKEN, sources=TOKEN).scores)


def test_what_scores_add_up_to_is_said_where_it_is_known() -> None:
    both = explained_twice()
    tokens, words = both.segmentations[Granularity.TOKEN], both.segmentations[Granularity.WORD]
    targets = describe_spans(both.completion, tokens)[4:]
    assert sum_up(both.map_by(), both.completion, targets, tokens) is None
    salience = both.map_by(Method.INTEGRATED_GRADIENTS)
    assert salience.scores is not None
    found = sum_up(salience, both.completion, targets[1:3], tokens)
    assert found == pytest.approx((salience.scores[1:3].sum(), 4), rel=1e-5)
    rows = salience.span_scores[Granularity.WORD]
    found = sum_up(salience, both.completion, describe_spans(both.completion, words)[-2:], words)
    assert found == pytest.approx((rows[1:].sum(), rows[1:].sum() - 15), rel=1e-5)


def test_what_stands_against_a_target_is_its_tokens_foils() -> None:
    both = explained_twice()
    tokens = describe_spans(both.completion, both.segmentations[Granularity.TOKEN])
    assert find_foil_text(both, tokens[4:]) == ["se", "▁and"]
    assert find_foil_text(both, tokens[4:5]) == []
    assert find_foil_text(replace(both, foil=None), tokens[4:]) == []
