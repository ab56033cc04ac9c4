"""The science: model, generation, gradients, spans. Knows no terminal and no disk.

    from promptlight.salience import Prompt, analyze, load_model

    model = load_model("demo")
    for analysis in analyze([Prompt(id="1", text="Analyze a menu item ...")], model):
        print(analysis.completion.completion_text, analysis.map_by().scores.shape)

Importing this module loads neither torch nor keras; the first use of ``load_model`` or ``analyze`` does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptlight.salience.errors import InputError, ModelError, OutputError, PromptlightError, UsageError
from promptlight.salience.types import Analysis, Completion, Explain, Granularity, Method, Prompt, SalienceMap, SetAside

if TYPE_CHECKING:
    from promptlight.salience.explain.span_scores import build_span_table
    from promptlight.salience.loading.load import load_model
    from promptlight.salience.model import Model
    from promptlight.salience.options.methods import Baseline, MethodOptions
    from promptlight.salience.options.sampling import Sampling
    from promptlight.salience.run.pipeline import AnalysisOptions, analyze
    from promptlight.salience.run.provenance import describe_provenance, describe_settings

_MODULES = {
    "AnalysisOptions": "options.analysis",
    "Sampling": "options.sampling",
    "analyze": "run.pipeline",
    "Baseline": "options.methods",
    "MethodOptions": "options.methods",
    "Model": "model",
    "load_model": "loading.load",
    "build_span_table": "explain.span_scores",
    "describe_provenance": "run.provenance",
    "describe_settings": "run.provenance",
}

__all__ = [
    "Analysis",
    "AnalysisOptions",
    "Baseline",
    "Completion",
    "Explain",
    "Granularity",
    "InputError",
    "Method",
    "MethodOptions",
    "Model",
    "ModelError",
    "OutputError",
    "Prompt",
    "PromptlightError",
    "SalienceMap",
    "Sampling",
    "SetAside",
    "UsageError",
    "analyze",
    "build_span_table",
    "describe_provenance",
    "describe_settings",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
