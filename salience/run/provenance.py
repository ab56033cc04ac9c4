"""What a result is traceable to: the settings that make it what it is, and with which versions it was made."""

from __future__ import annotations

from typing import Any

from promptlight.salience.model import ModelFacts
from promptlight.salience.options.analysis import AnalysisOptions


def describe_settings(facts: ModelFacts, options: AnalysisOptions, *, chat: bool = False) -> dict[str, Any]:
    """All that changes results: a folder holds results of one such description only."""
    return {
        "model": facts.preset,
        "config_hash": facts.config_hash,
        "dtype": facts.dtype,
        "chat": chat,
        **options.describe(),
        **({"quantised": facts.quantised} if facts.quantised else {}),
    }


def describe_provenance(facts: ModelFacts) -> dict[str, Any]:
    """What else a result should be traceable to."""
    return {"model_name": facts.name, "device": facts.device, "versions": dict(facts.versions)}
