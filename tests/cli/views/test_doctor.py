"""What ``doctor`` shows."""

from __future__ import annotations

from promptlight.cli.views.doctor import Check


def test_only_what_is_needed_counts_as_wrong() -> None:
    assert Check(topic="Kaggle login", found="none", fix="log in").is_optional
    assert Check(topic="GGUF files", found="not readable", fix="pip install").is_optional
    assert not Check(topic="package", found="x is missing", fix="install it").is_optional
