"""``promptlight evaluate --regenerate`` from outside: what is tried, printed, written and kept."""

# pyright: standard

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from promptlight.io.results.regenerations import REGENERATED, judgement_schema, read_regenerated
from promptlight.salience import AnalysisOptions, Completion, Model, Prompt
from promptlight.salience.run.batches import complete
from tests.conftest import Command
from tests.support.paths import EXAMPLES
from tests.support.source_code import modules_loaded_by

METHODS = ("grad_l2", "grad_dot_input")
CHOSEN = ("dish-mistake", "headline-buys", "sums-pencils")
REGENERATE = ("--regenerate", "--device", "cpu")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dish with the model's own analysis, a headline without own words, and a single line. For reading only."""
    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("regenerated")
    arguments = ["run", str(EXAMPLES / "prompts.jsonl"), "-o", str(folder / "results"), "--device", "cpu"]
    arguments += [part for id in CHOSEN for part in ("--id", id)]
    arguments += [part for method in METHODS for part in ("--method", method)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def regenerated(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A copy where the parts were taken away, what was printed, and what was said. For reading only."""
    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("regeneration") / "results"
    shutil.copytree(run_folder / "results", folder)
    done = CliRunner().invoke(app, ["evaluate", str(folder), *REGENERATE, "--json"])
    assert done.exit_code == 0, done.output
    return folder, json.loads(done.stdout), done.stderr


@pytest.fixture
def results(regenerated: tuple[Path, dict[str, Any], str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(regenerated[0], tmp_path / "results"))


def test_a_part_is_a_cause_if_the_prompt_edited_by_hand_gives_another_answer(
    regenerated: tuple[Path, dict[str, Any], str], demo_model: Model
) -> None:
    """Prompts are cut with Python's own lines, and the first recommendation of each completion is compared."""
    _, found, _ = regenerated
    dish = next(one for one in found["prompts"] if one["id"] == "dish-mistake")
    lines = _read_prompt("dish-mistake").splitlines(keepends=True)
    numbers = [number for number, line in enumerate(lines) if line.strip()]
    assert [part["line"] for part in dish["parts"]] == [number + 1 for number in numbers]
    texts = ["".join(_without(lines, number)) for number in (-1, *numbers)]
    prompts = [Prompt(id="dish-mistake", text=text) for text in texts]
    written = [one for one in complete(prompts, demo_model, AnalysisOptions()) if isinstance(one, Completion)]
    answer, *others = [re.findall(r"^Recommendation:.*", one.completion_text, re.MULTILINE)[0] for one in written]
    assert dish["answer"] == answer
    assert [part["changed"] for part in dish["parts"]] == [other != answer for other in others]
    assert {part["line"] for part in dish["parts"] if part["changed"]} == {26, 27}


def _read_prompt(id: str) -> str:
    records = map(json.loads, (EXAMPLES / "prompts.jsonl").read_text("utf-8").splitlines())
    return next(record["prompt"] for record in records if record["id"] == id)


def _without(lines: list[str], number: int) -> list[str]:
    """Lines without one; after a blank line or at the start, the blank line below it goes, too."""
    if number < 0:
        return lines
    first = number == 0 or not lines[number - 1].strip()
    below = number + 1 < len(lines) and not lines[number + 1].strip()
    return lines[:number] + lines[number + 1 + (first and below) :]


def test_json_has_every_part_and_every_judgement(regenerated: tuple[Path, dict[str, Any], str]) -> None:
    _, found, said = regenerated
    n_parts = sum(len(one["parts"]) for one in found["prompts"])
    assert said.splitlines()[0] == f"2 prompts, {n_parts} parts: the model writes {2 + n_parts} completions"
    assert (found["n_prompts"], found["n_skipped"], found["settings"]["target"]) == (2, 1, "-1")
    dish = next(one for one in found["prompts"] if one["id"] == "dish-mistake")
    assert [(row["method"], row["way"]) for row in dish["judgements"]] == [
        (method, way) for method in METHODS for way in ("direct", "through", "all")
    ]
    for row in dish["judgements"]:
        top = next(part for part in dish["parts"] if part["line"] == row["top_line"])
        assert (row["first"], row["top_text"]) == (float(top["changed"]), top["text"])
        assert row["random_first"] == pytest.approx(2 / len(dish["parts"]))
    assert dish["found"].startswith("writing again without line 26 or 27 changes “Recommendation: You have to try it.”")


def test_what_was_written_is_kept_and_needs_no_model_again(
    promptlight: Command, regenerated: tuple[Path, dict[str, Any], str], results: Path, tmp_path: Path
) -> None:
    _, found, _ = regenerated
    again = promptlight("evaluate", results, "--regenerate", "--json", "--model", tmp_path / "gone")
    assert (again.exit_code, again.stderr) == (0, "")
    assert json.loads(again.stdout) == found
    assert set(read_regenerated(results)) == {one["id"] for one in found["prompts"]}
    one = promptlight("evaluate", results, *REGENERATE, "--id", "dish-mistake", "--by", "section", "--sections",
                      EXAMPLES / "sections.toml", "--json")  # fmt: skip
    assert one.exit_code == 0, one.stderr
    assert "the model writes" in one.stderr
    assert {part["section"] for part in json.loads(one.stdout)["prompts"][0]["parts"]} >= {"example 1", "question"}
    assert set(read_regenerated(results)) == {"dish-mistake"}  # other settings start over


def test_what_is_kept_is_judged_without_torch(results: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", str(results), "--regenerate"]
    code = f"from promptlight.cli.app import app; app({arguments!r}, standalone_mode=False)"
    assert not modules_loaded_by(code, tmp_path) & {"torch", "keras", "keras_hub"}


def test_a_folder_with_other_results_knows_nothing_of_it(promptlight: Command, results: Path, run_folder: Path) -> None:
    (results / "part-00000.parquet").unlink()
    assert promptlight("run", EXAMPLES / "prompts.jsonl", "-o", results, "--limit", 1, "--device", "cpu").exit_code == 0
    assert dict(read_regenerated(results)) == {}


def test_show_and_report_say_it_of_the_same_target(promptlight: Command, results: Path, tmp_path: Path) -> None:
    said = "tested: writing again without line 26 or 27 changes “Recommendation: You have to try it.”"
    dish = ("show", results, "--id", "dish-mistake", "--width", 100)
    for target in ((), ("--target", "Recommendation"), ("--target", "-1", "--target-by", "line")):
        assert said in " ".join(promptlight(*dish, *target).stdout.split())
    assert "tested" not in promptlight(*dish, "--target", "1", "--target-by", "line").stdout
    page = tmp_path / "page.html"
    assert promptlight("report", results, "-o", page).exit_code == 0
    assert said in page.read_text("utf-8")
    (results / REGENERATED).write_bytes(b"PAR1 not really")
    damaged = promptlight(*dish)
    assert damaged.exit_code == 0
    assert "regenerated.parquet:notreadable" in "".join(damaged.stdout.split())


def test_the_table_the_file_and_the_picture(
    promptlight: Command, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path, svg = tmp_path / "judged.csv", tmp_path / "judged.svg"
    done = promptlight("evaluate", results, *REGENERATE, "-o", path, "--details")
    assert done.exit_code == 0
    frame = pd.read_csv(path)
    assert list(frame.columns) == judgement_schema().names
    assert set(frame["way"]) == {"direct", "through", "all"}
    lines = done.stdout.splitlines()
    assert lines[0] == "Which lines change the answer when the model writes again without them?"
    assert max(map(len, lines)) <= 80 or any(str(tmp_path) in line for line in lines if len(line) > 80)
    assert "grad_l2 puts first: direct line" in done.stdout
    assert lines[-2:] == [f"saved in {results / REGENERATED}; show and report print it", f"{len(frame)} rows in {path}"]
    assert promptlight("evaluate", results, *REGENERATE, "--svg", svg).exit_code == 0
    assert "own&#160;words" in svg.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--ablate", "drop", "--noisy-texts", 0), "--ablate, --noisy-texts: no effect with --regenerate"),
        (("--random-orders", 3), "--random-orders: no effect with --regenerate"),
        (("--target", "no such text"), "expected prompts to write again, found none among 3 that were explained; "),
        (("--by", "paragraph", "--id", "sums-pencils"), "found only one: choose a finer cut (--by)"),
    ],
)
def test_what_has_no_effect_or_no_parts_is_refused(
    promptlight: Command, run_folder: Path, options: tuple[Any, ...], says: str
) -> None:
    refused = promptlight("evaluate", run_folder / "results", *REGENERATE, *options)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert says in refused.stderr
    assert not (run_folder / "results" / REGENERATED).exists()


def test_a_benchmark_has_nothing_to_write_again(promptlight: Command) -> None:
    refused = promptlight("evaluate", "--benchmark", "hops", "--regenerate")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--regenerate: no effect on a --benchmark" in refused.stderr
