"""Paths in a checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS, EXAMPLES, TESTS = ROOT / "docs", ROOT / "examples", ROOT / "tests"
