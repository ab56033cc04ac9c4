"""SQLite and DuckDB files: they hold what the Parquet table holds, and the prompts and tokens beside it."""

# pyright: standard

from __future__ import annotations

import contextlib
import json
import resource
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io.tables.formats import DATABASES, TableFormat, check_output, write_rows
from promptlight.io.tables.kinds import TableKind
from promptlight.io.tables.prompts import prompts_schema, tokens_schema
from promptlight.io.tables.tidy import tidy_schema, write_tidy_table
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.explain.span_scores import build_span_table
from promptlight.salience.types import Analysis, Granularity, Section, SpanTable, Turn
from tests.support.databases import read_duckdb, read_sqlite
from tests.support.results import analysis, write

TABLES = {"scores": tidy_schema, "prompts": prompts_schema, "tokens": tokens_schema}


def make(id: str, seed: int = 0) -> Analysis:
    """An analysis whose prompt is a chat with sections."""
    made = analysis(id, seed=seed)
    prompt = replace(
        made.completion.prompt,
        turns=(Turn(role="user", start=0, stop=10),),
        sections=(Section(name='the "é"', start=1, stop=4),),
    )
    return replace(made, completion=replace(made.completion, prompt=prompt))


def with_tables(*analyses: Analysis) -> Iterator[tuple[Analysis, SpanTable]]:
    for one in analyses:
        yield one, build_span_table(one, targets=Granularity.TOKEN, sources=Granularity.TOKEN)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a table in each format, and the results as ``run`` writes them."""
    analyses = [make("a"), make('é\' "b"', seed=1)]
    for name in ("t.parquet", "t.sqlite", "t.duckdb"):
        write_tidy_table(tmp_path / name, with_tables(*analyses))
    write(tmp_path / "results", *analyses)
    return tmp_path


def test_scores_are_those_of_the_parquet_table_to_the_last_digit(made: Path) -> None:
    parquet = pq.read_table(made / "t.parquet")
    assert read_duckdb(made / "t.duckdb").to_pylist() == parquet.to_pylist()
    assert read_sqlite(made / "t.sqlite") == parquet.to_pylist()
    assert parquet.num_rows > 20


def test_types_stay_in_duckdb(made: Path) -> None:
    for name, schema in TABLES.items():
        found = read_duckdb(made / "t.duckdb", name).schema
        assert [(field.name, field.type) for field in found] == [(field.name, field.type) for field in schema()]


def test_prompts_and_tokens_are_those_of_the_results_folder(made: Path) -> None:
    stored = pq.read_table(made / "results" / "part-00000.parquet").to_pylist()
    prompts = [{name: row[name] for name in prompts_schema().names} for row in stored]
    assert read_duckdb(made / "t.duckdb", "prompts").to_pylist() == prompts
    assert prompts[0]["sections"] == [{"name": 'the "é"', "start": 1, "stop": 4}]
    for row in prompts:
        for name in ("turns", "sections", "foil_tokens"):
            row[name] = None if row[name] is None else json.dumps(row[name], ensure_ascii=False)
    assert read_sqlite(made / "t.sqlite", "prompts") == prompts
    tokens = [
        {"id": row["id"], "position": position, "token_id": token.pop("id")} | token
        for row in stored
        for position, token in enumerate(row["tokens"])
    ]
    assert read_duckdb(made / "t.duckdb", "tokens").to_pylist() == tokens
    assert read_sqlite(made / "t.sqlite", "tokens") == tokens


def test_sqlite_links_scores_to_their_prompts(made: Path) -> None:
    with contextlib.closing(sqlite3.connect(made / "t.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in ("scores", "tokens"):
            keys = database.execute(f"PRAGMA foreign_key_list({table})").fetchall()
            assert [key[2:5] for key in keys] == [("prompts", "id", "id")]
            plan = database.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE id = 'a'").fetchall()
            assert f"USING INDEX {table}_id" in plan[0][3]
        (spelled,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'prompts'").fetchone()
    assert "TEXT NOT NULL PRIMARY KEY, -- the record's id" in spelled


def test_duckdb_says_what_columns_are_and_keeps_ids_apart(made: Path) -> None:
    with duckdb.connect(made / "t.duckdb") as database:
        comments = database.execute("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")
        found = {(table, name): comment for table, name, comment in comments.fetchall()}
        with pytest.raises(duckdb.ConstraintException):
            database.execute("INSERT INTO prompts SELECT * FROM prompts")
    schemas = {table: schema() for table, schema in TABLES.items()}
    said = {(table, one.name): one.metadata[b"description"].decode() for table in schemas for one in schemas[table]}
    assert found == said


NUMBERS = pa.schema(
    [("text", pa.string()), ("half", pa.float32()), ("exact", pa.float64()), ("whole", pa.int64()), ("yes", pa.bool_())]
)


@pytest.mark.parametrize("format", DATABASES)
def test_values_come_back_as_they_were(tmp_path: Path, format: TableFormat) -> None:
    rows = [
        {"text": "a\0b; DROP TABLE kept; --", "half": 0.1, "exact": 1e-310, "whole": 2**63 - 1, "yes": True},
        {"text": "好\u2028\n'\"", "half": float("inf"), "exact": 0.1, "whole": -(2**63), "yes": False},
        {"text": "", "half": None, "exact": None, "whole": None, "yes": None},
        dict.fromkeys(NUMBERS.names),
    ]
    path = tmp_path / f"t.{format}"
    assert write_rows(path, TableKind(name="kept", schema=NUMBERS), rows) == 4
    expected = pa.Table.from_pylist(rows, schema=NUMBERS).to_pylist()
    found = read_sqlite(path, "kept") if format is TableFormat.SQLITE else read_duckdb(path, "kept").to_pylist()
    assert found == expected


def test_what_is_no_number_is_null_in_sqlite_only(tmp_path: Path) -> None:
    kind = TableKind(name="kept", schema=pa.schema([("half", pa.float32())]))
    for name in ("t.sqlite", "t.duckdb"):
        write_rows(tmp_path / name, kind, [{"half": float("nan")}])
    assert read_sqlite(tmp_path / "t.sqlite", "kept") == [{"half": None}]
    (value,) = read_duckdb(tmp_path / "t.duckdb", "kept")["half"].to_pylist()
    assert value != value


def test_a_type_that_sqlite_would_change_is_refused(tmp_path: Path) -> None:
    kind = TableKind(name="kept", schema=pa.schema([("when", pa.timestamp("us"))]))
    with pytest.raises(TypeError, match=r"expected a type that SQLite can keep, found timestamp\[us\]"):
        write_rows(tmp_path / "t.sqlite", kind, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", DATABASES)
def test_no_prompts_make_empty_tables(tmp_path: Path, format: TableFormat) -> None:
    path = tmp_path / f"t.{format}"
    assert write_tidy_table(path, []) == 0
    read = read_sqlite if format is TableFormat.SQLITE else lambda path, name: read_duckdb(path, name).to_pylist()
    assert [read(path, name) for name in TABLES] == [[], [], []]


@pytest.mark.parametrize("format", DATABASES)
def test_two_prompts_of_one_id_are_refused(tmp_path: Path, format: TableFormat) -> None:
    with pytest.raises(OutputError, match="a: expected each id once, found it twice in the results"):
        write_tidy_table(tmp_path / f"t.{format}", with_tables(make("a"), make("a", seed=1)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", DATABASES)
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, format: TableFormat) -> None:
    path = tmp_path / f"t.{format}"
    path.write_bytes(b"")
    path.chmod(0o640)
    write_tidy_table(path, with_tables(make("a")), overwrite=True)
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", DATABASES)
def test_a_disk_that_is_full_is_said_and_leaves_nothing(tmp_path: Path, format: TableFormat) -> None:
    kind = TableKind(name="kept", schema=pa.schema([("text", pa.string())]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=rf"t\.{format}: could not be written"):
            write_rows(tmp_path / f"t.{format}", kind, [{"text": str(range(number))} for number in range(10_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t.sqlite-wal", "t.sqlite-journal", "t.duckdb.wal"])
def test_the_log_of_an_open_database_is_not_taken_for_ones_own(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(OutputError, match=f"{name}: another program has this database open, or ended without"):
        check_output(tmp_path / name.removesuffix("-wal").removesuffix("-journal").removesuffix(".wal"))


def test_without_duckdb_its_files_are_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"expected DuckDB, found none; pip install 'promptlight\[duckdb\]'"):
        check_output(tmp_path / "t.duckdb")
    assert check_output(tmp_path / "t.sqlite") is TableFormat.SQLITE
