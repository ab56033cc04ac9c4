"""Test stored scores with the model that made them, prompt by prompt."""

# pyright: standard

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from promptlight.cli.failures import name_options
from promptlight.cli.options.evaluation import Measuring, Output
from promptlight.cli.options.question import Asking
from promptlight.cli.options.shared import Dtype
from promptlight.cli.views.evaluation import describe_findings, render_findings
from promptlight.cli.work.stored_results import ChosenResults, say_where_model_is
from promptlight.io.results.evaluations import evaluation_schema, store_evaluation
from promptlight.io.results.folders import is_bundled
from promptlight.io.results.reader import read_settings
from promptlight.io.tables.tidy import check_output, write_rows
from promptlight.salience.errors import ModelError, UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.faithfulness.evaluation import NOISE, EvaluationOptions, evaluate_analysis
from promptlight.salience.faithfulness.findings import Findings
from promptlight.salience.loading.handles import spell_stored
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.text.printable import one_line, printable_json
from promptlight.salience.types import Analysis


def evaluate_results(
    results: Path, chosen: ChosenResults, asking: Asking, measuring: Measuring, output: Output, *, each: bool
) -> None:
    """Measure every prompt, and print and store the findings."""
    question, seed = asking.question(), measuring.seed
    if output.output:
        check_output(output.output, output.format, overwrite=output.overwrite)
    settings = read_settings(results)
    options = EvaluationOptions(
        ablate=measuring.ablate,
        n_random=measuring.random_orders,
        n_noisy=measuring.noisy_texts,
        seed=seed,
        method_options=MethodOptions.from_settings(settings),
    )
    loaded = _load_own_model(settings, measuring, say_where_model_is(results))
    described, found = describe_settings(question, options, loaded, asking.sections), Findings()
    try:
        _evaluate_all(chosen, loaded, question, options, found)
    except KeyboardInterrupt:
        if found.rows:  # store them even after Ctrl-C: they may be an hour's work
            keep_rows(found, results, described, Output())
        raise
    if output.json:
        print(printable_json(describe_findings(found, described, seed)))
    else:
        console = Console(highlight=False)
        console.print(render_findings(found, question.target, seed, each=each))
    notes = keep_rows(found, results, described, output)
    if not output.json:
        print(*notes, sep="\n")


def _load_own_model(settings: Mapping[str, Any], measuring: Measuring, if_missing: str) -> Model:
    """Load the model that made the results. Raises ModelError if it is missing or is another one."""
    model, adapter = measuring.model, measuring.adapter or settings.get("adapter")
    precision = settings["dtype"] if measuring.dtype is Dtype.AUTO else measuring.dtype
    try:
        loaded = load_model(
            model or spell_stored(settings["model"]), adapter=adapter, device=measuring.device, dtype=precision
        )
    except ModelError as error:
        if model:
            raise
        raise ModelError(f"{error}; {if_missing}") from error
    if loaded.facts.adapter_sha256 != settings.get("adapter_sha256"):
        raise ModelError(
            f"{loaded.facts.adapter or loaded.facts.name}: expected the adapter that these results were made with,"
            f" {settings.get('adapter', 'none')}, found another one: name that one with --adapter"
        )
    other = "one of another shape" if loaded.facts.config_hash != settings["config_hash"] else ""
    if not other and loaded.facts.file_sha256 != settings.get("file_sha256"):
        other = "another file"
    if other:
        raise ModelError(
            f"{loaded.facts.name}: expected the model that made these results, {settings['model']}, found {other}: name"
            " that one with --model"
        )
    return loaded


def _evaluate_all(
    chosen: Iterable[Analysis], model: Model, question: Question, options: EvaluationOptions, found: Findings
) -> None:
    """Measure every prompt, and add it to the findings. Raises UsageError if none could be measured."""
    with _reporting() as report:
        for analysis in chosen:
            report(f"{found.n_prompts:,} prompts done; {one_line(analysis.completion.prompt.id)}")
            try:
                found.add(evaluate_analysis(analysis, model, question, options))
            except UsageError as error:
                found.skip(name_options(str(error), error.parameters))
    if not found.n_prompts:
        raise UsageError(
            f"expected prompts to evaluate, found none among {found.n_skipped} that were explained; {found.reason}"
        )


def keep_rows(found: Findings, results: Path, described: Mapping[str, Any], output: Output) -> list[str]:
    """Store the measurements with the results, and in a file if requested; says where.

    Nothing is stored with results that come with the package.
    """
    rows = [row.to_row() for row in found.rows]
    notes = ["not kept: these results are part of promptlight; say --output FILE to keep the figures"]
    if not is_bundled(results):
        notes = [f"kept in {store_evaluation(results, rows, described)}; show and report say it"]
    if path := output.output:
        n_rows = write_rows(path, evaluation_schema(), rows, format=output.format, overwrite=output.overwrite)
        notes.append(f"{n_rows:,} rows in {path}")
    return list(map(one_line, notes))


@contextmanager
def _reporting() -> Generator[Any]:
    """Make a function that shows progress on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("evaluating") as status:
        yield status.update


def describe_settings(
    question: Question, options: EvaluationOptions, model: Model, sections: Path | None
) -> dict[str, Any]:
    """Describe all settings that change the measurements, apart from the results themselves."""
    return {
        "by": str(question.by),
        "target": question.target,
        "target_by": str(question.target_by) if question.target_by else None,
        "sections": str(sections) if sections else None,
        "ablate": options.ablate.value,
        "samples": options.n_random,
        "steps": options.n_steps,
        "noise": NOISE,
        "noise_samples": options.n_noisy,
        "seed": options.seed,
        "dtype": model.dtype,
    }
