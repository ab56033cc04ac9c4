"""What commands say of prompts that were tried in the served page, and of those that were asked otherwise."""

# pyright: standard

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.results.tried import Try
from promptlight.io.tables.tidy import summary_schema
from promptlight.salience.types import Method
from tests.conftest import Command
from tests.support.databases import read_sqlite
from tests.support.results import analysis, open_writer, tried, write

FIRST = Try(parent="a", tried="2026-11-27T18:30:05Z", note="without\neggs", author="Ada")
NEW = Try(parent=None, tried="2026-11-28T09:00:00Z")
LINE = "tried on 2026-11-27 at 18:30 UTC by Ada, from a: “without↵eggs”"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two prompts of a run, two that were tried, and one of them asked about otherwise."""
    folder = write(tmp_path / "results", analysis("a"), analysis("b"), tried("a~1", FIRST), tried("new~1", NEW))
    write_otherwise(folder / "_tried" / "grad_l2-margin-00000000")
    return folder


def write_otherwise(folder: Path) -> None:
    with open_writer(folder, objective="margin") as writer:
        writer.add(analysis("a"))


def test_show_says_who_tried_a_prompt_and_from_which_one(promptlight: Command, results: Path):
    shown = promptlight("show", results, "--id", "a~1")
    assert shown.stdout.splitlines()[:2] == ["a~1 (tried)", LINE]
    assert "tried on" not in promptlight("show", results, "--id", "a").stdout
    of_new = promptlight("show", results, "--id", "new~1").stdout.splitlines()[1]
    assert of_new == "tried on 2026-11-28 at 09:00 UTC, a new prompt"


def test_json_of_show_has_the_note_as_it_was_written(promptlight: Command, results: Path):
    assert json.loads(promptlight("show", results, "--id", "a~1", "--json").stdout)["tried"] == FIRST.describe()
    assert json.loads(promptlight("show", results, "--json").stdout)["tried"] is None


def test_list_has_a_line_below_each_tried_prompt(promptlight: Command, results: Path):
    listed = promptlight("list", results).stdout.splitlines()
    below = {row.split()[0]: after.strip() for row, after in pairwise(listed) if row.strip()}
    assert below["a~1"] == LINE
    assert below["a"].startswith("b ")
    assert "4 prompts, 2 of them tried" in listed
    prompts = json.loads(promptlight("list", results, "--json").stdout)["prompts"]
    assert [one["tried"] for one in prompts] == [None, None, FIRST.describe(), NEW.describe()]


def test_list_cuts_a_long_note_off_rather_than_wrap_it(promptlight: Command, tmp_path: Path):
    write(tmp_path, tried("a~1", replace(FIRST, note="很長 " * 100)))
    listed = promptlight("list", tmp_path, "--width", "60").stdout.splitlines()
    assert listed[2].endswith("…")
    assert listed[3] == ""


@pytest.mark.parametrize(
    ("command", "options"),
    [("show", ()), ("list", ()), ("summarize", ()), ("export", ("-o", "table.csv"))],
)
def test_what_was_asked_otherwise_is_named_in_one_line_on_stderr(
    promptlight: Command, results: Path, monkeypatch: pytest.MonkeyPatch, command: str, options: tuple[str, ...]
):
    monkeypatch.chdir(results.parent)
    done = promptlight(command, "results", *options)
    note = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    assert note == [
        "note: some were asked otherwise in the served page; to see that, name its folder:"
        " results/_tried/grad_l2-margin-00000000 (grad_l2, margin)"
    ]
    assert promptlight("list", "results/_tried/grad_l2-margin-00000000").stderr == ""


def test_many_folders_are_named_in_one_line_all_the_same(promptlight: Command, results: Path):
    for number in range(1, 4):
        write_otherwise(results / "_tried" / f"grad_l2-margin-0000000{number}")
    (note,) = promptlight("list", results).stderr.splitlines()
    assert note.endswith(f"(grad_l2, margin, 00000001), and 2 more in {results / '_tried'}")


def test_tried_prompts_are_summarised_apart_from_the_runs_own(promptlight: Command, results: Path, tmp_path: Path):
    alone = write(tmp_path / "alone", analysis("a"), analysis("b"))
    whole = json.loads(promptlight("summarize", results, "--json").stdout)
    own = json.loads(promptlight("summarize", alone, "--json").stdout)
    assert own["tried"] is None
    assert (whole["n_prompts"], whole["groups"]) == (2, own["groups"])
    assert whole["tried"]["n_prompts"] == 2
    drawn = promptlight("summarize", results).stdout.splitlines()
    assert [line for line in drawn if re.fullmatch(r"\d+ (tried )?prompts", line)] == ["2 prompts", "2 tried prompts"]


def test_a_summary_of_tried_prompts_alone_says_so(promptlight: Command, results: Path):
    drawn = promptlight("summarize", results, "--where", "parent=a").stdout.splitlines()
    assert drawn[1] == "1 tried prompt"


def test_the_file_of_a_summary_says_which_rows_are_of_tried_prompts(
    promptlight: Command, results: Path, tmp_path: Path
):
    path = tmp_path / "summary.csv"
    assert promptlight("summarize", results, "-o", path).exit_code == 0
    frame: Any = pd.read_csv(path)
    assert list(frame.columns) == summary_schema().names
    assert frame.groupby("tried")["n_prompts"].max().to_dict() == {False: 2, True: 2}


def test_where_finds_what_was_made_of_a_prompt(promptlight: Command, results: Path):
    for condition, ids in {"parent=a": ["a~1"], "source=tried": ["a~1", "new~1"], "author=Ada": ["a~1"]}.items():
        prompts = json.loads(promptlight("list", results, "--where", condition, "--json").stdout)["prompts"]
        assert [one["id"] for one in prompts] == ids


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "arrow", "sqlite"])
def test_exported_rows_say_how_a_prompt_came_about(promptlight: Command, results: Path, tmp_path: Path, ending: str):
    path = tmp_path / f"table.{ending}"
    assert promptlight("export", results, "-o", path).exit_code == 0
    readers: dict[str, Callable[[], Any]] = {
        "csv": lambda: pd.read_csv(path),
        "parquet": lambda: pd.read_parquet(path),
        "jsonl": lambda: pd.DataFrame(map(json.loads, path.read_text("utf-8").splitlines())),
        "arrow": lambda: pd.read_feather(path),
        "sqlite": lambda: pd.DataFrame(read_sqlite(path, "scores")),
    }
    frame = readers[ending]()
    said = frame.drop_duplicates("id").set_index("id")[["parent", "note", "author", "tried"]]
    said = said.astype(object).where(said.notna(), None)
    assert said.to_dict("index") == {
        "a": dict.fromkeys(FIRST.describe()),
        "b": dict.fromkeys(FIRST.describe()),
        "a~1": FIRST.describe(),
        "new~1": {"parent": None, "note": None, "author": None, "tried": NEW.tried},
    }


@pytest.mark.parametrize(
    ("where", "ids", "n_left_out"), [(None, ["a", "b"], 2), (["source=tried"], ["a~1", "new~1"], 0)]
)
def test_what_was_tried_is_left_out_where_asked_unless_a_condition_chooses_it(
    results: Path, where: list[str] | None, ids: list[str], n_left_out: int
):
    chosen = ChosenResults(results, ids=None, where=where, sections=None, tried=False)
    for _ in range(2):
        assert [one.completion.prompt.id for one in chosen] == ids
        assert chosen.n_left_out == n_left_out


def read_page(path: Path, id: str) -> dict[str, Any]:
    found = re.search(rf'<script type="application/json" id="{id}">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_shows_what_was_asked_otherwise_as_a_source_of_its_own(
    promptlight: Command, results: Path, tmp_path: Path
):
    page = tmp_path / "page.html"
    done = promptlight("report", results, "-o", page)
    assert (done.exit_code, done.stderr) == (0, "")
    everything = read_page(page, "everything")
    assert everything["folders"] == ["results", "grad_l2, margin"]
    names = re.findall(r'{"id":"([^"]*)","label":"[^"]*","source":(\d)', page.read_text("utf-8").replace("&#34;", '"'))
    assert list(dict.fromkeys(names)) == [
        ("a", "0"),
        ("b", "0"),
        ("a~1", "0"),
        ("new~1", "0"),
        ("a (grad_l2, margin)", "1"),
    ]
    assert promptlight("report", results, "-o", tmp_path / "one.html", "--id", "a~1").exit_code == 0


def test_the_page_summarises_tried_prompts_under_their_label_alone(promptlight: Command, results: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    assert promptlight("report", results, "-o", page).exit_code == 0
    summaries = read_page(page, "everything")["summaries"]
    assert {(one["source"], one["label"]): one["prompts"] for one in summaries} == {
        (0, None): 2,
        (0, "menu"): 2,
        (0, "tried"): 2,
    }


def test_a_method_that_only_the_run_has_does_not_stop_the_page(promptlight: Command, results: Path, tmp_path: Path):
    made = analysis("a")
    (found,) = made.maps.values()
    maps = {Method.GRAD_DOT_INPUT: replace(found, method=Method.GRAD_DOT_INPUT)}
    with open_writer(results / "_tried" / "grad_dot_input-logprob-00000000", methods=["grad_dot_input"]) as writer:
        writer.add(replace(made, maps=maps))
    page = tmp_path / "page.html"
    done = promptlight("report", results, "-o", page, "--method", "grad_l2")
    assert (done.exit_code, done.stderr) == (0, "")
    assert read_page(page, "everything")["summaries"]
