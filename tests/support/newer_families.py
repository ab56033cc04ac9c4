"""Cover Gemma 3n and 4 in a test, as long as the table of families has no rows for them."""

# pyright: standard

from __future__ import annotations

import pytest

from promptlight.salience.loading import families
from promptlight.salience.text.chat import GEMMA_4_CHAT, GEMMA_CHAT


def cover_newer_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a row for each, unless it is there."""
    if any("gemma4" in family.model_types for family in families.FAMILIES):
        return
    rows = [
        families.Family(name=name, keras_backbone=name, model_types=types, presets=(), context_length=32_768, chat=chat)
        for name, types, chat in (
            ("Gemma 3n text", ("gemma3n_text", "gemma3n"), GEMMA_CHAT),
            ("Gemma 4 text", ("gemma4_text", "gemma4", "gemma4_unified_text", "gemma4_unified"), GEMMA_4_CHAT),
        )
    ]
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, *rows))
