"""``promptlight why`` from outside: one sentence, and the test behind it."""

# pyright: standard

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.conftest import Command
from tests.support.paths import EXAMPLES

MISTAKE = "Recommendation: You have to try it."
CPU = ("--device", "cpu")


@pytest.fixture
def results(demo_results: Path, tmp_path: Path) -> Path:
    """A copy: answers are kept in the folder."""
    return shutil.copytree(demo_results, tmp_path / "results")


def ask(promptlight: Command, *arguments: object) -> dict[str, Any]:
    asked = promptlight("why", *arguments, *CPU, "--json")
    assert asked.exit_code == 0, asked.stderr
    return json.loads(asked.stdout)


def test_a_mistaken_example_is_why(promptlight: Command, results: Path) -> None:
    """Line 9 is the strongest by its words, and what the model writes without them shows that it is the reason."""
    found = ask(promptlight, results, "--id", "dish-fixed", "--top", 1)
    assert (found["target"], found["answer"], found["by"]) == ("Recommendation: Avoid.",) * 2 + ("line",)
    first, control = found["trials"]
    assert (first["line"], first["text"], first["control"]) == (9, "Recommendation: Avoid.\n\n", False)
    assert (first["answer"], first["changed"]) == (MISTAKE, True)
    assert control["control"]
    assert control["share"] < first["share"]
    assert found["sentence"].startswith(
        f"It wrote “Recommendation: Avoid.” most of all because of line 9 ({first['share']:.1%}), “Recommendation: "
        f"Avoid.”: without it, it writes “{MISTAKE}”"
    )


def test_the_tests_write_what_try_writes(promptlight: Command, results: Path) -> None:
    """The same change by another way: ``try`` replaces the line's text."""
    found = ask(promptlight, results, "--id", "dish-fixed", "--top", 1)
    line = "Analysis: it has cooked onions in it, which you don't like.\nRecommendation: Avoid.\n"
    change = f"{line}=>{line.splitlines()[0]}\n"
    tried = json.loads(promptlight("try", results, "--id", "dish-fixed", "--replace", change, *CPU, "--json").stdout)
    assert found["trials"][0]["completion"] == tried["after"]["completion"]


def test_what_does_not_change_the_answer_was_not_why(promptlight: Command, results: Path) -> None:
    found = ask(promptlight, results, "--id", "dish-mistake", "--top", 2)
    assert [one["changed"] for one in found["trials"][:2]] == [False, False]
    assert found["sentence"].startswith("The strongest line, line ")
    assert f"was not why it wrote “{MISTAKE}”: without it, it still writes that." in found["sentence"]
    assert "Nor was any other of the 2 strongest lines alone." in found["sentence"]


def test_a_replacement_is_tried_instead(promptlight: Command, results: Path) -> None:
    found = ask(promptlight, results, "--id", "dish-fixed", "--replace", "Avoid.=>You have to try it.")
    (only,) = found["trials"]
    assert (only["replacement"], only["answer"]) == (MISTAKE, MISTAKE)
    assert f"with “{MISTAKE}” in its place, it writes “{MISTAKE}”" in found["sentence"]
    refused = promptlight("why", results, "--id", "dish-fixed", "--replace", "cheese=>milk", *CPU)
    assert refused.exit_code == 2
    assert "expected 'cheese' in line 9, the strongest source of the prompt" in refused.stderr
    assert "--replace" in refused.stderr


def test_a_text_is_written_explained_and_tested(promptlight: Command, tmp_path: Path) -> None:
    prompts = [json.loads(line) for line in (EXAMPLES / "prompts.jsonl").read_text("utf-8").splitlines()]
    (text,) = (one["prompt"] for one in prompts if one["id"] == "dish-fixed")
    found = ask(promptlight, text, "--top", 1)
    assert (found["id"], found["trials"][0]["line"]) == ("prompt", 9)
    assert found["trials"][0]["answer"] == MISTAKE


