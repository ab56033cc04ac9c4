"""A table says where its results come from: in a file's metadata, or in a table of its own."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io.results.facts import RunFacts
from promptlight.io.tables.facts import METADATA_KEY, facts_schema
from promptlight.io.tables.parts import write_parts
from promptlight.io.tables.tidy import write_summary, write_tidy_table
from promptlight.salience.explain.span_scores import build_span_table
from promptlight.salience.types import Granularity
from tests.support.databases import read_duckdb, read_sqlite
from tests.support.results import analysis

FACTS = RunFacts(
    model="demo",
    preset="demo",
    dtype="float32",
    chat=True,
    finished="2026-11-27T18:30:05Z",
    settings={"methods": ["grad_l2"], "foil": "é"},
    versions={"promptlight": "0.1.0"},
)


def write_scores(path: Path, facts: RunFacts | None = FACTS) -> Path:
    one = analysis("a")
    table = build_span_table(one, targets=Granularity.TOKEN, sources=Granularity.TOKEN)
    assert write_tidy_table(path, [(one, table)], facts=facts) > 3  # the rows of scores alone
    return path


def test_files_have_them_in_their_metadata(tmp_path: Path) -> None:
    schemas = [pq.read_schema(write_scores(tmp_path / "t.parquet"))]
    with pa.OSFile(str(write_scores(tmp_path / "t.arrow"))) as file, pa.ipc.open_file(file) as reader:
        schemas.append(reader.schema)
    for schema in schemas:
        assert json.loads((schema.metadata or {})[METADATA_KEY]) == FACTS.describe()
        assert schema.field("score").metadata  # descriptions stay
    plain = pq.read_schema(write_scores(tmp_path / "plain.parquet", None))
    assert METADATA_KEY not in (plain.metadata or {})


def read_facts_table(path: Path) -> list[dict[str, Any]]:
    rows = read_duckdb(path, "facts").to_pylist() if path.suffix == ".duckdb" else read_sqlite(path, "facts")
    return [dict(row) for row in rows]


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
def test_databases_have_a_table(tmp_path: Path, ending: str) -> None:
    (row,) = read_facts_table(write_scores(tmp_path / f"t.{ending}"))
    assert list(row) == facts_schema().names
    nested = {name: json.loads(row[name]) for name in ("settings", "versions")}
    assert row | nested | {"chat": bool(row["chat"])} == FACTS.describe()
    summary, parts = tmp_path / f"s.{ending}", tmp_path / f"p.{ending}"
    write_summary(summary, [], facts=FACTS)
    write_parts(parts, [], facts=FACTS)
    assert read_facts_table(summary) == read_facts_table(parts) == [row]


def test_csv_has_no_place_for_them(tmp_path: Path) -> None:
    with_facts, without = write_scores(tmp_path / "a.csv"), write_scores(tmp_path / "b.csv", None)
    assert with_facts.read_bytes() == without.read_bytes()


def test_every_fact_is_a_column() -> None:
    assert set(facts_schema().names) == FACTS.describe().keys()
    assert all(field.metadata[b"description"] for field in facts_schema())
