"""Tidy tables: what other programs read is what was computed."""

# pyright: standard

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io.results.schema import build_schema
from promptlight.io.tables.formats import TableFormat, guess_format, write_tables
from promptlight.io.tables.kinds import TableKind
from promptlight.io.tables.tidy import summary_schema, tidy_schema, to_tidy, write_tidy_table
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.explain.span_scores import build_span_table, share
from promptlight.salience.types import Analysis, Granularity, Method, Prompt, Role, SpanTable
from tests.support.databases import read_duckdb, read_sqlite
from tests.support.handmade import make_analysis, make_completion

READERS: dict[TableFormat, Callable[[Path], pd.DataFrame]] = {
    TableFormat.PARQUET: pd.read_parquet,
    TableFormat.CSV: pd.read_csv,
    TableFormat.EXCEL_CSV: pd.read_csv,
    TableFormat.JSONL: lambda path: pd.read_json(path, lines=True),
    TableFormat.ARROW: pd.read_feather,
    TableFormat.SQLITE: lambda path: pd.DataFrame(read_sqlite(path)).replace({None: np.nan}),
    TableFormat.DUCKDB: lambda path: read_duckdb(path).to_pandas(),
}


def analysis(id: str, method: Method = Method.GRAD_L2, seed: int = 0) -> Analysis:
    prompt = Prompt(id=id, text=' Buy "eggs",\r\n 好\u2028', label="menu, of today")
    completion = make_completion(
        ["<bos>", "▁Buy", '▁"', "eggs", '",', "\r\n", "▁好", "\u2028"],
        ["▁oat", "s", ",", "\n", "▁<0xF0>", '▁"it"', "<eos>"],
        prompt=prompt,
    )
    return make_analysis(completion, method=method, seed=seed)


def with_table(analysis: Analysis, by: Granularity = Granularity.WORD) -> tuple[Analysis, SpanTable]:
    return analysis, build_span_table(analysis, targets=by, sources=by)


def broken_tables() -> Iterator[tuple[Analysis, SpanTable]]:
    yield with_table(analysis("a"))
    raise ValueError("a bug")


@pytest.mark.parametrize("format", TableFormat)
@pytest.mark.parametrize("by", Granularity)
def test_pandas_reads_each_format_in_one_line(tmp_path: Path, format: TableFormat, by: Granularity) -> None:
    path = tmp_path / f"table.{format}"
    pairs = [with_table(analysis("first"), by), with_table(analysis("second", seed=1), by)]
    n_rows = write_tidy_table(path, pairs, format=format)
    frame = READERS[format](path)
    assert list(frame.columns) == tidy_schema().names
    assert len(frame) == n_rows > 0
    assert list(frame["id"].unique()) == ["first", "second"]
    assert list(frame["source"].unique()) == ["menu, of today"]
    assert list(frame["method"].unique()) == ["grad_l2"]
    for source, table in pairs:
        rows = [row for row in frame.to_dict(orient="records") if row["id"] == source.completion.prompt.id]
        found = np.zeros(table.scores.shape)
        for row in rows:
            target, column = table.targets[row["target_number"] - 1], table.sources[row["source_number"] - 1]
            assert (row["target_start"], row["target_stop"]) == (target.start, target.stop)
            assert (row["source_start"], row["source_stop"]) == (column.start, column.stop)
            assert (row["target_text"], row["source_text"]) == (target.text, column.text)
            assert row["source_role"] == column.role.value
            assert row["exact"] == table.exact
            found[row["target_number"] - 1, row["source_number"] - 1] = row["score"]
        np.testing.assert_allclose(found, table.scores, rtol=1e-6)


@pytest.mark.parametrize("by", Granularity)
def test_each_target_has_a_row_for_each_source_before_it_and_no_more(by: Granularity) -> None:
    source, table = with_table(analysis("a"), by)
    frame = to_tidy(source, table).to_pandas()
    expected = [
        (number, column.number + 1)
        for number, target in enumerate(table.targets, 1)
        for column in table.sources
        if column.stop <= target.start
    ]
    assert list(zip(frame["target_number"], frame["source_number"], strict=True)) == expected