@pytest.mark.parametrize("width", [50, 120])
def test_what_is_drawn_fits_and_says_the_sentence(promptlight: Command, results: Path, width: int) -> None:
    found = ask(promptlight, results, "--id", "dish-fixed")
    shown = promptlight("why", results, "--id", "dish-fixed", *CPU, "--width", width)
    lines = shown.stdout.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert " ".join(found["sentence"].split()) in " ".join(shown.stdout.split())
    table = shown.stdout[shown.stdout.index("then it writes") :]
    assert [int(line) for line in re.findall(r"^ +(\d+) +\d+\.\d%", table, re.M)] == [
        one["line"] for one in found["trials"]
    ]


def test_the_answer_is_kept_and_said_by_other_views(promptlight: Command, results: Path, tmp_path: Path) -> None:
    found = ask(promptlight, results, "--id", "dish-fixed")
    about = ("--by", "line", "--target-by", "line", "--json")
    shown = json.loads(promptlight("show", results, "--id", "dish-fixed", "-t", "Recommendation", *about).stdout)
    assert shown["trust"] == f"tested: {found['sentence']}"
    other = json.loads(promptlight("show", results, "--id", "dish-fixed", "-t", "1", *about).stdout)
    assert other["trust"] is None  # about another line
    page = tmp_path / "page.html"
    assert promptlight("report", results, "-o", page).exit_code == 0
    assert found["sentence"] in page.read_text("utf-8")
    again = ask(promptlight, results, "--id", "dish-fixed", "--top", 1)
    kept = json.loads((results / "_evaluation" / "why.json").read_text("utf-8"))["answers"]
    assert [one["sentence"] for one in kept] == [again["sentence"]]


def test_answers_of_another_model_or_about_other_results_are_not_kept_or_not_said(
    promptlight: Command, results: Path, tmp_path: Path
) -> None:
    kept = results / "_evaluation" / "why.json"
    ask(promptlight, results, "--id", "dish-fixed", "--max-new-tokens", 20, "--target", 1)
    assert not kept.exists()
    ask(promptlight, results, "--id", "dish-fixed")
    other = json.loads(kept.read_text("utf-8"))
    other["results"]["seed"] = 7
    kept.write_text(json.dumps(other), "utf-8")
    shown = promptlight("show", results, "--id", "dish-fixed", "-t", "-1", "--by", "line", "--json")
    assert json.loads(shown.stdout)["trust"] is None
    kept.write_text("{", "utf-8")
    shown = promptlight("show", results, "--id", "dish-fixed", "--json")
    assert "why.json: not readable" in json.loads(shown.stdout)["trust"]
    assert ask(promptlight, results, "--id", "dish-fixed")["trials"]  # a damaged file is replaced
    assert len(json.loads(kept.read_text("utf-8"))["answers"]) == 1


def test_what_can_not_be_asked_is_said(promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "expected the text of a prompt, or the id of a stored one" in promptlight("why").stderr
    assert "no results/ here" in promptlight("why", "--id", "x").stderr
    given = tmp_path / "given.jsonl"
    given.write_text(json.dumps({"id": "g", "prompt": "One.\nTwo.\n", "target": "Three."}), "utf-8")
    assert promptlight("run", given, "-o", "out", "--explain", "target", *CPU).exit_code == 0
    refused = promptlight("why", "out", "--id", "g", *CPU)
    assert refused.exit_code == 2
    assert "expected a completion that the model wrote, found the record's own" in refused.stderr
    assert "--chat: no effect on a stored prompt" in promptlight("why", "out", "--id", "g", "--chat").stderr


def test_drawn_texts_differ_by_chance_and_that_is_said(promptlight: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    drawn = ("--temperature", 0.7, "--seed", 3, "--max-new-tokens", 24, "--id", "dish-fixed")
    assert promptlight("run", EXAMPLES / "prompts.jsonl", "-o", out, *drawn, *CPU).exit_code == 0
    found = ask(promptlight, out, "--id", "dish-fixed")
    assert found["reproduced"]
    assert [one for one in found["remarks"] if "drawn with a temperature of 0.7" in one]
