"""The library as others use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from promptlight import io, salience
from promptlight.io import find_result, read_results, to_frame
from promptlight.salience import Analysis, Granularity, build_span_table
from tests.support.paths import EXAMPLES


def test_the_quickstart_runs_and_tells_the_story(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "quickstart.py"), str(tmp_path / "out")]
    told = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    assert told[0] == "dish-mistake: Recommendation: You have to try it."
    assert told[2] == "dish-fixed: Recommendation: Avoid."
    assert told[3].startswith("  most of all because of: Recommendation: Avoid. (")
    kept = [result.completion.prompt.id for result in read_results(tmp_path / "out") if isinstance(result, Analysis)]
    assert kept == ["dish-mistake", "dish-fixed"]


def test_public_names_are_there() -> None:
    for package in (io, salience):
        for name in package.__all__:
            assert getattr(package, name) is not None


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
