"""The tutorial as a notebook: it is kept without outputs, and every cell runs and tells the story."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import EXAMPLES

NOTEBOOK = EXAMPLES / "tutorial.ipynb"
MOST = 200_000  # bytes of a cell's output


def read_notebook() -> Any:
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_valid_and_kept_without_outputs() -> None:
    """GitHub would show them without their colours, and each run would change them."""
    import nbformat

    notebook = read_notebook()
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert [cell.source for cell in cells if cell.outputs or cell.execution_count is not None] == []


def test_a_login_is_asked_for_in_colab_alone() -> None:
    (cell,) = [
        cell.source for cell in read_notebook().cells if "KAGGLE_KEY" in cell.source and cell.cell_type == "code"
    ]
    before, guarded = cell.split('if "google.colab" in sys.modules:\n')
    assert before == 'model_name = "demo"\n'
    assert "userdata" in guarded.split("\n\nmodel = ")[0]


@pytest.mark.slow
def test_every_cell_runs_and_tells_the_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read_notebook()
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    drawn = [output["data"] for output in outputs if "<pre class=" in output["data"].get("text/html", "")]
    assert all(sum(len(text.encode()) for text in data.values()) <= MOST for data in drawn)
    mistake, compared, constitution, listed, real = (data["text/plain"] for data in drawn)
    assert "Why did the model write “Recommendation: You have to try it.”?" in mistake
    assert "Recommendation: [-You have to try it-]{+Avoid+}." in compared
    assert "The analysis should be brief" in constitution
    assert "dish-constitution" in listed
    assert "scores are of the quantised model" in real
    assert (tmp_path / "mistake.html").stat().st_size > 1_000
