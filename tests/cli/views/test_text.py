"""A text with its salience: where its completion begins."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from promptlight.cli.views.palette import Look
from promptlight.cli.views.text import find_seam, part_text, render_page, render_text
from promptlight.salience.explain.explanation import Question, explain_target
from tests.support.handmade import make_analysis, make_completion


@pytest.mark.parametrize(
    ("prompt", "written", "shown"),
    [
        (["a\n", "b\n"], ["c", "\n", "d"], (["   1  a", "   2  b"], ["   3  c", "   4  d"])),
        (["a\n", "b\n\n\n"], ["c"], (["   1  a", "   2  b"], ["   5  c"])),
        (["a\n", "b:"], ["▁c\n", "d"], (["   1  a", "   2  b:"], ["   2   c", "   3  d"])),  # goes on in line 2
        (["a"], ["\n", "b"], (["   1  a"], ["   1  ↵", "   2  b"])),
    ],
)
@pytest.mark.parametrize("colours", ["truecolor", "standard"])
def test_a_text_is_parted_where_the_completion_begins(
    prompt: Sequence[str], written: Sequence[str], shown: tuple[list[str], list[str]], colours: str
) -> None:
    explanation = explain_target(make_analysis(make_completion(prompt, written)), Question())
    console, look = Console(file=io.StringIO(), width=40), Look(color_system=colours)
    text = render_text(explanation, look)
    seam = find_seam(text, explanation)
    assert seam
    read, wrote, first = part_text(text, seam)
    rows = (render_page(read, console, look), render_page(wrote, console, look, first=first))
    assert tuple([row.plain.rstrip() for row in part] for part in rows) == shown
    whole = [row.plain.rstrip() for row in render_page(text, console, look)]
    assert [label[:4] for label in whole if label.strip()][-1] == shown[1][-1][:4]
