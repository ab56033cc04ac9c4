"""``promptlight run``: explain every prompt of a file and store the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlight.cli.failures import SOME_SET_ASIDE
from promptlight.cli.options.analysis import Chance, Explaining, build_options
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.scaling import Scaling
from promptlight.cli.options.shared import (
    ChatOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    IdsOption,
    MaxNewTokensOption,
    ModelOption,
    PromptsArgument,
    ScoresOption,
    SeedOption,
    TemplateOption,
    WhereOption,
)
from promptlight.cli.work.engines import Analyze, open_workers
from promptlight.cli.work.estimate import Asked, plan_run, try_run
from promptlight.cli.work.progress import Tally, show_progress
from promptlight.cli.work.signals import ending_in_order
from promptlight.io.results.digits import Scores
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.types import Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.io.prompts.reader import PromptReader
    from promptlight.io.results.writer import ResultsWriter
    from promptlight.salience.model import ModelFacts
    from promptlight.salience.run.pipeline import AnalysisOptions


@with_groups
def run(
    prompts: PromptsArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Results folder; goes on with one begun before.")],
    model: ModelOption = "demo",
    device: DeviceOption = Device.AUTO,
    dtype: DtypeOption = Dtype.AUTO,
    max_new_tokens: MaxNewTokensOption = 64,
    prompt_field: Annotated[str, typer.Option(help="The field or column that holds the prompt.")] = "prompt",
    target_field: Annotated[str, typer.Option(help="The one that holds the target.")] = "target",
    id_field: Annotated[str, typer.Option(help="The one that holds the id.")] = "id",
    template: TemplateOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Look at the first N records only.")] = None,
    where: WhereOption = None,
    id: IdsOption = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only N of the records, drawn by --seed.")] = None,
    chat: ChatOption = False,
    *,
    explaining: Explaining,
    scores: ScoresOption = Scores.FLOAT32,
    chance: Chance,
    seed: SeedOption = 0,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Most prompts generated together (default: 16, on a GPU 64, if they fit).")
    ] = None,
    flush_every: Annotated[int, typer.Option(min=1, help="Prompts that are written to disk together.")] = 32,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first record that can't be used.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print one JSON object instead.")] = False,
    scaling: Scaling,
) -> None:
    """Complete every prompt of a file, compute why each token was written, and store the results as Parquet.

    A record that can't be used is set aside with its reason, the run continues, and the exit code is 3. Run the same
    command again to resume after an interruption.
    """
    if as_json and not dry_run:
        raise UsageError("--json: expected --dry-run with it; for results as JSON see `promptlight export`")
    names = {"prompt_field": prompt_field, "target_field": target_field, "id_field": id_field}
    chosen = {"ids": id or (), "sample": sample, "seed": seed, "limit": limit}
    reader = open_prompts(prompts, strict, {**names, "chat": chat}, template, chosen, where or ())
    tally = Tally(total=reader.count())  # also fails early if a file can't be read
    options = build_options(explaining, chance, max_new_tokens, seed)
    asked = Asked(options=options, batch_size=batch_size, scores=scores, flush_every=flush_every)
    opening = open_workers(scaling, options, batch_size, model=model, device=device, dtype=dtype)
    if dry_run:
        with opening as workers:
            settings = describe_run(workers.facts, options, chat, scores)
            print(try_run(reader, asked, workers, output, settings, as_json=as_json))
        return
    with ending_in_order(tally), opening as workers:
        writer = open_results(output, workers.facts, describe_run(workers.facts, options, chat, scores), flush_every)
        with writer:
            plan = plan_run(reader, asked, workers, output, writer.done)
            with show_progress(tally, workers.facts, output, plan):
                explain_all(reader, writer, tally, workers.analyze)
    if tally.n_set_aside:
        raise typer.Exit(SOME_SET_ASIDE)


def open_prompts(
    sources: list[str],
    strict: bool,
    reading: dict[str, Any],
    template: Path | None,
    chosen: dict[str, Any],
    where: Sequence[str],
) -> PromptReader:
    """Open the records that the command line selects."""
    from promptlight.io.prompts.reader import PromptReader, Selection
    from promptlight.io.prompts.records import Reading
    from promptlight.io.prompts.selection import parse_condition
    from promptlight.io.prompts.template import read_template

    how = Reading(**reading, template=template and read_template(template))
    which = Selection(**chosen, conditions=tuple(map(parse_condition, where)))
    return PromptReader(sources, strict=strict, reading=how, selection=which)


def describe_run(facts: ModelFacts, options: AnalysisOptions, chat: bool, scores: Scores) -> dict[str, Any]:
    """Describe all settings that change what is stored."""
    from promptlight.salience.run.provenance import describe_settings

    return describe_settings(facts, options, chat=chat) | {"scores": scores.value}


def open_results(output: Path, facts: ModelFacts, settings: dict[str, Any], flush_every: int) -> ResultsWriter:
    """Open the results folder with the settings of the run."""
    from promptlight.io.results.writer import ResultsWriter
    from promptlight.salience.run.provenance import describe_provenance

    return ResultsWriter(output, settings, describe_provenance(facts), flush_every)


def explain_all(reader: PromptReader, writer: ResultsWriter, tally: Tally, analyze: Analyze) -> None:
    """Explain the remaining prompts; count and store each result.

    Raises InputError for the first record that was set aside, if the reader is strict.
    """
    for result in analyze(skip_done(reader, writer, tally)):
        if reader.strict and isinstance(result, SetAside):
            raise InputError(result.path, result.line, result.reason, parameters=result.parameters)
        writer.add(result)  # before it is counted
        if isinstance(result, SetAside):
            tally.set_aside(result)
        else:
            tally.explained(result)
    writer.flush()  # before the summary says that the results are stored
    tally.n_blank_lines = reader.n_blank


def skip_done(reader: PromptReader, writer: ResultsWriter, tally: Tally) -> Iterator[Prompt]:
    """The remaining prompts; records that can't be used go straight to the results.

    Raises InputError if a record has changed since its result was made, and with ``strict`` for a record that an
    earlier run set aside.
    """
    for record in reader:
        done = writer.done.get(record.id)
        if done is not None and done.settles(record.fingerprint):
            if reader.strict and done.error is not None:
                parameters = record.parameters if isinstance(record, SetAside) else ()
                raise InputError(record.path, record.line, done.error, parameters=parameters)
            tally.already_done(record, done.error)
            continue
        if done is not None and done.error is None:
            raise InputError(
                record.path,
                record.line,
                f"id {record.id!r} was explained before, but its record has changed since: give it another id, or "
                "choose another folder",
                parameters=("folder",),
            )
        if done is not None:
            writer.forget(record.id)
        if isinstance(record, SetAside):
            writer.add(record)
            tally.set_aside(record)
        else:
            yield record
