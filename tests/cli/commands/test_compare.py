"""``promptlight compare`` and ``promptlight try`` from outside."""

from __future__ import annotations

import io
import json
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from promptlight.cli.views.comparison import render_comparison
from promptlight.cli.views.overview import render_overview
from promptlight.cli.views.palette import Look
from promptlight.io import read_results
from promptlight.salience import Analysis
from promptlight.salience.explain.comparison import summarize_comparison
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Granularity
from tests.conftest import Command
from tests.support.handmade import make_analysis, make_completion
from tests.support.paths import EXAMPLES
from tests.support.terminal import ESCAPE, HOSTILE, MARKS, ORDERS

TWO = ("--id", "dish-mistake", "--with", "dish-fixed", "--target", "Recommendation")
MODEL = ("--device", "cpu", "--max-new-tokens", 24)


@pytest.fixture(scope="module")
def analyses(demo_results: Path) -> dict[str, Analysis]:
    return {one.completion.prompt.id: one for one in read_results(demo_results) if isinstance(one, Analysis)}


def draw(before: Analysis, after: Analysis, by: Granularity, color_system: Any, width: int) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=color_system is not None, color_system=color_system, width=width)
    first, second = (explain_target(one, Question(by=by)) for one in (before, after))
    console.print(render_comparison(first, second, console, Look(color_system=color_system)))
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 120])
def test_two_prompts_are_shown_with_what_was_written_what_was_edited_and_what_moved(
    promptlight: Command, demo_results: Path, width: int
) -> None:
    shown = promptlight("compare", demo_results, *TWO, "--width", width)
    assert (shown.exit_code, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("before  dish-mistake")
    assert "      Recommendation: [-You have to try it-]{+Avoid+}." in lines
    edited = [line for line in lines if re.search(r" ~ ", line) or line.lstrip().startswith("~")]
    assert [line for line in edited if "Avoid." in line]
    assert len(edited) == (2 if width >= 100 else 4)
    table = shown.stdout[shown.stdout.index("lines whose shares") :].splitlines()
    assert re.match(r" +\d+\.\d% +\d+\.\d% +\+\d+\.\d% +9  Recommendation: You have t", table[1])
    assert re.match(r" +9  → Recommendation: Avoid\.", table[2])
    assert max(map(cell_len, lines)) <= width


BARS_AND_NUMBERS = ("underline", "highlight")


@pytest.mark.parametrize("width", ["80", "120"])
def test_without_colours_both_texts_have_bars(promptlight: Command, demo_results: Path, width: str) -> None:
    pair = ("--id", "dish-mistake", "--with", "dish-fixed", "--target", "Recommendation", "--width", width)
    bars, numbers = (promptlight("compare", demo_results, *pair, "--marking", one).stdout for one in BARS_AND_NUMBERS)
    assert promptlight("compare", demo_results, *pair).stdout == numbers  # by line
    words = (*pair, "--by", "word")
    assert set(promptlight("compare", demo_results, *words).stdout) & set("▁▂▃▄▅▆▇█")
    rows = [row for row in bars.splitlines() if re.fullmatch("[▁▂▃▄▅▆▇█ ]+", row) and row.strip()]
    strongest = ("it has cooked eggs in it, which you don't like.", "Recommendation: Avoid.")  # of the two
    assert "".join(rows).count("█") >= sum(map(len, strongest))
    assert max(map(cell_len, rows)) <= int(width)
    assert not re.search(r"‹\d+%›", bars)
    assert [re.findall(rf"{re.escape(text)}‹100%›", numbers) for text in strongest[1:]] == [[f"{strongest[1]}‹100%›"]]


def test_the_other_way_round_moves_the_other_way(promptlight: Command, demo_results: Path) -> None:
    moves: list[str] = []
    for one, two in (("dish-mistake", "dish-fixed"), ("dish-fixed", "dish-mistake")):
        shown = promptlight("compare", demo_results, "--id", one, "--with", two, "--target", "Recommendation").stdout
        moves.append(re.findall(r"[+-]\d+\.\d%", shown)[0])
    assert moves[0][0] + moves[1][0] == "+-"
    assert moves[0][1:] == moves[1][1:]


def test_two_folders_are_an_overview_or_one_prompt_of_both(promptlight: Command, demo_results: Path) -> None:
    shown = promptlight("compare", demo_results, demo_results)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("0 of ")
    assert "0% of the shares moved, on average" in shown.stdout
    one = promptlight("compare", demo_results, demo_results, "--id", "dish-fixed")
    assert one.exit_code == 0
    assert "The model wrote the same" in one.stdout
    assert "No share moved" in one.stdout


def test_prompts_that_changed_come_first(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    records = [f'{{"id": "{name}", "prompt": "{text}"}}' for name, text in (("a", "Hello"), ("b", "Hi there"))]
    for name, lines in (("one", records), ("two", [*records[::-1], '{"id": "c", "prompt": "x"}'])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        length = 4 if name == "one" else 5
        done = promptlight(
            "run", tmp_path / f"{name}.jsonl", "-o", tmp_path / name, "--device", "cpu", "--max-new-tokens", length
        )
        assert done.exit_code == 0
    shown = promptlight("compare", tmp_path / "two", tmp_path / "one")
    assert shown.exit_code == 0
    assert re.match(r"\d of 2 prompts got another completion", shown.stdout)
    assert "1 more are not in both" in shown.stdout
    assert re.search(r"^a +(same|changed) ", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        ((), 2, "expected two prompts: --id ONE --with OTHER"),
        (("--id", "dish-fixed"), 2, "expected two prompts"),
        (("--id", "dish-fixed", "--with", "dish-fixed"), 2, "expected two prompts"),
        (("--id", "dish-fixed", "--with", "nobody"), 5, "no result with id 'nobody'"),
        (("--id", "dish-fixed", "--with", "null-prompt"), 2, "null-prompt was skipped"),
        (("--id", "dish-mistake", "--with", "dish-fixed", "--target", "try it"), 2, "target 'try it': expected"),
        (("--id", "dish-mistake", "--with", "dish-fixed", "--by", "section"), 2, "expected a prompt with sections"),
    ],
)
def test_what_cannot_be_compared_is_said(
    promptlight: Command, demo_results: Path, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    shown = promptlight("compare", demo_results, *arguments)
    assert (shown.exit_code, shown.stdout) == (exit_code, "")
    assert says in shown.stderr


def test_each_prompt_can_have_a_target_of_its_own(promptlight: Command, demo_results: Path) -> None:
    arguments = ("--id", "dish-mistake", "--with", "dish-fixed", "--target", "try it", "--other-target", "Avoid")
    shown = promptlight("compare", demo_results, *arguments, "--target-by", "word")
    assert shown.exit_code == 0
    assert "“try it.”" in shown.stdout
    assert "“Avoid.”" in shown.stdout


def test_both_sides_are_followed_back(promptlight: Command, demo_results: Path) -> None:
    shown = promptlight("compare", demo_results, "--id", "dish-mistake", "--with", "dish-fixed", "--way", "all")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.count("shown: what it comes from in all") == 2
    assert "“Recommendation: Avoid.”" in shown.stdout  # the last line, without being asked
    assert "share: the part of the target that comes from a source in all" in " ".join(shown.stdout.split())
    found = json.loads(
        promptlight(
            "compare", demo_results, "--id", "dish-mistake", "--with", "dish-fixed", "--way", "all", "--json"
        ).stdout
    )
    assert [sum(part[f"share_{side}"] or 0 for part in found["parts"]) for side in ("before", "after")] == [
        pytest.approx(1, abs=1e-4)
    ] * 2


@pytest.mark.parametrize("color_system", [None, "truecolor"])
@pytest.mark.parametrize("width", [40, 120])
def test_no_text_can_break_out_and_no_line_is_too_long(
    analyses: dict[str, Analysis], color_system: str | None, width: int
) -> None:
    for id in HOSTILE:
        for by in (Granularity.TOKEN, Granularity.LINE):
            shown = ESCAPE.sub("", draw(analyses[id], analyses["dish-fixed"], by, color_system, width))
            assert not ORDERS.search(shown)
            assert max(map(cell_len, shown.splitlines())) <= width
            if id == "markup" and width == 120:
                assert "[bold red]Not" in MARKS.sub("", shown)


def test_hostile_ids_and_texts_are_shown_in_an_overview_too() -> None:
    hostile = "\x1b[31m[bold]\u202e日本\n"
    one, two = (
        make_analysis(make_completion(["<bos>", hostile], [word]), seed=seed) for seed, word in ((1, "a"), (2, "b"))
    )
    one = replace(one, completion=replace(one.completion, prompt=replace(one.completion.prompt, id=hostile)))
    question = Question(by=Granularity.LINE)
    difference = summarize_comparison(explain_target(one, question), explain_target(two, question))
    file = io.StringIO()
    Console(file=file, width=80).print(render_overview([difference], 1, 80, n_top=3))
    assert not ORDERS.search(file.getvalue())
    assert "␛[31m[bold]" in file.getvalue()


# try


def test_the_what_if_of_the_tutorial_in_one_command(promptlight: Command, demo_results: Path) -> None:
    change = ("--replace", "You have to try it.=>Avoid.", "--target", "Recommendation")
    shown = promptlight("try", demo_results, "--id", "dish-mistake", *change, *MODEL)
    assert shown.exit_code == 0
    assert "Recommendation: [-You have to try it-]{+Avoid+}." in shown.stdout
    assert "changed 'You have to try it.' in line 9; it is in line 21 too: --all changes every one" in shown.stderr
    stored = promptlight("compare", demo_results, *TWO)
    assert shown.stdout.splitlines()[6:] == stored.stdout.splitlines()[6:]  # the same numbers as two stored runs


def test_principles_put_before_a_prompt_change_the_answer(promptlight: Command, demo_results: Path) -> None:
    change = ("--prepend-file", EXAMPLES / "constitution.txt", "--target", "Recommendation")
    shown = promptlight("try", demo_results, "--id", "dish-fixed", *change, *MODEL)
    assert shown.exit_code == 0
    assert "Not suitable for you" in shown.stdout
    assert "{+can't+}" in shown.stdout


def test_a_text_can_be_changed_in_an_editor(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "my editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/one/two/' \"$1\"\n", encoding="utf-8")
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{editor}'")
    shown = promptlight("try", "--prompt", "Say one.", "--edit", "--device", "cpu", "--max-new-tokens", 3)
    assert shown.exit_code == 0
    assert re.search(r"~ +1  Say two\.", shown.stdout) or "~ 1  Say two." in shown.stdout
    monkeypatch.setenv("EDITOR", "true")
    unchanged = promptlight("try", "--prompt", "Say one.", "--edit")
    assert (unchanged.exit_code, unchanged.stdout) == (2, "")
    assert "expected a change, found none" in unchanged.stderr
    for editor_name, says in (("false", "ended with code 1"), (str(tmp_path / "none"), "could not be started")):
        monkeypatch.setenv("EDITOR", editor_name)
        failed = promptlight("try", "--prompt", "Say one.", "--edit")
        assert (failed.exit_code, failed.stdout) == (2, "")
        assert says in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("results", "--prompt", "Say one."), "either a results folder or --prompt"),
        (("--prompt", "Say one."), "expected a change, found none"),
        (("--prompt", "Say one.", "--replace", "two=>three"), "expected 'two' in the prompt prompt, found it nowhere"),
        (("--prompt", "Say one.", "--replace", "one"), "expected OLD=>NEW"),
        (("--prompt", "Say one.", "--prepend-file", "no-such-file.txt"), "no-such-file.txt: could not be read"),
    ],
)
def test_what_cannot_be_tried_is_said_before_a_model_is_loaded(
    promptlight: Command, arguments: tuple[str, ...], says: str
) -> None:
    shown = promptlight("try", *arguments, "--model", "no-such-model")
    assert shown.stdout == ""
    assert shown.exit_code
    assert says in shown.stderr
    assert "no-such-model" not in shown.stderr
