"""``promptlight summarize`` from outside: what is drawn, what is written, and what is said where nothing is found."""

# pyright: standard

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len

from promptlight.io.tables.tidy import summary_schema
from promptlight.salience.text.printable import one_line
from tests.conftest import Command
from tests.support.databases import read_duckdb, read_sqlite
from tests.support.paths import EXAMPLES

ORDERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SECTIONS = ("--sections", EXAMPLES / "sections.toml", "--group", "section")
ROW = re.compile(r" *(-?[\d.]+)%  +(?:(-?[\d.]+) to (-?[\d.]+)  )? *(\d+)  +(\d+)  (.*)")
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "parquet": pd.read_parquet,
    "csv": lambda path: pd.read_csv(path, keep_default_na=False, na_values={"share_low": "", "share_high": ""}),
    "jsonl": lambda path: pd.read_json(path, lines=True, dtype={"name": str}),
    "arrow": pd.read_feather,
    "sqlite": lambda path: pd.DataFrame(read_sqlite(path, "summary")),
    "duckdb": lambda path: read_duckdb(path, "summary").to_pandas(),
}


def shown_rows(stdout: str) -> list[re.Match[str]]:
    return [row for row in map(ROW.fullmatch, stdout.splitlines()) if row]


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_the_demos_sections_are_named_the_strongest_first(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ids = [part for id in ("dish-mistake", "dish-fixed", "dish-constitution", "chinese") for part in ("--id", id)]
    done = promptlight("summarize", demo_results, *SECTIONS, *ids, "--by", "section", "--target", "Recommendation")
    assert (done.exit_code, done.stderr) == (0, "")
    question, prompts, *_ = done.stdout.splitlines()
    assert question == "Which sections mattered for “Recommendation”?"
    assert prompts == "3 prompts; 1 skipped (no such target)"
    rows = shown_rows(done.stdout)
    assert {row[6] for row in rows} == {"example 1", "example 2", "example 3", "principles", "question", "(no section)"}
    assert [float(row[1]) for row in rows] == sorted((float(row[1]) for row in rows), reverse=True)
    assert sum(int(row[5]) for row in rows) == 3  # a top in each prompt


@pytest.mark.slow
def test_over_all_examples_the_question_comes_first_and_the_examples_follow(
    promptlight: Command, tmp_path: Path
) -> None:
    assert promptlight("run", EXAMPLES / "prompts.jsonl", "-o", tmp_path, "--device", "cpu").exit_code == 0
    asked = (*SECTIONS, "--by", "section", "--target-by", "section", "--target", "Recommendation")
    done = promptlight("summarize", tmp_path, *asked)
    found = {row[6].split("  ")[0]: int(row[4]) for row in shown_rows(done.stdout)}
    assert next(iter(found)) == "question"
    assert {name: n for name, n in found.items() if name.startswith("example")} == {
        f"example {n}": 3 for n in (1, 2, 3)
    }


def test_means_are_those_of_the_exported_shares(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    tidy, summary = tmp_path / "lines.parquet", tmp_path / "summary.parquet"
    assert promptlight("export", demo_results, "-o", tidy, "--by", "line").exit_code == 0
    assert promptlight("summarize", demo_results, "-t", "Recommendation", "-o", summary).exit_code == 0
    shares: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in pd.read_parquet(tidy).to_dict("records"):
        if row["target_text"].startswith("Recommendation") and row["source_role"] != "special":
            shares[row["source_text"].strip()][row["id"]] += row["share"]
    found = {row["name"]: row for row in pd.read_parquet(summary).to_dict("records")}
    assert {name: row["n_prompts"] for name, row in found.items()} == {name: len(own) for name, own in shares.items()}
    for name, own in shares.items():
        assert found[name]["mean_share"] == pytest.approx(sum(own.values()) / len(own), abs=1e-6)
        strongest = [max(shares, key=lambda line, id=id: shares[line].get(id, 0)) for id in own]
        assert found[name]["n_top"] == strongest.count(name)


def test_means_by_way_are_those_of_the_exported_shares(
    promptlight: Command, demo_results: Path, tmp_path: Path
) -> None:
    tidy, summary = tmp_path / "lines.parquet", tmp_path / "summary.parquet"
    ids = ("--id", "dish-mistake", "--id", "dish-fixed", "--id", "dish-constitution")
    assert promptlight("export", demo_results, "-o", tidy, "--ways", *ids).exit_code == 0
    done = promptlight("summarize", demo_results, "--way", "through", *ids, "-o", summary, "--group", "line")
    assert done.exit_code == 0
    assert "mattered for the last line of the completion, through the" in done.stdout
    shares: defaultdict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in pd.read_parquet(tidy).to_dict("records"):
        if row["target_text"].startswith("Recommendation") and row["source_role"] == "prompt":
            shares[row["source_line"]][row["id"]] += row["through"]
    for row in pd.read_parquet(summary).to_dict("records"):
        own = shares[int(row["name"])]
        assert row["mean_share"] == pytest.approx(sum(own.values()) / len(own), abs=1e-6)


def test_prompts_that_can_not_be_followed_are_said(promptlight: Command, demo_results: Path) -> None:
    done = promptlight("summarize", demo_results, "--way", "through", "--top", 1)
    assert done.exit_code == 0
    said = " ".join(done.stdout.split())
    assert re.search(r"\d skipped, the first because of [^:]+: expected a target with words of the model", said)
    refused = promptlight("summarize", demo_results, "--way", "through", "--target", 1)
    assert refused.exit_code == 2
    assert "(--target)" in refused.stderr


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("format", list(READERS))
def test_the_file_holds_what_is_shown_and_the_rest(
    promptlight: Command, demo_results: Path, tmp_path: Path, format: str
) -> None:
    path = tmp_path / f"summary.{format}"
    done = promptlight("summarize", demo_results, "-t", "Recommendation", "--top", "3", "-o", path)
    assert (done.exit_code, done.stderr) == (0, "")
    frame = READERS[format](path)
    assert list(frame.columns) == summary_schema().names
    assert done.stdout.endswith(f"\n{len(frame):,} rows in {path}\n")
    assert f"\n{len(frame) - 3} more: " in done.stdout
    rows = shown_rows(done.stdout)
    assert len(rows) == 3
    for row, stored in zip(rows, frame.head(3).to_dict("records"), strict=True):
        assert float(row[1]) == round(100 * stored["mean_share"], 1)
        assert (row[2] is None) == bool(pd.isna(stored["share_low"])) == (stored["n_prompts"] == 1)
        assert row[2] is None or (float(row[2]), float(row[3])) == (
            round(100 * stored["share_low"], 1),
            round(100 * stored["share_high"], 1),
        )
        assert (int(row[4]), int(row[5])) == (stored["n_prompts"], stored["n_top"])
        name, words = re.split("  +", row[6], maxsplit=1)
        assert (name, words.split()) == (one_line(stored["name"]), one_line(stored["top_words"]).split())


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize(
    "options", [["--by", "word"], ["--group", "line"], ["--group", "role"], ["--by", "regex:^S"], []]
)
def test_nothing_runs_over_the_edge_and_no_terminal_is_given_orders(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch, width: int, options: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = promptlight("summarize", demo_results, "--top", "1000", *options)
    assert (done.exit_code, done.stderr) == (0, "")
    assert ORDERS.search(done.stdout) is None
    assert shown_rows(done.stdout) or width < 60
    assert max(map(cell_len, done.stdout.splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_group_has_one_line_and_its_words_another_where_there_is_no_room_beside_it(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = promptlight("summarize", demo_results, "--top", "1000")
    heading, *lines = done.stdout.split("\n\n")[1].splitlines()
    rows = shown_rows("\n".join(lines))
    assert any(line.endswith("…") for line in lines)
    assert len(lines) == len(rows) if width == 120 else len(lines) == 2 * len(rows)
    assert ("strongest words" in heading) == (width == 120)


@pytest.mark.usefixtures("wide")
def test_some_prompts_only(promptlight: Command, demo_results: Path) -> None:
    done = promptlight("summarize", demo_results, "--where", "source=fewshot-fixed")
    assert done.stdout.splitlines()[1] == "1 prompt"
    assert {row[2] for row in shown_rows(done.stdout)} == {None}  # no interval
    done = promptlight("summarize", demo_results, "--id", "dish-fixed", "--id", "dish-mistake")
    assert done.stdout.splitlines()[1] == "2 prompts"


@pytest.mark.parametrize(
    ("options", "exit_code", "says"),
    [
        (["--target", "no such text"], 2, "expected prompts with the target, found none among "),
        (["--where", "source=soup"], 2, "expected results with source=soup, found none; source could be "),
        (["--where", "source"], 2, "expected a condition such as "),
        (["--by", "verse"], 2, "found 'verse'"),
        (["--group", "section"], 2, "expected prompts with sections, found none: give their records `sections`"),
        (
            ["-o", "summary.xlsx"],
            2,
            "expected a file ending in .parquet, .csv, .jsonl, .arrow, .sqlite, .duckdb",
        ),
        (["-o", "-", "--format", "csv"], 2, "expected the name of a file, found -: only `export` writes tables to"),
        (["-o", "mine.csv"], 5, "mine.csv: exists already; choose another file, or allow overwriting (--overwrite)"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line_and_leaves_no_file(
    promptlight: Command,
    demo_results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    exit_code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("mine")
    refused = promptlight("summarize", demo_results, *options)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (exit_code, "", 1)
    assert says in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_an_existing_file_is_replaced_where_asked(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("mine")
    assert promptlight("summarize", demo_results, "-o", path, "-f", "csv", "--overwrite").exit_code == 0
    assert list(pd.read_csv(path).columns) == summary_schema().names


def test_a_summary_is_drawn_into_files(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    svg, html = tmp_path / "lines.svg", tmp_path / "lines.html"
    chosen = ("summarize", demo_results, "-t", "Recommendation", "--svg", svg)
    done = promptlight(*chosen, "--html", html)
    assert (done.exit_code, done.stderr) == (0, "")
    for path in (svg, html):
        assert "lines" in path.read_text("utf-8")
        assert f"{path} (" in done.stdout
    assert promptlight(*chosen).exit_code == 5
    assert promptlight(*chosen, "--overwrite").exit_code == 0
    assert promptlight(*chosen, "--json").exit_code == 2
