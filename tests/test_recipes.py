"""The recipes run as they stand, and all give the same answer: the one that is counted out here."""

# pyright: standard

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.paths import EXAMPLES

RECIPES = sorted((EXAMPLES / "recipes").glob("*.py"))


@pytest.fixture(scope="module")
def lines(demo_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipes ask for, exported from the demo model's results."""
    from typer.testing import CliRunner

    from promptlight.cli.app import app

    path = tmp_path_factory.mktemp("recipes") / "lines.parquet"
    assert CliRunner().invoke(app, ["export", str(demo_results), "-o", str(path), "--by", "line"]).exit_code == 0
    return path


def count_out(path: Path) -> list[str]:
    """The answer, row by row."""
    shares: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in pq.read_table(path).to_pylist():
        if row["target_text"].startswith("Recommendation") and row["source_role"] == "prompt":
            shares[row["source_text"].strip()][row["id"]] += row["share"]
    means = [(round(100 * sum(own.values()) / len(own), 1), len(own), line) for line, own in shares.items()]
    means.sort(key=lambda found: (-found[0], found[2]))
    return [f"{percent:.1f}% in {n_prompts}: {line}" for percent, n_prompts, line in means[:5]]


def test_there_is_a_recipe_for_each_of_the_three() -> None:
    assert [path.name for path in RECIPES] == [f"{name}_top_lines.py" for name in ("duckdb", "pandas", "polars")]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_prints_the_lines_that_mattered_most(lines: Path, recipe: Path) -> None:
    done = subprocess.run([sys.executable, recipe, lines], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == count_out(lines)
    assert len(done.stdout.splitlines()) == 5


def test_a_recipe_says_how_its_table_is_made() -> None:
    for recipe in RECIPES:
        command, run = recipe.read_text(encoding="utf-8").split('"""')[1].strip().splitlines()[-2:]
        assert command == "promptlight export results/ -o lines.parquet"
        assert run == f"python examples/recipes/{recipe.name} lines.parquet"
