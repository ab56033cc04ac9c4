"""A rule shows where the prompt ends and the completion begins, with and without colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from promptlight.cli.views.comparison import view_comparison
from promptlight.cli.views.heatmap import render_heatmap
from promptlight.cli.views.look import DEFAULT
from promptlight.cli.views.output import draw_picture
from promptlight.cli.views.palette import Look
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.types import Granularity, StopReason
from tests.support.handmade import make_analysis, make_completion

RULE = "      ── the model wrote ───"


def explain(
    prompt: Sequence[str],
    target: Sequence[str],
    *,
    by: Granularity = Granularity.LINE,
    stop_reason: StopReason = StopReason.TOKEN_LIMIT,
) -> Explanation:
    completion = make_completion(["<bos>", *prompt], target, stop_reason=stop_reason)
    return explain_target(make_analysis(completion), Question(by=by))


def draw(explanation: Explanation, *, color_system: str | None = None, fold: bool = False) -> list[str]:
    """The rows of the text, between the heading and the legend."""
    output = io.StringIO()
    console = Console(file=output, width=60)
    look = Look(color_system=color_system, by=explanation.by)
    console.print(render_heatmap(explanation, console, look, fold=fold))
    return [row.rstrip() for row in output.getvalue().split("\n\n")[1].split("\n")]


def test_the_rule_stands_above_a_completion_that_begins_a_line() -> None:
    rows = draw(explain(["▁a", "▁b", "\n"], ["▁c", "\n", "▁d"]))
    assert [row[:9] for row in rows] == ["   1   a ", RULE[:9], "   2   »c", "   3   d«"]
    assert rows[1].startswith(RULE)
    assert len(rows[1]) == 60


@pytest.mark.parametrize("by", [Granularity.TOKEN, Granularity.WORD, Granularity.LINE])
def test_a_line_that_the_model_goes_on_with_is_parted_by_the_rule(by: Granularity) -> None:
    rows = draw(explain(["▁a", "▁b"], ["▁c", "\n", "▁d"], by=by), color_system="truecolor")
    texts = [row for row in rows if not row.startswith(RULE)]
    assert [row for row in rows if row.startswith(RULE)] == [rows[1]]
    assert [row.rstrip("↵")[:8] for row in texts if row] == ["   1   a", "      c", "   2   d"]


@pytest.mark.parametrize("written", [["\n", "▁c"], ["\n", "\n", "▁c"], ["\n"]])
def test_a_completion_that_begins_with_a_line_feed_has_one_rule(written: list[str]) -> None:
    rows = draw(explain(["▁a"], written))
    assert rows[0].startswith("   1   a")
    assert rows[1].startswith(RULE)
    assert rows[-1].strip()
    assert len([row for row in rows if "──" in row]) == 1


def test_a_completion_of_the_record_is_not_called_the_models() -> None:
    rows = draw(explain(["▁a", "\n"], ["▁c"], stop_reason=StopReason.GIVEN))
    assert rows[1].startswith("      ── given in the record ───")


def test_the_rule_stays_where_lines_are_folded() -> None:
    prompt = [piece for number in range(40) for piece in (f"▁w{number}", "\n")]
    explanation = explain(prompt, ["▁c"])
    pale = replace(explanation, shares=explanation.shares * 0, levels=explanation.levels * 0)
    rows = draw(pale, fold=True)
    assert any("together" in row for row in rows)
    assert rows[-2].startswith(RULE)


def test_a_comparison_has_a_rule_on_each_side_and_so_have_files() -> None:
    before, after = (explain(["▁a", "▁b"], [written]) for written in ("▁c", "▁d"))
    view = view_comparison(before, after, (None, None), n_top=1, title="")
    shown = draw_picture(view, DEFAULT, 110, "txt").split("\n")
    assert [row.count("── the model wrote ──") for row in shown if "──" in row] == [2]
    assert draw_picture(view, DEFAULT, 60, "txt").count(RULE) == 2  # one below the other
    for kind in ("svg", "html"):
        assert draw_picture(view, DEFAULT, 60, kind).replace("&#160;", " ").count("── the model wrote ──") == 2
