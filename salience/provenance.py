"""What a result is traceable to: the settings that make it what it is, and with which versions it was made."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from promptlight.salience.model import Model
from promptlight.salience.pipeline import AnalysisOptions

PACKAGES = ("promptlight", "keras-nlp", "keras-hub", "keras", "torch", "sentencepiece", "pyarrow")


def describe_settings(model: Model, options: AnalysisOptions, *, chat: bool = False) -> dict[str, Any]:
    """All that changes results: a folder holds results of one such description only."""
    return {
        "model": model.preset,
        "config_hash": model.config_hash,
        "dtype": model.dtype,
        "methods": [method.value for method in options.methods],
        "objective": options.objective.value,
        "explain": options.explain.value,
        "max_new_tokens": options.max_new_tokens,
        "targets": options.targets.value,
        "keep": [granularity.value for granularity in options.keep],
        "chat": chat,
        "compat": options.compat.value if options.compat else None,
        **asdict(options.sampling),
        **options.method_options.describe(options.methods),
        **({"foil": options.foil} if options.foil else {}),
    }


def describe_provenance(model: Model) -> dict[str, Any]:
    """What else a result should be traceable to."""
    return {
        "model_name": model.name,
        "device": str(model.device),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }
