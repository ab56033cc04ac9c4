"""``promptlight export`` from outside: one tidy table that common tools read, and never a file lost."""

# pyright: standard

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promptlight.io import read_results
from promptlight.io.tables.tidy import tidy_schema
from promptlight.salience import Analysis
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.explain.span_scores import build_span_table
from promptlight.salience.types import Granularity, Prompt, Way
from tests.conftest import Command
from tests.support.databases import read_duckdb, read_sqlite
from tests.support.handmade import make_analysis, make_completion
from tests.support.results import write

READERS: dict[str, Any] = {
    "parquet": pd.read_parquet,
    "csv": lambda path: pd.read_csv(path, keep_default_na=False),
    "jsonl": lambda path: pd.read_json(path, lines=True, dtype={"target_text": str, "source_text": str}),
    "arrow": pd.read_feather,
    "sqlite": lambda path: pd.DataFrame(read_sqlite(path)),
    "duckdb": lambda path: read_duckdb(path).to_pandas(),
}


BY_LINE = ("--by", "line", "--target-by", "line")


@pytest.fixture(scope="module")
def analyses(demo_results: Path) -> dict[str, Analysis]:
    return {one.completion.prompt.id: one for one in read_results(demo_results) if isinstance(one, Analysis)}


@pytest.mark.parametrize("by", list(Granularity))
def test_a_row_is_a_target_span_and_an_earlier_source_span(
    promptlight: Command, demo_results: Path, tmp_path: Path, analyses: dict[str, Analysis], by: Granularity
) -> None:
    path = tmp_path / "spans.parquet"
    done = promptlight("export", demo_results, "-o", path, "--by", by, "--target-by", by)
    frame = pd.read_parquet(path)
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{len(frame):,} rows in {path}\n", "")
    assert list(frame.columns) == tidy_schema().names
    assert set(frame["id"]) == set(analyses)  # what was skipped has no rows
    for id, analysis in analyses.items():
        table = build_span_table(analysis, targets=by, sources=by)
        own = frame[frame["id"] == id]
        earlier = [source.stop <= target.start for target in table.targets for source in table.sources]
        assert len(own) == sum(earlier)
        assert own["score"].tolist() == table.scores.ravel()[earlier].tolist()


@pytest.mark.parametrize("format", ["csv", "jsonl", "arrow", "sqlite", "duckdb"])
def test_every_format_holds_the_same_texts_and_numbers(
    promptlight: Command, demo_results: Path, tmp_path: Path, format: str
) -> None:
    frames: list[pd.DataFrame] = []
    for name in ("parquet", format):
        assert promptlight("export", demo_results, "-o", tmp_path / f"spans.{name}").exit_code == 0
        frames.append(READERS[name](tmp_path / f"spans.{name}"))
    parquet, other = frames
    for column in ("id", "target_text", "source_text", "source_role", "target_number", "source_number"):
        assert other[column].tolist() == parquet[column].tolist()
    for column in ("score", "share"):
        assert other[column].tolist() == pytest.approx(parquet[column].tolist(), rel=1e-6)


def test_lines_are_the_default_and_a_format_can_be_named(
    promptlight: Command, demo_results: Path, tmp_path: Path
) -> None:
    named, plain = tmp_path / "spans.txt", tmp_path / "spans.csv"
    assert promptlight("export", demo_results, "-o", named, "--format", "csv", *BY_LINE).exit_code == 0
    assert promptlight("export", demo_results, "-o", plain).exit_code == 0
    assert named.read_bytes() == plain.read_bytes()


def test_an_existing_file_is_replaced_only_where_asked(
    promptlight: Command, demo_results: Path, tmp_path: Path
) -> None:
    path = tmp_path / "spans.csv"
    path.write_text("mine")
    refused = promptlight("export", demo_results, "-o", path)
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert (
        refused.stderr
        == f"promptlight: {path}: exists already; choose another file, or allow overwriting (--overwrite)\n"
    )
    assert path.read_text() == "mine"
    assert promptlight("export", demo_results, "-o", path, "--overwrite").exit_code == 0
    assert path.read_text() != "mine"


