"""The library as others use it."""

# pyright: standard

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import promptlight
from promptlight import io, salience
from promptlight.cli import notebook
from promptlight.io import find_result, read_results, to_frame
from promptlight.salience import Analysis, Granularity, build_span_table
from tests.support.paths import DOCS, EXAMPLES


def test_the_quickstart_runs_and_tells_the_story(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "quickstart.py"), str(tmp_path / "out")]
    told = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    assert told[0] == "dish-mistake: Recommendation: You have to try it."
    assert told[2] == "dish-fixed: Recommendation: Avoid."
    assert told[3].startswith("  most of all because of: Recommendation: Avoid. (")
    kept = [result.completion.prompt.id for result in read_results(tmp_path / "out") if isinstance(result, Analysis)]
    assert kept == ["dish-mistake", "dish-fixed"]


def names_for_type_checkers(package: ModuleType) -> set[str]:
    """What a package imports under ``if TYPE_CHECKING``: the names that an editor knows of it."""
    tree = ast.parse(Path(package.__file__ or "").read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found = [node for block in blocks for node in ast.walk(block)]
    imported = {alias.name for node in found if isinstance(node, ast.ImportFrom) for alias in node.names}
    return imported | {ast.unparse(node.target) for node in found if isinstance(node, ast.AnnAssign)}


@pytest.mark.parametrize("package", [promptlight, salience, io, notebook], ids=lambda package: package.__name__)
def test_what_is_public_is_complete_and_there(package: ModuleType) -> None:
    names = package.__all__
    assert sorted(names) == sorted(set(names)) == sorted(names_for_type_checkers(package))
    for name in names:
        value = getattr(package, name)
        if isinstance(value, type) or callable(value):
            assert value.__name__ == name
            assert value.__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_the_face_has_all_that_the_houses_have() -> None:
    """``read_results`` of the disk gives plain results; here they draw themselves."""
    assert set(promptlight.__all__) == {*salience.__all__, *io.__all__, *notebook.__all__, "__version__"}
    for house in (salience, io, notebook):
        for name in {*house.__all__} - ({"read_results"} if house is io else set()):
            assert getattr(promptlight, name) is getattr(house, name)
    assert set(promptlight.__all__) <= set(dir(promptlight))
    assert promptlight.__version__ == version("promptlight")


def test_every_public_name_is_in_the_docs() -> None:
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    assert [name for name in promptlight.__all__ if not re.search(rf"`{name}\b", page)] == []


def test_help_says_what_to_call_and_the_module_is_the_command(tmp_path: Path) -> None:
    code = "import promptlight; help(promptlight)"
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert "Why did the model write that?" in told.stdout
    assert all(name in told.stdout for name in ("load_model", "analyze", "explain_target", "read_results"))
    command = [sys.executable, "-m", "promptlight", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == f"promptlight {version('promptlight')}\n"


def test_a_frame_is_the_table(demo_results: Path) -> None:
    analysis = find_result(demo_results)
    assert isinstance(analysis, Analysis)
    table = build_span_table(analysis, targets=Granularity.LINE, sources=Granularity.WORD)
    frame = to_frame(analysis, table)
    for row in frame.to_dict("records"):
        score = table.scores[row["target_number"] - 1, row["source_number"] - 1]
        assert np.float32(row["score"]) == score
    n_earlier = sum(source.stop <= target.start for target in table.targets for source in table.sources)
    assert len(frame) == n_earlier
