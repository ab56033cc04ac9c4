"""The page's model, queue and results behind one face."""

# pyright: standard

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from promptlight.cli.server.studio import Studio
from promptlight.cli.work.live_model import LiveModel
from promptlight.io.results.folders import BUNDLED
from promptlight.salience.errors import OutputError, UsageError


@pytest.fixture
def folder(demo_results: Path, tmp_path: Path) -> Path:
    """Results of a few prompts, in which something may be kept."""
    return Path(shutil.copytree(demo_results, tmp_path / "results"))


def test_records_are_those_of_the_page(folder: Path) -> None:
    with Studio(folder, LiveModel()) as studio:
        n_records = studio.describe()["n_records"]
        heads = [json.loads(studio.get_record(number).head) for number in range(n_records)]
        assert heads[0]["id"] == "dish-mistake"
        with pytest.raises(IndexError):
            studio.get_record(n_records)


def test_one_server_a_folder(folder: Path) -> None:
    with Studio(folder, LiveModel()), pytest.raises(OutputError, match="another run is writing there"):
        Studio(folder, LiveModel())
    Studio(folder, LiveModel()).close()


def test_results_of_the_package_are_refused() -> None:
    with pytest.raises(UsageError, match="part of promptlight: say where to keep it"):
        Studio(BUNDLED["gemma-tutorial"], LiveModel())
