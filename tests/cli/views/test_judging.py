"""What ``evaluate --regenerate`` says about one prompt and about many."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from promptlight.cli.views.causes import spell_causes
from promptlight.cli.views.judging import view_judged
from promptlight.cli.views.palette import Look
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.regeneration.judging import Judged, Judgement
from promptlight.salience.regeneration.precision import Precision
from promptlight.salience.types import Way
from tests.support.causes import make_causes

ROW = Judgement(
    id="0",
    label=None,
    fingerprint="",
    method="grad_l2",
    way=Way.DIRECT,
    by="line",
    target="-1",
    target_by="line",
    target_text="Yes.",
    n_parts=4,
    n_causes=1,
    top_line=2,
    top_text="part 1",
    own=Precision(first=1.0, average=1.0),
    random=Precision(first=0.25, average=0.52),
    nearest=Precision(first=0.0, average=0.25),
    last_line=Precision(first=0.0, average=0.25),
)


def make(direct: Sequence[float], through: Sequence[float] = ()) -> Judged:
    """Prompts with these average precisions; all parts that come first are causes."""
    judged = Judged()
    for number, average in enumerate(direct):
        judged.causes.append(replace(make_causes([False, True, False, False]), id=str(number)))
        judged.rows.append(replace(ROW, id=str(number), own=Precision(first=1.0, average=average)))
        for way in (Way.THROUGH, Way.ALL) if number < len(through) else ():
            judged.rows.append(replace(ROW, id=str(number), way=way, own=Precision(first=0.0, average=through[number])))
    return judged


def draw(judged: Judged, temperature: float = 0.0, *, details: bool = False) -> list[str]:
    sampling = Sampling(temperature=temperature)
    view = view_judged(judged, {}, sampling, 0, each=False, details=details)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(view.paint(console, Look(color_system=None)))
    return [line.rstrip() for line in console.export_text().splitlines()]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            [False, True, False],
            "writing again without line 2 changes “Yes.”; without any of the other 2 lines it does not",
        ),
        ([True, True, False], "writing again without line 1 or 2 changes “Yes.”; without the other line it does not"),
        ([False, False], "writing again without any one of the 2 lines of the prompt, the model still writes “Yes.”"),
        ([True, True], "writing again without any one of the 2 lines of the prompt changes “Yes.”"),
        (
            [True] * 7 + [False] * 2,
            "writing again without line 1, 2, 3, 4, 5 or 2 more changes “Yes.”;"
            " without any of the other 2 lines it does not",
        ),
    ],
)  # fmt: skip
def test_the_parts_that_change_the_answer_are_named(changed: list[bool], says: str) -> None:
    assert spell_causes(make_causes(changed)) == says


def test_other_parts_than_lines_are_quoted() -> None:
    said = spell_causes(make_causes([False, True, False], by="word"))
    assert said.startswith("writing again without “part 1” in line 2 changes “Yes.”")
    assert "the other 2 parts" in spell_causes(make_causes([False, True, False], by="regex:a"))


def test_a_method_is_compared_with_chance_the_nearest_part_and_its_other_ways() -> None:
    lines = draw(make([1.0, 1.0, 0.9, 1.0, 0.9], [0.5] * 5))
    text = " ".join(lines)
    assert lines[1] == "5 prompts, 20 lines, each taken away alone: 5 of them change the answer."
    assert "grad_l2: its first line changes the answer in 5 of 5 prompts; the nearest line in 0," in text
    assert "a line at random in 1.2." in text
    assert "By average precision it is better than chance and better than the nearest line first." in text
    assert "Against direct, its precision is through own words -0.46 (-0.50 to -0.42), worse; in all" in text
    table = [re.split("  +", line) for line in lines if re.match(r"grad_l2 |random|nearest", line)]
    assert table[0] == ["grad_l2", "direct", "5 of 5", "57 to 100%", "0.96", "0.92 to 1.00"]
    assert table[1][:4] == ["grad_l2", "own words", "0 of 5", "0 to 43%"]  # and not -0
    assert table[3] == ["random", "1.2 of 5", "5 to 66%", "0.52", "0.52 to 0.52"]


def test_no_difference_is_made_of_what_may_be_chance() -> None:
    text = " ".join(draw(make([1.0, 0.1, 0.5, 0.6, 0.4], [0.2, 0.9, 0.5, 0.5, 0.5])))
    assert "it is no better than chance and " in text
    assert "which may be chance; in all" in text


def test_prompts_without_own_words_have_a_table_of_their_own() -> None:
    lines = draw(make([1.0, 0.5, 0.5], [0.3, 0.4]))
    said = "Against direct on the 2 prompts with own words, its precision is through own words -0.40 (-0.70 to -0.10),"
    assert f"{said} which is a sign, no proof;" in " ".join(lines)
    assert "3 prompts" in lines
    assert "2 prompts where the model wrote words before the target" in lines
    assert "3 prompts are few: this is a sign, no proof." in lines


def test_what_can_not_judge_is_counted() -> None:
    judged = make([1.0, 0.5])
    judged.causes += [replace(make_causes(changed), answer="Now.") for changed in ([False, False], [True])]
    judged.skip("no such target")
    text = " ".join(draw(judged, temperature=0.7))
    assert "2 of the prompts can't judge an order: in 1 no line changes it, in 1 every line does." in text
    assert "1 prompt skipped, the first because: no such target" in text
    assert "in 2 prompts the model now writes another answer than is stored" in text
    assert "temperature of 0.7" in text


def test_of_prompts_that_can_not_judge_there_is_no_table() -> None:
    judged = Judged(causes=[make_causes([False, False])])
    text = " ".join(draw(judged))
    assert "the model still writes “Yes.”" in text
    assert "precision" not in text
