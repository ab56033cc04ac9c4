"""``promptlight evaluate``: measure how far stored salience can be trusted, by method and by prompt."""

# pyright: standard

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlight.cli.commands.benchmark import BenchmarkOptions, run_benchmark
from promptlight.cli.failures import name_options
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.question import AskingLines
from promptlight.cli.options.shared import (
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    FormatOption,
    IdsOption,
    OverwriteOption,
    WhereOption,
)
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.salience.errors import ModelError, UsageError
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.text.printable import one_line, printable_json
from promptlight.salience.types import Analysis

if TYPE_CHECKING:
    from promptlight.salience.explain.explanation import Question
    from promptlight.salience.faithfulness.evaluation import Evaluated, EvaluationOptions
    from promptlight.salience.faithfulness.summaries import Mean, PromptEvaluation
    from promptlight.salience.model import Model


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What to measure, and with which model."""

    ablate: Annotated[
        AblationKind,
        typer.Option(help="How sources are taken away: they become the mean embedding, are cut out, or become <pad>."),
    ] = AblationKind.MASK_EMBEDDING
    random_orders: Annotated[int, typer.Option(min=1, help="Random orders that each prompt is compared with.")] = 20
    noisy_texts: Annotated[
        int, typer.Option(min=0, help="Noisy texts on which gradients are computed again; 0 measures none.")
    ] = 3
    seed: Annotated[
        int, typer.Option(help="The same seed draws the same orders, the same noise, the same prompts.")
    ] = 0
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Where the model lies now (default: the folder's own, or demo).")
    ] = None
    device: DeviceOption = Device.AUTO
    dtype: DtypeOption = Dtype.AUTO


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where to write the figures."""

    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a row per prompt and method to this file.")
    ] = None
    format: FormatOption = None
    overwrite: OverwriteOption = False
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object instead.")] = False


@with_groups
def evaluate(
    results: Annotated[
        Path | None, typer.Argument(help="A results folder that `promptlight run` made; or say --benchmark.")
    ] = None,
    *,
    asking: AskingLines,
    id: IdsOption = None,
    where: WhereOption = None,
    measuring: Measuring,
    output: Output,
    benchmark: BenchmarkOptions,
) -> None:
    """Measure how far stored scores can be trusted: remove the strongest sources, and see how the model reacts.

    Each method's order is compared with random ones and with simple rules. The findings are stored with the results;
    show and report then give them in a line. With --benchmark, methods are tested on prompts of the demo model where
    edits have shown which line the answer depends on.
    """
    if (results is None) == (benchmark.benchmark is None):
        raise UsageError("expected either a results folder or --benchmark NAME: try `promptlight evaluate results/`")
    if results is None:
        model = measuring.model or "demo"
        run_benchmark(benchmark, seed=measuring.seed, model=model, device=measuring.device, as_json=output.json)
        return
    chosen = ChosenResults(results, ids=id, where=where, sections=asking.sections)
    evaluate_results(results, chosen, asking, measuring, output, each=bool(id))
    chosen.raise_damage()


def evaluate_results(
    results: Path, chosen: ChosenResults, asking: AskingLines, measuring: Measuring, output: Output, *, each: bool
) -> None:
    """Measure every prompt, and print and store the findings."""
    from promptlight.io.results.reader import read_settings
    from promptlight.io.tables.tidy import check_output
    from promptlight.salience.faithfulness.evaluation import EvaluationOptions
    from promptlight.salience.options.methods import MethodOptions

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
    loaded = load_own_model(settings, measuring.model, measuring.device, measuring.dtype)
    described, found = describe_evaluation(question, options, loaded, asking.sections), Findings()
    try:
        evaluate_all(chosen, loaded, question, options, found)
    except KeyboardInterrupt:
        if found.rows:  # store them even after Ctrl-C: they may be an hour's work
            keep_rows(found, results, described, Output())
        raise
    if output.json:
        print(printable_json(to_json(found, described, seed)))
    else:
        print_findings(found, question, seed, each=each)
    notes = keep_rows(found, results, described, output)
    if not output.json:
        print(*notes, sep="\n")


@dataclass
class Findings:
    """The measurements so far, and the number of skipped prompts with the reason of the first."""

    rows: list[PromptEvaluation] = field(default_factory=list["PromptEvaluation"])
    pairs: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    n_prompts: int = 0
    n_skipped: int = 0
    reason: str = ""

    def add(self, evaluated: Evaluated) -> None:
        """Add the measurements of one prompt."""
        self.n_prompts += 1
        self.rows += evaluated.rows
        for (one, other), correlation in evaluated.agreements.items():
            self.pairs.setdefault(f"{one} and {other}", []).extend([] if correlation is None else [correlation])

    def agreements(self, seed: int) -> dict[str, Mean]:
        """The mean rank correlation of each pair of methods."""
        from promptlight.salience.faithfulness.summaries import take_mean

        return {pair: take_mean(values, seed=seed) for pair, values in self.pairs.items() if values}


