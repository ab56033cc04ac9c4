"""What is said and drawn about parts of a prompt that change an answer, from outcomes made by hand."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from promptlight.cli.views.palette import Look
from promptlight.cli.views.parts import view_parts
from promptlight.io.results.facts import RunFacts
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.regeneration.counterparts import find_target
from promptlight.salience.regeneration.parts import PartsFound, find_answer, judge_parts, list_parts
from promptlight.salience.text.editing import Replacement
from promptlight.salience.types import Completion, Cut, Granularity
from tests.support.handmade import make_completion

PROMPT = ["<bos>", "One.\n", "Two.\n", "Three.\n", "Ask:"]
WRITTEN = [" a\n", "Answer: yes.\n"]
OTHER = [" a\n", "Answer: no.\n"]


def find(
    written: Sequence[Sequence[str]],
    drops: Sequence[float] = (),
    *,
    cut: Cut = Granularity.LINE,
    replacements: Sequence[Replacement] | None = None,
    today: Completion | None = None,
) -> PartsFound:
    """What was found if the model wrote this for each part in turn, and the old text became so much less likely."""
    target = find_target(make_completion(PROMPT, WRITTEN), "Answer", Granularity.LINE)
    parts = list_parts(target.completion, cut, replacements=replacements)
    completions = [make_completion(["<bos>", "x"], pieces) for pieces in written]
    log_probs = np.array([[-0.25, -0.25], *([-0.25, -0.25 - drop] for drop in drops or [0.0] * len(parts))])
    now = find_answer(target, today or target.completion)
    return judge_parts(target, now, cut, parts, completions, log_probs)


def describe(found: PartsFound, sampling: Sampling | None = None, quantised: str | None = None) -> dict[str, Any]:
    facts = RunFacts(model="gemma", preset="gemma", dtype="float32", quantised=quantised)
    return view_parts(found, sampling or Sampling(), facts, n_top=8).describe()


def draw(found: PartsFound, *, n_top: int = 8, colours: bool = False, width: int = 100) -> str:
    view = view_parts(found, Sampling(), None, n_top=n_top)
    console = Console(
        file=io.StringIO(), width=width, color_system="truecolor" if colours else None, force_terminal=True
    )
    look = Look(color_system=console.color_system, signed=view.signed, by=view.by)
    console.print(view.paint(console, look))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ([WRITTEN] * 4, "None of 4 lines, each taken away alone, changes “Answer: yes.”."),
        (
            [WRITTEN, OTHER, WRITTEN, WRITTEN],
            "1 of 4 lines, each taken away alone, changes “Answer: yes.”: without line 2, “Two.”, it writes “Answer:"
            " no.”",
        ),
        (
            [OTHER, WRITTEN, [], OTHER],
            "3 of 4 lines, each taken away alone, change “Answer: yes.”: lines 1, 3 and 4. Without line 1, “One.”, it"
            " writes “Answer: no.”",
        ),
        (
            [WRITTEN, WRITTEN, [], WRITTEN],
            "1 of 4 lines, each taken away alone, changes “Answer: yes.”: without line 3, “Three.”, it writes nothing.",
        ),
    ],
)
def test_the_sentence_says_how_many_parts_and_which(written: Sequence[Sequence[str]], sentence: str) -> None:
    assert describe(find(written))["sentence"] == sentence


def test_a_replacement_is_said() -> None:
    swaps = [Replacement(old="Two", new="2")]
    changed = describe(find([OTHER], replacements=swaps))
    assert changed["sentence"] == "With “2.” in place of line 2, “Two.”, it writes “Answer: no.”"
    kept = describe(find([WRITTEN], replacements=swaps))
    assert kept["sentence"] == "With “2.” in place of line 2, “Two.”, it still writes “Answer: yes.”"
    assert "put in its place" in draw(find([OTHER], replacements=swaps))


def test_the_prompt_has_a_mark_and_a_number_for_what_it_lost() -> None:
    shown = draw(find([WRITTEN, OTHER, WRITTEN, WRITTEN], [0.5, 4.0, -2.0, 0.0]))
    assert "   1  One.\n   2  ◆ Two.‹100%›\n" in shown  # 12% is too little for a number
    assert re.search(r"   4  Ask:\n {6}── the model wrote ─+\n {6}a\n   5  »Answer: yes.«\n", shown)
    said = "the largest change, 4.0 nats; above 0 the old text became less likely, below 0 likelier"
    assert said in " ".join(shown.split())
    rows = [
        line.split() for line in shown.splitlines() if line.startswith("   ") and "." in line and "nats" not in line
    ]
    numbers = {row[0]: row[1:4] for row in rows if row[0].isdigit() and len(row) > 4}
    assert numbers == {"1": ["-0.5", "-0.5", "0"], "2": ["-4.0", "-4.0", "3"], "3": ["+2.0", "+2.0", "0"]}
    assert "1 more leaves the answer as it is\n" in shown
    assert "below 0" not in draw(find([WRITTEN] * 4, [1, 2, 3, 0]))


def test_top_limits_the_others_only() -> None:
    shown = draw(find([WRITTEN, OTHER, WRITTEN, OTHER], [3, 0.2, 1, 0]), n_top=1)
    table = shown[shown.index("then it writes") :].splitlines()
    assert [line.split()[0] for line in table[1:5]] == ["1", "2", "4", "1"]
    assert table[4] == "1 more leaves the answer as it is; --top lists more of them"


def test_colours_shade_the_parts_and_leave_the_mark() -> None:
    shown = draw(find([WRITTEN, OTHER, WRITTEN, WRITTEN], [0, 4, -2, 0]), colours=True)
    assert "◆" in shown
    assert "‹" not in shown
    assert "255;179;0" in shown  # the old answer's ground


def test_what_to_keep_in_mind_is_said() -> None:
    plain = describe(find([WRITTEN] * 4))["remarks"]
    assert len(plain) == 1
    assert plain[0].startswith("each part was taken away alone, and the model wrote everything again")
    easy = describe(find([OTHER, OTHER, OTHER, WRITTEN]), Sampling(temperature=0.5), "Q4_K_M")["remarks"]
    assert [said for said in easy if "it changes easily" in said]
    assert [said for said in easy if "drawn with a temperature of 0.5" in said]
    assert [said for said in easy if "quantised model (Q4_K_M)" in said]
    other = find([WRITTEN] * 4, today=make_completion(PROMPT, OTHER))
    assert describe(other)["answer"] == "Answer: no."
    assert [said for said in describe(other)["remarks"] if "the stored completion has “Answer: yes.” there" in said]


def test_one_word_is_named_with_its_line() -> None:
    found = find([OTHER, WRITTEN, WRITTEN, WRITTEN], [1, 0, 0, 0], cut=Granularity.WORD)
    assert describe(found)["sentence"].endswith("without “One.” in line 1, it writes “Answer: no.”")
    assert "◆One." in draw(found)
