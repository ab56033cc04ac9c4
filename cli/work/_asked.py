"""Describe what is asked about stored results, so that what was measured is known again."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlight.salience.explain.explanation import Question


def describe_question(question: Question, sections: Path | None) -> dict[str, Any]:
    """Describe the settings that say what the sources and the target are."""
    return {
        "by": str(question.by),
        "target": question.target,
        "target_by": str(question.target_by) if question.target_by else None,
        "sections": str(sections) if sections else None,
        "sections_sha256": sha256(sections.read_bytes()).hexdigest() if sections else None,
    }
