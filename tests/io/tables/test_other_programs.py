"""Other programs read a results folder by the lines of docs/tables.md, with an evaluation in it, too."""

# pyright: standard

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io.results.shards import EVALUATION_FOLDER
from tests.support.paths import DOCS
from tests.support.results import analysis, write

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``results/`` in the current folder holds: three prompts in two files, and an evaluation."""
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "results", analysis("a"), analysis("b", seed=1), analysis("c", seed=2))
    (folder / EVALUATION_FOLDER).mkdir()
    pq.write_table(pa.table({"id": ["a"]}), folder / EVALUATION_FOLDER / "evaluation.parquet")
    (folder / EVALUATION_FOLDER / "why.json").write_text("{}")
    shards = sorted(folder.glob("*.parquet"))
    assert len(shards) == 2
    return [row for shard in shards for row in pq.read_table(shard).to_pylist()]


def test_the_lines_of_the_docs_read_prompts_and_tokens(stored: list[dict[str, Any]]) -> None:
    found: dict[str, Any] = {}
    for block in BLOCK.findall((DOCS / "tables.md").read_text(encoding="utf-8")):
        exec(block, found)
    tokens = [(row["id"], token["id"], token["piece"]) for row in stored for token in row["tokens"]]
    names = ["id", "tokens.id", "tokens.piece"]
    assert found["in_pandas"]["id"].tolist() == ["a", "b", "c"]
    assert found["in_polars"].to_dicts() == stored
    assert found["in_duckdb"].to_arrow_table().to_pylist() == stored
    assert list(map(tuple, found["tokens_in_pandas"][names].to_numpy())) == tokens
    assert found["tokens_in_polars"].select(names).rows() == tokens
    assert found["tokens_in_duckdb"].project('id, "tokens.id", "tokens.piece"').fetchall() == tokens


def test_datasets_reads_a_results_folder(
    stored: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the rows, though there is an evaluation, whose name it would take for a split of tests."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset  # where it keeps data, it reads from the environment

    lines = re.findall(r"`(load_dataset\(.*?)\)`", (DOCS / "tables.md").read_text(encoding="utf-8"))
    assert len(lines) == 2
    for number, line in enumerate(lines):
        found = eval(f"{line}, cache_dir={str(tmp_path / str(number))!r})", {"load_dataset": load_dataset})
        assert found.to_list() == stored
