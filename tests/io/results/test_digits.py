"""Digits of scores, and the room they take."""

# pyright: standard

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from promptlight.io.results.digits import Scores, round_to_half
from promptlight.io.results.reader import read_results
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.errors import OutputError
from promptlight.salience.types import (
    Analysis,
)
from tests.support.handmade import assert_same_analysis, make_analysis
from tests.support.results import SETTINGS
from tests.support.span_cases import build_completion


@pytest.mark.parametrize("size", [1e-30, 1e-7, 1.0, 1e9])
def test_rounded_scores_are_as_near_as_float16_is_at_its_best(size: float) -> None:
    scores = (np.random.default_rng(1).normal(size=1000) * size).astype(np.float32)
    rounded = round_to_half(scores)
    assert rounded.dtype == np.float32
    assert (np.abs(rounded - scores) <= np.abs(scores) * 2.0**-11).all()
    assert (rounded.view(np.int32) & 0x1FFF == 0).all()
    if size == 1.0:
        assert np.array_equal(rounded, scores.astype(np.float16).astype(np.float32))


def test_rounded_scores_take_half_the_room_and_come_back(tmp_path: Path) -> None:
    completion = build_completion(["<bos>", *["▁word"] * 150], ["▁so"] * 60)
    result = make_analysis(completion)
    sizes: dict[str, int] = {}
    for scores in Scores:
        folder = tmp_path / scores
        with ResultsWriter(folder, SETTINGS | {"scores": scores.value}, {}) as writer:
            writer.add(result)
        sizes[scores] = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    (whole,), (rounded,) = (read_results(tmp_path / scores) for scores in Scores)
    assert_same_analysis(whole, result)
    assert isinstance(rounded, Analysis)
    scores, exact = rounded.map_by().scores, result.map_by().scores
    assert scores is not None
    assert exact is not None
    np.testing.assert_allclose(scores, exact, rtol=2.0**-11)
    assert sizes["float16"] < 0.75 * sizes["float32"]
    with pytest.raises(OutputError, match="scores: there float16, now float32"):
        ResultsWriter(tmp_path / "float16", SETTINGS | {"scores": "float32"}, {})


def test_scores_are_stored_byte_by_byte(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "out", SETTINGS, {}) as writer:
        writer.add(make_analysis(build_completion(["<bos>", "▁a"], ["▁b"])))
    (shard,) = (tmp_path / "out").glob("*.parquet")
    columns = pq.ParquetFile(shard).metadata.row_group(0)
    for number in range(columns.num_columns):
        column = columns.column(number)
        assert ("BYTE_STREAM_SPLIT" in column.encodings) == column.path_in_schema.startswith("grad_l2")
