"""The science: text, models, generation, salience. Knows no terminal and no disk.

All public names here are public in ``promptlight`` too. Importing it loads neither torch nor Keras: each name is
imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlight.salience.lazy import import_lazily

if TYPE_CHECKING:
    from promptlight.salience.errors import InputError, ModelError, OutputError, PromptlightError, UsageError
    from promptlight.salience.explain.comparison import compare_explanations
    from promptlight.salience.explain.explanation import Explanation, Question, explain_target
    from promptlight.salience.explain.span_scores import build_span_table
    from promptlight.salience.explain.ways import find_ways
    from promptlight.salience.loading.load import load_model
    from promptlight.salience.model import Model
    from promptlight.salience.options.analysis import AnalysisOptions
    from promptlight.salience.options.methods import Baseline, MethodOptions
    from promptlight.salience.options.sampling import Sampling
    from promptlight.salience.run.pipeline import analyze
    from promptlight.salience.run.provenance import describe_provenance, describe_settings
    from promptlight.salience.text.spans import parse_cut
    from promptlight.salience.types import (
        Analysis,
        Compat,
        Completion,
        Explain,
        Granularity,
        Method,
        Objective,
        Pattern,
        Pooling,
        Prompt,
        SalienceMap,
        SetAside,
        Span,
        SpanTable,
        Way,
    )

__all__ = [
    "Analysis",
    "AnalysisOptions",
    "Baseline",
    "Compat",
    "Completion",
    "Explain",
    "Explanation",
    "Granularity",
    "InputError",
    "Method",
    "MethodOptions",
    "Model",
    "ModelError",
    "Objective",
    "OutputError",
    "Pattern",
    "Pooling",
    "Prompt",
    "PromptlightError",
    "Question",
    "SalienceMap",
    "Sampling",
    "SetAside",
    "Span",
    "SpanTable",
    "UsageError",
    "Way",
    "analyze",
    "build_span_table",
    "compare_explanations",
    "describe_provenance",
    "describe_settings",
    "explain_target",
    "find_ways",
    "load_model",
    "parse_cut",
]

__getattr__ = import_lazily(
    __name__,
    {
        "Analysis": "types",
        "AnalysisOptions": "options.analysis",
        "Baseline": "options.methods",
        "Compat": "types",
        "Completion": "types",
        "Explain": "types",
        "Explanation": "explain.explanation",
        "Granularity": "types",
        "InputError": "errors",
        "Method": "types",
        "MethodOptions": "options.methods",
        "Model": "model",
        "ModelError": "errors",
        "Objective": "types",
        "OutputError": "errors",
        "Pattern": "types",
        "Pooling": "types",
        "Prompt": "types",
        "PromptlightError": "errors",
        "Question": "explain.explanation",
        "SalienceMap": "types",
        "Sampling": "options.sampling",
        "SetAside": "types",
        "Span": "types",
        "SpanTable": "types",
        "UsageError": "errors",
        "Way": "types",
        "analyze": "run.pipeline",
        "build_span_table": "explain.span_scores",
        "compare_explanations": "explain.comparison",
        "describe_provenance": "run.provenance",
        "describe_settings": "run.provenance",
        "explain_target": "explain.explanation",
        "find_ways": "explain.ways",
        "load_model": "loading.load",
        "parse_cut": "text.spans",
    },
)
