"""Commands on a folder of which a part is damaged: they do what they can, and say what they could not read."""

# pyright: standard

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from promptlight.io.results.shards import find_shards
from tests.conftest import Command


@pytest.mark.parametrize(
    "arguments", [("export", "-o", "out.parquet"), ("report", "-o", "out.html"), ("summarize", "-o", "out.csv")]
)
def test_what_can_be_read_is_used_and_the_rest_is_named(
    promptlight: Command,
    demo_results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results"
    shutil.copytree(demo_results, folder)
    (damaged, *_) = find_shards(folder)  # that of the three dishes
    damaged.write_bytes(damaged.read_bytes()[:-100])
    command, *options = arguments
    done = promptlight(command, folder, *options)
    assert done.exit_code == 5
    assert str(damaged) in done.stderr
    assert "all other results were read" in done.stderr
    written = Path(options[1])
    assert written.exists()
    if written.suffix == ".parquet":
        ids = set(pd.read_parquet(written)["id"])
        assert "chinese" in ids
        assert "dish-mistake" not in ids


@pytest.mark.parametrize("command", [("export", "-o", "out.csv"), ("report", "-o", "out.html"), ("summarize",)])
def test_nothing_chosen_is_said(
    promptlight: Command, demo_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = promptlight(command[0], demo_results, *command[1:], "--where", "source=nobody")
    assert done.exit_code == 2
    assert "source could be " in done.stderr
    assert list(tmp_path.iterdir()) == []