@pytest.mark.parametrize("method", [Method.GRAD_L2, Method.GRAD_DOT_INPUT])
@pytest.mark.parametrize("by", Granularity)
def test_shares_of_visible_sources_make_a_whole(method: Method, by: Granularity) -> None:
    source, table = with_table(analysis("a", method), by)
    frame = to_tidy(source, table).to_pandas()
    special = frame["source_role"] == "special"
    assert special.any()
    assert (frame.loc[special, "share"] == 0).all()
    sizes = frame["share"].abs().groupby(frame["target_number"]).sum()
    assert sizes.tolist() == pytest.approx([1] * len(table.targets), abs=1e-6)
    assert (np.sign(frame.loc[~special, "share"]) == np.sign(frame.loc[~special, "score"])).all()
    visible = np.array([column.role is not Role.SPECIAL for column in table.sources])
    for number, scores in enumerate(table.scores, 1):  # the same as on the screen
        rows = frame[frame["target_number"] == number]
        np.testing.assert_allclose(rows["share"], share(scores, visible)[rows["source_number"] - 1], rtol=1e-5)


def test_all_scores_zero_give_shares_of_zero() -> None:
    source, table = with_table(analysis("a"))
    frame = to_tidy(source, dataclasses.replace(table, scores=np.zeros_like(table.scores))).to_pandas()
    assert len(frame) > 0
    assert (frame["share"] == 0).all()


def test_a_prompt_without_a_label_has_none(tmp_path: Path) -> None:
    source = make_analysis(make_completion(["<bos>", "a"], ["▁b"]))
    write_tidy_table(tmp_path / "t.parquet", [with_table(source)])
    assert set(pq.read_table(tmp_path / "t.parquet")["source"].to_pylist()) == {None}


@pytest.mark.parametrize("format", TableFormat)
def test_no_targets_give_no_rows(tmp_path: Path, format: TableFormat) -> None:
    empty = make_analysis(make_completion(["<bos>", "a"], ["<eos>"]))
    path = tmp_path / f"table.{format}"
    assert write_tidy_table(path, [with_table(empty), with_table(analysis("a"))], format=format) > 0
    assert set(READERS[format](path)["id"]) == {"a"}


@pytest.mark.parametrize("format", [TableFormat.PARQUET, TableFormat.CSV, TableFormat.ARROW])
def test_no_prompts_still_give_columns(tmp_path: Path, format: TableFormat) -> None:
    path = tmp_path / f"table.{format}"
    assert write_tidy_table(path, []) == 0
    assert list(READERS[format](path).columns) == tidy_schema().names


def test_the_same_table_in_each_format(tmp_path: Path) -> None:
    frames: list[pd.DataFrame] = []
    for format, read in READERS.items():
        pairs = [with_table(analysis("a", Method.GRAD_DOT_INPUT))]
        write_tidy_table(tmp_path / f"table.{format}", pairs, format=format)
        frames.append(read(tmp_path / f"table.{format}"))
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0], check_dtype=False, rtol=1e-6)


# ---- the strongest only ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Method.GRAD_L2, Method.GRAD_DOT_INPUT])
@pytest.mark.parametrize("top", [1, 2, 100])
def test_top_keeps_the_rows_of_the_strongest_visible_sources_as_they_are(method: Method, top: int) -> None:
    source, table = with_table(analysis("a", method))
    every = to_tidy(source, table).to_pandas()
    sizes = every["score"].abs().tolist()
    visible = [row for row, role in enumerate(every["source_role"]) if role != "special"]
    expected: list[int] = []
    for number in range(1, len(table.targets) + 1):
        own = [row for row in visible if every["target_number"][row] == number]
        assert len(own) > 2
        expected += sorted(sorted(own, key=lambda row: -sizes[row])[:top])
    kept = to_tidy(source, table, top=top).to_pandas()
    pd.testing.assert_frame_equal(kept, every.iloc[expected].reset_index(drop=True))


def test_of_equally_strong_sources_the_first_are_kept() -> None:
    source, table = with_table(analysis("a"))
    frame = to_tidy(source, dataclasses.replace(table, scores=np.ones_like(table.scores)), top=2).to_pandas()
    assert frame["source_number"].tolist() == [2, 3] * len(table.targets)  # the first is <bos>


# ---- many prompts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", TableFormat)
def test_prompts_are_let_go_of_while_others_are_written(tmp_path: Path, format: TableFormat) -> None:
    seen: list[weakref.ref[Analysis]] = []
    n_alive: list[int] = []

    def tables() -> Iterator[tuple[Analysis, SpanTable]]:
        for seed in range(10):
            one = analysis(str(seed), seed=seed)
            n_alive.append(sum(reference() is not None for reference in seen))
            seen.append(weakref.ref(one))
            yield with_table(one)

    write_tidy_table(tmp_path / f"table.{format}", tables(), format=format)
    assert max(n_alive) <= 2


