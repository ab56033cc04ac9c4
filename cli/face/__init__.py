"""Why did the model write that? Salience for Gemma, from Python.

    import promptlight

    model = promptlight.load_model("demo")  # or "gemma2_instruct_2b_en", a folder, hf://...
    prompts = promptlight.read_prompts("prompts.jsonl")
    question = promptlight.Question(by=promptlight.Granularity.LINE, target="Recommendation")
    for result in promptlight.analyze(prompts, model):
        explanation = promptlight.explain_target(result, question)
        print([span.text for span in explanation.strongest(3)])

``read_prompts`` reads files and addresses; ``analyze`` completes each prompt and scores every earlier token for every
token written; ``explain_target`` answers one question about one result; ``build_span_table`` and ``to_frame`` make
tables; ``ResultsWriter`` and ``read_results`` keep results as Parquet. In a notebook, ``explain("a prompt")`` and
``read_results("results/")["an-id"]`` draw themselves, and ``serve("results/")`` shows the page with a model behind it.
The command ``promptlight`` does the same from a terminal, and so does ``python -m promptlight``.

Importing this loads neither torch nor Keras: each name is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlight.cli.notebook import Drawing, Result, Results, ServedPage, explain, read_results, serve
    from promptlight.io import ResultsWriter, RunFacts, find_result, read_facts, read_prompts, to_frame
    from promptlight.salience import (
        Analysis,
        AnalysisOptions,
        Baseline,
        Compat,
        Completion,
        Explain,
        Explanation,
        Granularity,
        InputError,
        Method,
        MethodOptions,
        Model,
        ModelError,
        Objective,
        OutputError,
        Pattern,
        Pooling,
        Prompt,
        PromptlightError,
        Question,
        SalienceMap,
        Sampling,
        SetAside,
        Span,
        SpanTable,
        UsageError,
        Way,
        analyze,
        build_span_table,
        compare_explanations,
        describe_provenance,
        describe_settings,
        explain_target,
        find_ways,
        load_model,
        parse_cut,
    )

    __version__: str

__all__ = [
    "Analysis",
    "AnalysisOptions",
    "Baseline",
    "Compat",
    "Completion",
    "Drawing",
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
    "Result",
    "Results",
    "ResultsWriter",
    "RunFacts",
    "SalienceMap",
    "Sampling",
    "ServedPage",
    "SetAside",
    "Span",
    "SpanTable",
    "UsageError",
    "Way",
    "__version__",
    "analyze",
    "build_span_table",
    "compare_explanations",
    "describe_provenance",
    "describe_settings",
    "explain",
    "explain_target",
    "find_result",
    "find_ways",
    "load_model",
    "parse_cut",
    "read_facts",
    "read_prompts",
    "read_results",
    "serve",
    "to_frame",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("promptlight")
    if name in __all__:
        houses = (import_module(f"{__name__}.{house}") for house in ("cli.notebook", "salience", "io"))
        return next(getattr(house, name) for house in houses if name in house.__all__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
