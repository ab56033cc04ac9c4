"""``promptlight try --each`` from outside: each part is taken away, and the model writes again."""

# pyright: standard

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.cells import cell_len

from promptlight.io.results.reader import find_result
from promptlight.io.tables.parts import parts_schema
from promptlight.salience.types import Analysis, Prompt
from tests.conftest import Command
from tests.support.paths import EXAMPLES

MISTAKE, AVOID = "Recommendation: You have to try it.", "Recommendation: Avoid."
CPU = ("--device", "cpu")
FIXED = ("--id", "dish-fixed")


@pytest.fixture(scope="module")
def tried(demo_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results for which every line of one prompt was tried. For reading only."""
    from typer.testing import CliRunner

    from promptlight.cli.app import app

    folder = shutil.copytree(demo_results, tmp_path_factory.mktemp("tried") / "results")
    done = CliRunner().invoke(app, ["try", str(folder), *FIXED, "--each", "line", *CPU, "--json"])
    assert done.exit_code == 0
    return folder


@pytest.fixture
def results(tried: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tried, tmp_path / "results")


@pytest.fixture
def without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("promptlight.salience.loading.load.load_model", refuse)


def ask(promptlight: Command, *arguments: object) -> dict[str, Any]:
    asked = promptlight("try", *arguments, *CPU, "--json")
    assert asked.exit_code == 0, asked.stderr
    return json.loads(asked.stdout)


@pytest.mark.usefixtures("without_model")
def test_the_lines_that_change_the_answer_are_found(promptlight: Command, tried: Path) -> None:
    """All was written before, so the model isn't needed."""
    found = ask(promptlight, tried, *FIXED, "--each", "line")
    assert (found["target"], found["answer"], found["reproduced"]) == (AVOID, AVOID, True)
    prompt = _read_prompt("dish-fixed")
    assert [one["line"] for one in found["parts"]] == [
        number for number, line in enumerate(prompt.split("\n"), 1) if line.strip()
    ]
    by_line = {one["line"]: one for one in found["parts"]}
    assert (by_line[9]["answer"], by_line[9]["changed"], by_line[9]["distance"]) == (MISTAKE, True, 15)
    assert by_line[9]["relative_distance"] == pytest.approx(15 / len(MISTAKE))
    assert by_line[9]["text_log_prob"] < found["text_log_prob"] - 1
    assert by_line[1]["answer"] == AVOID
    assert [one["changed"] for one in found["parts"]] == [one["answer"] != AVOID for one in found["parts"]]
    assert found["n_changed"] == sum(one["changed"] for one in found["parts"])
    assert all(one["text_log_prob"] <= one["log_prob"] <= 0 for one in found["parts"])
    first = next(one for one in found["parts"] if one["changed"])
    assert f" alone, change{'s' * (found['n_changed'] == 1)} “{AVOID}”" in found["sentence"]
    assert f"ithout line {first['line']}, “" in found["sentence"]


@pytest.mark.usefixtures("without_model")
def test_the_old_texts_likelihood_is_what_the_run_stored(promptlight: Command, tried: Path) -> None:
    """The run takes it from the forward pass of an explanation."""
    found = ask(promptlight, tried, *FIXED, "--each", "line")
    stored = find_result(tried, id="dish-fixed")
    assert isinstance(stored, Analysis)
    completion = stored.completion
    scored = [token for token in completion.tokens if token.log_prob is not None and token.start < token.stop]
    start = completion.text.index(AVOID, completion.prompt_stop)
    assert sum(token.log_prob or 0.0 for token in scored) == pytest.approx(found["text_log_prob"], abs=1e-4)
    own = sum(token.log_prob or 0.0 for token in scored if token.start >= start)
    assert own == pytest.approx(found["log_prob"], abs=1e-4)


def _read_prompt(id: str) -> str:
    prompts = [json.loads(line) for line in (EXAMPLES / "prompts.jsonl").read_text("utf-8").splitlines()]
    return next(one["prompt"] for one in prompts if one["id"] == id)


def test_the_model_writes_what_it_writes_for_a_prompt_changed_by_hand(promptlight: Command, tried: Path) -> None:
    found = ask(promptlight, tried, *FIXED, "--each", "line")
    (line,) = (one for one in found["parts"] if one["line"] == 9)
    change = f"you don't like.\n{AVOID}\n=>you don't like.\n"
    by_hand = ask(promptlight, tried, *FIXED, "--replace", change)
    assert by_hand["after"]["completion"] == line["completion"]
    assert by_hand["before"]["completion"] == found["completion"]


@pytest.mark.usefixtures("without_model")
def test_another_target_needs_no_model(promptlight: Command, tried: Path) -> None:
    whole = ask(promptlight, tried, *FIXED, "--each", "line")
    first = ask(promptlight, tried, *FIXED, "--each", "line", "--target", 1)
    assert first["target"].startswith("it has")
    assert first["answer"] == first["completion"].strip().split("\n")[0]
    assert [one["completion"] for one in first["parts"]] == [one["completion"] for one in whole["parts"]]
    assert first["text_log_prob"] == pytest.approx(first["log_prob"])  # it begins the completion


def test_anew_and_other_settings_write_again(
    promptlight: Command, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Prompt] = []
    from promptlight.cli.work.live_model import LiveModel

    write = LiveModel.write
    monkeypatch.setattr(
        LiveModel, "write", lambda self, prompts, on_step: (asked.extend(prompts), write(self, prompts, on_step))[1]
    )
    before = ask(promptlight, results, *FIXED, "--each", "section", "--sections", EXAMPLES / "sections.toml")
    n_sections = len(asked)
    assert 1 < n_sections < 1 + len(before["parts"])  # the unchanged prompt was written with the lines
    ask(promptlight, results, *FIXED, "--each", "line", "--max-new-tokens", 3, "-t", 1)
    assert len(asked) == n_sections + 23
    again = ask(promptlight, results, *FIXED, "--each", "line", "--anew")
    assert len(asked) == n_sections + 46
    assert len(again["parts"]) == 22


def test_a_stopped_run_goes_on(
    promptlight: Command, demo_results: Path, tmp_path: Path, tried: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptlight.cli.work.live_model import LiveModel

    results = shutil.copytree(demo_results, tmp_path / "results")
    write, sizes = LiveModel.write, list[int]()

    def stop_at_the_second(self: LiveModel, prompts: Any, on_step: Any) -> Any:
        if len(sizes) == 1:
            sizes.append(0)
            raise KeyboardInterrupt
        sizes.append(len(prompts))
        return write(self, prompts, on_step)

    monkeypatch.setattr(LiveModel, "write", stop_at_the_second)
    stopped = promptlight("try", results, *FIXED, "--each", "line", *CPU)
    assert stopped.exit_code == 130
    assert "stopped by Ctrl-C after 16 of 23 prompts, what was computed is kept" in stopped.stderr
    again = promptlight("try", results, *FIXED, "--each", "line", *CPU, "--json")
    assert "22 lines to try: the model writes 7 completions of at most 24 tokens; 16 written before" in again.stderr
    assert sizes == [16, 0, 7]
    undisturbed = ask(promptlight, tried, *FIXED, "--each", "line")
    for one, other in zip(json.loads(again.stdout)["parts"], undisturbed["parts"], strict=True):
        assert {name: one[name] for name in ("line", "completion", "changed", "distance")} == {
            name: other[name] for name in ("line", "completion", "changed", "distance")
        }
        assert one["text_log_prob"] == pytest.approx(other["text_log_prob"], abs=1e-4)


def test_replacements_are_tried_in_each_part_that_has_them(promptlight: Command, results: Path) -> None:
    swaps = results.parent / "swaps.txt"
    swaps.write_text("Avoid.=>You have to try it.\nQuiche Lorraine=>Onion soup\n", "utf-8")
    found = ask(promptlight, results, *FIXED, "--replace-each", swaps)
    assert [(one["line"], one["replacement"]) for one in found["parts"]] == [
        (9, MISTAKE),
        (27, "Suggestion: Onion soup"),
    ]
    assert (found["parts"][0]["answer"], found["parts"][0]["changed"]) == (MISTAKE, True)
    swaps.write_text("cheese board=>x", "utf-8")
    refused = promptlight("try", results, *FIXED, "--replace-each", swaps, *CPU)
    assert refused.exit_code == 2
    assert "expected 'cheese board' within one line of the prompt, found it in none" in refused.stderr
    assert "--replace-each" in refused.stderr


@pytest.mark.usefixtures("without_model")
def test_the_table_has_a_row_for_each_part(promptlight: Command, results: Path) -> None:
    path = results.parent / "parts.parquet"
    written = promptlight("try", results, *FIXED, "--each", "line", "-o", path, *CPU, "--json")
    assert "22 rows in " in written.stderr
    frame, found = pd.read_parquet(path), json.loads(written.stdout)
    assert list(frame.columns) == parts_schema().names
    assert list(frame["part_line"]) == [one["line"] for one in found["parts"]]
    assert list(frame["changed"]) == [one["changed"] for one in found["parts"]]
    assert set(frame["old_answer"]) == {AVOID}
    texts = dict(zip(frame["part_line"], frame["part_text"], strict=True))
    assert texts[9].strip() == _read_prompt("dish-fixed").split("\n")[8]
    refused = promptlight("try", results, *FIXED, "--each", "line", "-o", path, *CPU)
    assert (refused.exit_code, refused.stdout) == (5, "")


@pytest.mark.usefixtures("without_model")
@pytest.mark.parametrize("width", [50, 80, 120])
def test_what_is_drawn_fits_and_marks_the_parts(promptlight: Command, tried: Path, width: int) -> None:
    found = ask(promptlight, tried, *FIXED, "--each", "line")
    shown = promptlight("try", tried, *FIXED, "--each", "line", *CPU, "--width", width).stdout
    assert max(map(cell_len, shown.splitlines())) <= width
    assert " ".join(found["sentence"].split()) in " ".join(shown.split())
    page, table = shown.split("changes the answer", 1)
    marked = [int(line) for line in re.findall(r"^ +(\d+)  ◆", page, re.M)]
    assert marked == [one["line"] for one in found["parts"] if one["changed"]]
    listed = [int(line) for line in re.findall(r"^ *(\d+) +[-+]?\d+\.\d +[-+]?\d+\.\d +\d+ ", table, re.M)]
    assert set(marked) <= set(listed)
    assert f"{len(found['parts']) - len(listed)} more leave the answer as it is" in table


@pytest.mark.usefixtures("without_model")
def test_colours_go_into_a_file(promptlight: Command, results: Path) -> None:
    path = results.parent / "parts.html"
    assert promptlight("try", results, *FIXED, "--each", "line", *CPU, "--html", path).exit_code == 0
    text = path.read_text("utf-8")
    assert "◆" in text
    assert "old answer" in text
    assert "#ffb300" in text  # the old answer's ground


def test_a_text_is_written_and_tried_and_nothing_is_kept(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = ask(promptlight, "-p", "One apple.\nTwo pears.\nWhy?", "--each", "word", "--max-new-tokens", 4)
    assert [one["text"].strip() for one in found["parts"]] == ["One", "apple.", "Two", "pears.", "Why?"]
    assert found["reproduced"]
    assert list(tmp_path.iterdir()) == []


def test_drawn_texts_are_drawn_as_in_the_run(promptlight: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    drawn = ("--temperature", 0.7, "--seed", 3, "--max-new-tokens", 12)
    assert promptlight("run", EXAMPLES / "prompts.jsonl", "-o", out, *drawn, *FIXED, *CPU).exit_code == 0
    found = ask(promptlight, out, *FIXED, "--each", "paragraph")
    assert found["reproduced"]
    assert [one for one in found["remarks"] if "drawn with a temperature of 0.7" in one]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--each", "line", "--replace", "a=>b"), "--replace: no effect with --each"),
        (("--each", "line", "--by", "word", "--method", "occlusion"), "--by, --method: no effect with --each"),
        (("--replace-each", "x", "--edit", "--foil", "x"), "--edit, --foil: no effect with --each"),
        (("--edit", "--anew", "-o", "x.csv"), "--output, --anew: no effect without --each CUT"),
        (("--each", "line", "--format", "csv"), "--format: no effect without --output FILE"),
        (("--each", "lines"), "did you mean line?"),
        (("--each", "section"), "expected a prompt with sections, found none"),
    ],
)
def test_what_has_no_effect_is_refused(
    promptlight: Command, tried: Path, arguments: tuple[str, ...], says: str
) -> None:
    refused = promptlight("try", tried, *FIXED, *arguments, *CPU)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert says in refused.stderr


def test_a_given_completion_is_refused(promptlight: Command, tmp_path: Path) -> None:
    given = tmp_path / "given.jsonl"
    given.write_text(json.dumps({"id": "g", "prompt": "One.\nTwo.\n", "target": "Three."}), "utf-8")
    out = tmp_path / "out"
    assert promptlight("run", given, "-o", out, "--explain", "target", *CPU).exit_code == 0
    refused = promptlight("try", out, "--each", "line", *CPU)
    assert refused.exit_code == 2
    assert "expected a completion that the model wrote, found the record's own" in refused.stderr