def test_rows_are_let_go_of_once_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.io.tables.formats.WRITE_BYTES", 1)
    seen: list[weakref.ref[pa.Table]] = []
    n_alive: list[int] = []

    def pieces() -> Iterator[tuple[str, pa.Table]]:
        for seed in range(10):
            one = to_tidy(*with_table(analysis(str(seed))))
            n_alive.append(sum(reference() is not None for reference in seen))
            seen.append(weakref.ref(one))
            yield "scores", one

    kind = TableKind(name="scores", schema=tidy_schema())
    assert write_tables(tmp_path / "t.parquet", [kind], pieces()) > 0
    assert max(n_alive) <= 2


def test_small_prompts_are_written_together_and_large_ones_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pairs = tmp_path / "t.parquet", [with_table(analysis(str(seed))) for seed in range(6)]
    write_tidy_table(path, pairs)
    together = pd.read_parquet(path)
    assert pq.ParquetFile(path).num_row_groups == 1
    monkeypatch.setattr("promptlight.io.tables.formats.WRITE_BYTES", 2 * to_tidy(*pairs[0]).nbytes)
    write_tidy_table(path, pairs, overwrite=True)
    assert pq.ParquetFile(path).num_row_groups == 3
    pd.testing.assert_frame_equal(pd.read_parquet(path), together)


# ---- columns --------------------------------------------------------------------------------------------------------


def test_every_column_says_what_it_is() -> None:
    for schema in (tidy_schema(), summary_schema(), build_schema([Method.GRAD_L2])):
        said = [(field.metadata or {}).get(b"description", b"") for field in schema]
        assert [len(text) > 5 for text in said] == [True] * len(schema)
        assert len(set(said)) >= len(said) - 1  # both a target and a source end behind their last token


def test_what_columns_are_is_kept_in_parquet_and_arrow(tmp_path: Path) -> None:
    for name in ("t.parquet", "t.arrow"):
        write_tidy_table(tmp_path / name, [with_table(analysis("a"))])
    with pa.OSFile(str(tmp_path / "t.arrow")) as file:
        stored = [pq.read_schema(tmp_path / "t.parquet"), pa.ipc.open_file(file).schema]
    for schema in stored:
        assert schema.field("share").metadata[b"description"] == tidy_schema().field("share").metadata[b"description"]


# ---- files ----------------------------------------------------------------------------------------------------------


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="exists already; choose another file, or allow overwriting"):
        write_tidy_table(path, [with_table(analysis("a"))])
    assert path.read_text(encoding="utf-8") == "mine"
    n_rows = write_tidy_table(path, [with_table(analysis("a"))], overwrite=True)
    assert len(pd.read_csv(path)) == n_rows
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "table.jsonl"
    write_tidy_table(path, [with_table(analysis("a"))])
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("format", TableFormat)
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, format: TableFormat, overwrite: bool) -> None:
    path = tmp_path / f"table.{format}"
    if overwrite:
        path.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="a bug"):
        write_tidy_table(path, broken_tables(), format=format, overwrite=overwrite)
    assert list(tmp_path.iterdir()) == [path] * overwrite
    assert not overwrite or path.read_text(encoding="utf-8") == "mine"


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "table.csv"


def deep_below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "folder" / "table.csv"


def a_folder(folder: Path) -> Path:
    (folder / "table.csv").mkdir()
    return folder / "table.csv"


def too_long(folder: Path) -> Path:
    return folder / ("x" * 300 + ".csv")


@pytest.mark.parametrize("place", [below_a_file, deep_below_a_file, a_folder, too_long])
def test_a_place_that_can_hold_no_file_is_refused(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    path = place(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="could not be written"):
        write_tidy_table(path, [with_table(analysis("a"))], overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("t.parquet", TableFormat.PARQUET),
        ("t.csv", TableFormat.CSV),
        ("t.jsonl", TableFormat.JSONL),
        ("t.arrow", TableFormat.ARROW),
        ("T.CSV", TableFormat.CSV),
        ("a.b.parquet", TableFormat.PARQUET),
    ],
)
def test_the_ending_says_the_format(name: str, format: TableFormat) -> None:
    assert guess_format(Path(name)) is format


@pytest.mark.parametrize("name", ["t.xlsx", "t", ".csv", "t.csv.gz", "t.json"])
def test_an_unknown_ending_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"expected a file ending in \.parquet, .*, \.duckdb, or a format"):
        write_tidy_table(tmp_path / name, broken_tables())
    assert list(tmp_path.iterdir()) == []


def test_a_format_goes_before_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    n_rows = write_tidy_table(path, [with_table(analysis("a"))], format=TableFormat.CSV)
    assert len(pd.read_csv(path)) == n_rows