def load_own_model(settings: Mapping[str, Any], model: str | None, device: Device, dtype: Dtype) -> Model:
    """Load the model that made the results. Raises ModelError if it is missing or is another one."""
    from promptlight.salience.loading.load import load_model

    precision = settings["dtype"] if dtype is Dtype.AUTO else dtype
    try:
        loaded = load_model(model or settings["model"], device=device, dtype=precision)
    except ModelError as error:
        if model:
            raise
        raise ModelError(f"{error}; it made these results: give its present place with --model") from error
    if loaded.facts.config_hash != settings["config_hash"]:
        raise ModelError(
            f"{loaded.facts.name}: expected the model that made these results, {settings['model']}, found one of"
            " another shape: name that one with --model"
        )
    return loaded


def evaluate_all(
    chosen: Iterable[Analysis], model: Model, question: Question, options: EvaluationOptions, found: Findings
) -> None:
    """Measure every prompt, and add it to the findings. Raises UsageError if none could be measured."""
    from promptlight.salience.faithfulness.evaluation import evaluate_analysis

    with reporting() as report:
        for analysis in chosen:
            report(f"{found.n_prompts:,} prompts done; {one_line(analysis.completion.prompt.id)}")
            try:
                found.add(evaluate_analysis(analysis, model, question, options))
            except UsageError as error:
                found.n_skipped += 1
                found.reason = found.reason or name_options(str(error), error.parameters)
    if not found.n_prompts:
        raise UsageError(
            f"expected prompts to evaluate, found none among {found.n_skipped} that were explained; {found.reason}"
        )


def keep_rows(found: Findings, results: Path, described: Mapping[str, Any], output: Output) -> list[str]:
    """Store the measurements with the results, and in a file if requested; says where."""
    from promptlight.io.results.evaluations import evaluation_schema, store_evaluation
    from promptlight.io.tables.tidy import write_rows

    rows = [row.to_row() for row in found.rows]
    notes = [f"kept in {store_evaluation(results, rows, described)}; show and report say it"]
    if path := output.output:
        n_rows = write_rows(path, evaluation_schema(), rows, format=output.format, overwrite=output.overwrite)
        notes.append(f"{n_rows:,} rows in {path}")
    return list(map(one_line, notes))


@contextmanager
def reporting() -> Generator[Any]:
    """Make a function that shows progress on a terminal, and nothing elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("evaluating") as status:
        yield status.update


def describe_evaluation(
    question: Question, options: EvaluationOptions, model: Model, sections: Path | None
) -> dict[str, Any]:
    """Describe all settings that change the measurements, apart from the results themselves."""
    from promptlight.salience.faithfulness.evaluation import NOISE

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


def to_json(found: Findings, described: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """All figures of the tables, and every prompt's row."""
    from promptlight.cli.views.trust import describe_trust
    from promptlight.salience.faithfulness.summaries import summarize_methods

    return {
        "settings": dict(described),
        "n_prompts": found.n_prompts,
        "n_skipped": found.n_skipped,
        "methods": [asdict(summary) for summary in summarize_methods(found.rows, seed=seed)],
        "agreements": {pair: asdict(mean) for pair, mean in found.agreements(seed).items()},
        "prompts": [row.to_row() | {"trust": describe_trust(row)} for row in found.rows],
    }


def print_findings(found: Findings, question: Question, seed: int, *, each: bool) -> None:
    """Print the tables; with ``each``, also those of single prompts."""
    from rich.console import Console
    from rich.text import Text

    from promptlight.cli.views.evaluation import describe_columns, render_methods, render_prompts
    from promptlight.salience.faithfulness.summaries import summarize_methods

    console = Console(highlight=False)
    target = "the completion" if question.target is None else f"“{one_line(question.target)}”"
    console.print(Text(f"How far can the scores for {target} be trusted?", "bold"))
    prompts = "1 prompt" if found.n_prompts == 1 else f"{found.n_prompts:,} prompts"
    skipped = f"; {found.n_skipped:,} left out, the first because: {one_line(found.reason)}" if found.n_skipped else ""
    console.print(Text(prompts + skipped), "", sep="\n")
    if each:
        console.print(*render_prompts(found.rows), sep="\n")
    console.print(*render_methods(summarize_methods(found.rows, seed=seed), found.agreements(seed)), sep="\n")
    console.print(*map(Text, describe_columns()), "", sep="\n")
