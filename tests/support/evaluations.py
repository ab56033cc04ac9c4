"""Compare rows of evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest


def assert_same_row(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Expect the same texts and counts, and numbers that differ by rounding at most."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value), name