def test_what_cannot_be_exported_leaves_no_file(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    for folder, name, exit_code, says in (
        (
            demo_results,
            "spans.xlsx",
            2,
            "expected a file ending in .parquet, .csv, .jsonl, .arrow, .sqlite, .duckdb, or a format (--format)",
        ),
        (tmp_path / "nowhere", "spans.csv", 5, "no such results folder"),
    ):
        refused = promptlight("export", folder, "-o", tmp_path / name)
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (exit_code, "", 1)
        assert says in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--id", "chinese"], {"chinese"}),
        (["--id", "chinese", "--id", "dish-fixed"], {"chinese", "dish-fixed"}),
        (["--where", "source=fewshot-fixed"], {"dish-fixed"}),
        (["--where", "id=dish-mistake"], {"dish-mistake"}),
        (["--where", "note=the first example recommends what the guest does not like"], {"dish-mistake"}),
        (["--id", "dish-mistake", "--id", "dish-fixed", "--where", "source=fewshot-fixed"], {"dish-fixed"}),
    ],
)
def test_only_what_is_asked_for_is_exported(
    promptlight: Command, demo_results: Path, tmp_path: Path, options: list[str], ids: set[str]
) -> None:
    everything, some = tmp_path / "all.parquet", tmp_path / "some.parquet"
    assert promptlight("export", demo_results, "-o", everything, "--by", "line").exit_code == 0
    assert promptlight("export", demo_results, "-o", some, "--by", "line", *options).exit_code == 0
    frame = pd.read_parquet(everything)
    expected = frame.loc[frame["id"].isin(list(ids))].reset_index(drop=True)
    assert set(expected["id"]) == ids
    pd.testing.assert_frame_equal(pd.read_parquet(some), expected)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--id", "dish-changed"],
            "expected results with id=dish-changed, found none; id could be dish-mistake, dish-fi",
        ),
        (["--where", "source=soup"], "with source=soup, found none; source could be fewshot-mistake, "),
        (["--where", "nose=1"], "no result has a field 'nose': it could be "),
        (
            ["--id", "chinese", "--where", "source=fewshot-fixed"],
            "with id=chinese and source=fewshot-fixed, found none",
        ),
        (["--id", "null-prompt"], "null-prompt was skipped: "),
        (["--where", "source"], "expected a condition such as source=fewshot-mistake, found 'source'"),
    ],
)
def test_where_nothing_matches_it_is_said_what_there_is(
    promptlight: Command, demo_results: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    refused = promptlight("export", demo_results, "-o", tmp_path / "spans.csv", *options)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert says in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_top_keeps_so_many_sources_of_each_target(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    everything, some = tmp_path / "all.parquet", tmp_path / "some.parquet"
    assert promptlight("export", demo_results, "-o", everything).exit_code == 0
    assert promptlight("export", demo_results, "-o", some, "--top", "2").exit_code == 0
    scores: dict[tuple[str, int], list[float]] = {}
    for row in pd.read_parquet(everything).to_dict("records"):
        if row["source_role"] != "special":
            scores.setdefault((row["id"], row["target_number"]), []).append(row["score"])
    kept: dict[tuple[str, int], list[float]] = {}
    for row in pd.read_parquet(some).to_dict("records"):
        kept.setdefault((row["id"], row["target_number"]), []).append(row["score"])
    assert {place: sorted(found) for place, found in kept.items()} == {
        place: sorted(sorted(found)[-2:]) for place, found in scores.items()
    }


def test_the_rows_of_one_target_are_those_of_the_whole_table(
    promptlight: Command, demo_results: Path, tmp_path: Path
) -> None:
    every, some = tmp_path / "every.parquet", tmp_path / "some.parquet"
    assert promptlight("export", demo_results, "-o", every).exit_code == 0
    done = promptlight("export", demo_results, "-o", some, "--target", "Recommendation: [A-Y]", "--top", 2)
    whole, frame = pd.read_parquet(every), pd.read_parquet(some)
    chosen = whole[whole["target_text"].str.match("Recommendation: [A-Y]")]
    assert set(frame["target_number"]) == set(chosen["target_number"])
    assert set(frame["id"]) == set(chosen["id"])
    keys = ["id", "target_number", "source_number", "score", "share"]
    assert len(frame.merge(chosen, on=keys)) == len(frame) == 2 * chosen.groupby("id").ngroups
    n_without = whole["id"].nunique() - frame["id"].nunique()
    assert done.stdout == f"{len(frame)} rows in {some}; {n_without} prompts skipped (no such target)\n"


@pytest.mark.parametrize("target_by", ["line", "word"])
def test_shares_by_way_add_up_to_the_target(
    promptlight: Command, demo_results: Path, tmp_path: Path, target_by: str
) -> None:
    path = tmp_path / "ways.parquet"
    assert promptlight("export", demo_results, "-o", path, "--ways", "--target-by", target_by).exit_code == 0
    sums: defaultdict[tuple[str, int], dict[str, float]] = defaultdict(lambda: {"through": 0.0, "total": 0.0})
    for row in pd.read_parquet(path).to_dict("records"):
        assert row["direct"] + row["through"] == pytest.approx(row["total"], abs=1e-6)
        if row["source_role"] == "prompt":
            for name, summed in sums[row["id"], row["target_number"]].items():
                sums[row["id"], row["target_number"]][name] = summed + row[name]
    assert [one["total"] for one in sums.values()] == pytest.approx([1] * len(sums), abs=1e-4)
    assert max(one["through"] for one in sums.values()) > 0.01
    # nothing that the model wrote comes before the first
    assert not any(one["through"] for (_, number), one in sums.items() if number == 1)


def test_the_ways_of_a_target_are_those_that_show_has(
    promptlight: Command, demo_results: Path, tmp_path: Path, analyses: dict[str, Analysis]
) -> None:
    path = tmp_path / "ways.parquet"
    options = ("--ways", "--through-by", "word", "--target", "Recommendation")
    assert promptlight("export", demo_results, "-o", path, *options, "--id", "dish-mistake").exit_code == 0
    frame = pd.read_parquet(path)
    question = Question(target="Recommendation", way=Way.ALL, through_by=Granularity.WORD)
    through = explain_target(analyses["dish-mistake"], question).through
    assert through
    for name in ("direct", "through", "total"):
        expected = getattr(through, name)[frame["source_number"] - 1]
        assert frame[name].to_numpy() == pytest.approx(expected, abs=1e-6)


def test_without_ways_their_columns_are_empty(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    assert promptlight("export", demo_results, "-o", tmp_path / "x.parquet").exit_code == 0
    rows = pd.read_parquet(tmp_path / "x.parquet").to_dict("records")
    assert all(pd.isna(row[name]) for row in rows for name in ("direct", "through", "total"))


def test_prompts_that_can_not_be_followed_have_no_shares_by_way(promptlight: Command, tmp_path: Path) -> None:
    completion = make_completion(["a\n", "b\n"], ["c\n", "d"])
    lines = make_analysis(completion, exact=(Granularity.LINE,), with_tokens=False)
    write(tmp_path / "out", lines)
    refused = promptlight("export", tmp_path / "out", "-o", tmp_path / "x.csv", "--ways")
    assert refused.exit_code == 2
    assert "expected targets that can be followed back, found none; by-hand: expected scores of every token" in (
        refused.stderr
    )
    assert "(--through-by)" in refused.stderr
    assert not (tmp_path / "x.csv").exists()
    done = promptlight("export", tmp_path / "out", "-o", tmp_path / "x.csv", "--ways", "--through-by", "line")
    assert (done.exit_code, done.stderr) == (0, "")
    named = make_completion(["a\n", "b\n"], ["c\n", "d"], prompt=Prompt(id="b", text="a\nb\n"))
    write(tmp_path / "both", lines, make_analysis(named))
    done = promptlight("export", tmp_path / "both", "-o", tmp_path / "both.parquet", "--ways")
    assert "without shares by way: 1 prompt; by-hand: expected scores of every token" in done.stdout
    frame = pd.read_parquet(tmp_path / "both.parquet").groupby("id")["total"].count()
    assert (frame["by-hand"], frame["b"] > 0) == (0, True)


def test_means_and_maxima_can_not_be_followed(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    refused = promptlight("export", demo_results, "-o", tmp_path / "x.csv", "--ways", "--pool", "max")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "only sums can be passed on (--pool)" in refused.stderr


def test_a_target_that_no_prompt_has_makes_no_file(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    refused = promptlight("export", demo_results, "-o", tmp_path / "x.csv", "--target", "no such text")
    assert refused.exit_code == 2
    assert "expected prompts with the target 'no such text', found none; dish-mistake: target" in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "arrow"])
def test_standard_output_gets_the_bytes_of_the_file(demo_results: Path, tmp_path: Path, format: str) -> None:
    command = (sys.executable, "-m", "promptlight", "export", demo_results, "--id", "dish-fixed", "-o")
    subprocess.run([*command, tmp_path / f"table.{format}"], check=True, capture_output=True)
    piped = subprocess.run([*command, "-", "--format", format], check=True, capture_output=True, cwd=tmp_path)
    if format != "arrow":  # whose files differ from one to the next
        assert piped.stdout == (tmp_path / f"table.{format}").read_bytes()
    says_model = "; run on 20" in piped.stderr.decode()
    assert says_model == (format in ("csv", "jsonl"))  # the others say it themselves
    assert [path.name for path in tmp_path.iterdir()] == [f"table.{format}"]


def test_standard_output_needs_a_format_and_a_terminal_a_text(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnamed = promptlight("export", demo_results, "-o", "-")
    assert (unnamed.exit_code, unnamed.stdout) == (2, "")
    assert "expected a format for standard output" in unnamed.stderr
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    bytes_there = promptlight("export", demo_results, "-o", "-", "--format", "parquet")
    assert (bytes_there.exit_code, bytes_there.stdout) == (2, "")
    assert "expected a pipe or a file for parquet, found a terminal" in bytes_there.stderr


def test_a_table_for_excel_begins_with_a_byte_order_mark(
    promptlight: Command, demo_results: Path, tmp_path: Path
) -> None:
    for name, format in (("plain.csv", "csv"), ("excel.csv", "excel-csv")):
        assert promptlight("export", demo_results, "-o", tmp_path / name, "--format", format).exit_code == 0
    assert (tmp_path / "excel.csv").read_bytes().startswith("\ufeff".encode())
    plain, excel = (pd.read_csv(tmp_path / name, keep_default_na=False) for name in ("plain.csv", "excel.csv"))
    pd.testing.assert_frame_equal(excel, plain)
