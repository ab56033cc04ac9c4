"""Rows of evaluations: one with made-up figures, and a comparison of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from promptlight.salience.faithfulness.curves import OrderFigures
from promptlight.salience.faithfulness.summaries import PromptEvaluation


def figures(deletion: float, drop: float, **others: float | None) -> OrderFigures:
    """An order that loses ``drop`` at each number of sources, unless others are said."""
    return replace(OrderFigures(deletion=deletion, insertion=-1.0, drop_1=drop, drop_3=drop, drop_5=drop), **others)


ROW = PromptEvaluation(
    id="a",
    label="s",
    fingerprint="f",
    method="grad_l2",
    by="line",
    target=None,
    target_by="line",
    target_text="No egg.",
    target_start=12,
    target_stop=16,
    n_sources=9,
    log_prob=-0.5,
    empty_log_prob=-30.0,
    order=figures(-20, 5.2),
    random=figures(-10, 0.84),
    nearest=figures(-15, 2),
    last_line=figures(-14, 1),
    n_random=20,
    n_beaten=19,
    n_beaten_insertion=20,
    noise_correlation=0.984,
    agreement=0.3,
)


def assert_same_row(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Expect the same texts and counts, and numbers that differ by rounding at most."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value), name
