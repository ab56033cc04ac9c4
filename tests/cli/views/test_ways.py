"""What ``show`` says of a target that is followed back through the model's own words."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from promptlight.cli.views.heatmap import render_heatmap, render_matrix_view
from promptlight.cli.views.palette import Look
from promptlight.cli.views.ways import list_own_parts, list_sources, name_part, spell_part
from promptlight.io import read_results
from promptlight.salience import Analysis
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.types import Granularity, Method, Role, Way
from tests.support.handmade import make_analysis, make_completion

PROMPT = ["<bos>", "Likes:", " sweets", "\n", "Hates:", " eggs", "\n"]
WRITTEN = ["Analysis:", " it has eggs", "\n", "So it is.", "\n", "Recommendation:", " Avoid."]


def make(method: Method = Method.GRAD_L2, scores: np.ndarray | None = None) -> Analysis:
    """Two lines read, three lines written; the last rests on the two before it, and they on line 2."""
    analysis = make_analysis(make_completion(PROMPT, WRITTEN), method=method, exact=())
    if scores is None:
        scores = np.tril(np.ones((7, 14), dtype=np.float32), 6)
        scores[:3, 5] += 9  # "eggs", for the analysis
        scores[5:, 8] += 30  # and its "it has eggs" for the recommendation
    return replace(analysis, maps={method: replace(analysis.maps[method], scores=scores, span_scores={})})


def ask(analysis: Analysis, way: Way = Way.ALL, by: Granularity = Granularity.LINE, **more: object) -> Explanation:
    return explain_target(analysis, Question(**{"target": "-1", "by": by, "way": way} | more))  # pyright: ignore


def draw(explanation: Explanation, width: int = 80, color_system: str | None = None, *, matrix: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, color_system=color_system, force_terminal=True)  # pyright: ignore
    render = render_matrix_view if matrix else render_heatmap
    console.print(render(explanation, console, Look(color_system=color_system, by=explanation.by)))
    return console.file.getvalue()  # pyright: ignore


def test_three_columns_tell_the_ways_apart() -> None:
    explanation = ask(make())
    through = explanation.through
    assert through
    rows = draw(explanation).splitlines()
    (heading,) = (number for number, row in enumerate(rows) if row.startswith("line  direct  own words  in all"))
    strongest = explanation.strongest(1)[0].number
    assert rows[heading].endswith("strongest lines in all")
    assert rows[heading + 1].split()[:4] == [
        "2",
        *(f"{parts[strongest]:.1%}" for parts in (through.direct, through.through, through.total)),
    ]
    assert "shown: what it comes from in all" in rows[3]
    assert f"{through.own:.1%} of its scores lie on the model's own words" in draw(explanation)
    assert "the written words are held fixed" in draw(explanation)


def test_the_ways_and_the_tree() -> None:
    explanation = ask(make())
    text = draw(explanation, 100)
    assert "\n64.4%  line 2 → Analysis “it has eggs” → Recommendation\n" in text
    assert text.index("line 2 → Analysis") < text.index("line 1 → Analysis") < text.index("→ line 4 “So it is.” →")
    assert "by way of line 3, “Analysis: it has eggs”" in text
    tree = text[text.index("Recommendation: Avoid.\n├──") :]
    assert tree.index("directly from the prompt") < tree.index("by way of line 3") < tree.index("line 2, “Hates: eggs”")
    assert "counts for each of them" in text


def test_what_an_own_part_handed_on_is_what_came_to_it() -> None:
    explanation = ask(make())
    for own, share in list_own_parts(explanation):
        assert sum(part for _, part in list_sources(explanation, own)) == pytest.approx(share)


def test_own_words_larger_than_the_sources_are_parts_themselves() -> None:
    explanation = ask(make(), by=Granularity.WORD, through_by=Granularity.LINE)
    parts = list_own_parts(explanation)
    assert {own.text for own, _ in parts} == {"Analysis: it has eggs\n", "So it is.\n"}
    for own, share in parts:
        assert sum(part for _, part in list_sources(explanation, own)) == pytest.approx(share)
    assert "the model's own words are cut by line" in draw(explanation)


def test_own_words_are_readable_and_have_no_colour() -> None:
    plain = draw(ask(make()))
    assert "   3  Analysis: it has eggs\n" in plain
    painted = draw(ask(make()), color_system="truecolor")
    assert "\x1b[3mAnalysis: it has eggs\x1b[0m" in painted
    assert "  \x1b[3mown words\x1b[0m" in painted


def test_by_way_of_own_words_alone() -> None:
    text = draw(ask(make(), Way.THROUGH))
    assert "strongest lines through own words" in text
    assert "67.3% of the target comes from there through the model's own words." in " ".join(text.split())


def test_negative_scores_that_were_left_out_are_said() -> None:
    scores = np.tril(np.ones((7, 14), dtype=np.float32), 6)
    scores[:, 1:3] = -1
    explanation = ask(make(Method.GRAD_DOT_INPUT, scores))
    assert explanation.through
    assert f"{explanation.through.chain.clipped:.0%} of all are negative and left out" in draw(explanation, 200)
    assert "are negative" not in draw(ask(make()), 200)


def test_shares_by_way_have_no_sign() -> None:
    analysis = make(Method.GRAD_DOT_INPUT)
    assert [ask(analysis, way).is_signed for way in Way] == [True, False, False]


def test_a_method_that_takes_spans_away_weighs_own_words_by_doubt_and_says_so() -> None:
    assert "the less it passes on to others" in draw(ask(make(Method.OCCLUSION)), 200)
    assert "the less it passes on to others" not in draw(ask(make()), 200)


def test_what_got_stuck_is_said() -> None:
    scores = np.tril(np.ones((7, 14), dtype=np.float32), 6)
    scores[0] = 0  # the first word has no sources
    explanation = ask(make(scores=scores))
    assert explanation.through
    assert f"{explanation.through.stuck:.1%} can't be followed further" in draw(explanation, 200)
    assert "can't be followed further" not in draw(ask(make()), 200)


def test_direct_scores_point_to_own_words_that_hold_most() -> None:
    assert "lies on the model's own words: --way all follows them back to the prompt" in draw(ask(make(), Way.DIRECT))
    even = np.tril(np.ones((7, 14), dtype=np.float32), 6)
    assert "--way all" not in draw(ask(make(scores=even), Way.DIRECT))
    assert "--way all" not in draw(ask(make()))


def test_no_hint_where_own_words_can_not_be_followed() -> None:
    analysis = make()
    (salience,) = analysis.maps.values()
    assert salience.scores is not None
    line = np.zeros((3, 14), dtype=np.float32)
    line[2] = salience.scores[5:].sum(axis=0)
    only_lines = replace(salience, scores=None, span_scores={Granularity.LINE: line})
    text = draw(ask(replace(analysis, maps={salience.method: only_lines}), Way.DIRECT))
    assert "strongest lines" in text
    assert "--way all" not in text


def test_nothing_written_before_the_target() -> None:
    text = draw(ask(make(), target="1"))
    assert "None of its scores lie on words that the model wrote before it" in text
    assert "├──" not in text


@pytest.mark.parametrize(("way", "strongest"), [(Way.DIRECT, " ▁█ "), (Way.THROUGH, "█▃"), (Way.ALL, "█▄")])
def test_each_row_of_a_matrix_is_followed_back_by_itself(way: Way, strongest: str) -> None:
    scores = np.tril(np.ones((7, 14), dtype=np.float32), 6)
    scores[:3, 2] += 9  # the analysis rests on line 1
    scores[5:, 5] += 9  # the recommendation on line 2, and even more on the analysis
    scores[5:, 8] += 99
    text = draw(ask(make(scores=scores), way, target=None), matrix=True)
    (row,) = (row for row in text.splitlines() if row.startswith("Recommendation"))
    assert row == "Recommendation: Avoid.  " + "".join(2 * bar for bar in strongest)


@pytest.mark.parametrize(("share", "says"), [(0.5, "50.0%"), (0.01, "1.0%"), (0.00994, "0.99%"), (0.0012, "0.12%")])
def test_small_shares_have_two_decimals(share: float, says: str) -> None:
    assert spell_part(share) == says


def test_a_part_is_named_by_its_label_or_its_line() -> None:
    explanation = ask(make())
    named = [name_part(explanation, span) for span in explanation.spans if span.role is not Role.SPECIAL]
    assert named == ["Likes", "Hates", "Analysis", "line 4", "Recommendation"]


def test_a_target_within_a_line_is_named_by_its_text() -> None:
    text = draw(ask(make(), target="Avoid", target_by=Granularity.WORD))
    assert "line 2 → Analysis “it has eggs” → “Avoid.”" in text
    text = draw(ask(make(), by=Granularity.PARAGRAPH))
    assert "85.4% of its scores lie on the model's own words" in text


@pytest.mark.parametrize("width", [20, 80])
def test_any_text_fits_into_the_terminal(demo_results: Path, width: int) -> None:
    for analysis in read_results(demo_results):
        if isinstance(analysis, Analysis):
            for by in (Granularity.LINE, Granularity.TOKEN):
                rows = draw(ask(analysis, by=by), width).splitlines()
                assert max(map(cell_len, rows)) <= width
