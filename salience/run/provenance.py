"""What a result is traceable to: the settings that make it what it is, and with which versions it was made."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from promptlight.salience.decoder.batch_plan import weight_bytes
from promptlight.salience.loading.model_size import count_loading_bytes
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.run.pipeline import AnalysisOptions

PACKAGES = ("promptlight", "keras-nlp", "keras-hub", "keras", "torch", "sentencepiece", "pyarrow")


def describe_model(model: Model) -> ModelFacts:
    """The facts of a model that is loaded here."""
    return ModelFacts(
        name=model.name,
        preset=model.preset,
        dtype=model.dtype,
        device=str(model.device),
        config_hash=model.config_hash,
        n_bytes=weight_bytes(model.decoder) + count_loading_bytes(model.decoder.embedding.numel()),
        versions=find_versions(),
        quantised=model.quantised,
    )


def find_versions() -> dict[str, str]:
    """Of Python, and of all packages that can change a number."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def describe_settings(model: Model | ModelFacts, options: AnalysisOptions, *, chat: bool = False) -> dict[str, Any]:
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
        **({"quantised": model.quantised} if model.quantised else {}),
    }


def describe_provenance(model: Model | ModelFacts) -> dict[str, Any]:
    """What else a result should be traceable to."""
    versions = dict(model.versions) if isinstance(model, ModelFacts) else find_versions()
    return {"model_name": model.name, "device": str(model.device), "versions": versions}
