"""Record where a result comes from: the settings that determine it, and the versions that made it."""

from __future__ import annotations

from typing import Any

from promptlight.salience.model import ModelFacts
from promptlight.salience.options.analysis import AnalysisOptions


def describe_settings(facts: ModelFacts, options: AnalysisOptions, *, chat: bool = False) -> dict[str, Any]:
    """Describe all settings that change results: a folder has results of one such description only."""
    return {
        "model": facts.preset,
        "config_hash": facts.config_hash,
        "dtype": facts.dtype,
        "chat": chat,
        **options.describe(),
        **({"quantised": facts.quantised} if facts.quantised else {}),
        **({"file_sha256": facts.file_sha256} if facts.file_sha256 else {}),
        **({"adapter": facts.adapter, "adapter_sha256": facts.adapter_sha256} if facts.adapter else {}),
    }


def describe_provenance(facts: ModelFacts) -> dict[str, Any]:
    """Describe what else to record: the model's name, the device and the versions."""
    experts = {"n_experts": facts.n_experts} if facts.n_experts else {}
    return {"model_name": facts.name, "device": facts.device, "versions": dict(facts.versions), **experts}
