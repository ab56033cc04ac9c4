"""``promptlight run``: explain every prompt of a file and store the results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.failures import SOME_SET_ASIDE
from promptlight.cli.options.analysis import Chance, Explaining, build_options
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.input import Input
from promptlight.cli.options.scaling import Scaling
from promptlight.cli.options.shared import (
    ChatOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    MaxNewTokensOption,
    ModelOption,
    PromptsArgument,
    ScoresOption,
    SeedOption,
)
from promptlight.cli.work.engines import open_workers
from promptlight.cli.work.estimate import Asked
from promptlight.cli.work.run import Run
from promptlight.io.results.digits import Scores
from promptlight.salience.errors import UsageError


@with_groups
def run(
    prompts: PromptsArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Results folder; goes on with one begun before.")],
    model: ModelOption = "demo",
    device: DeviceOption = Device.AUTO,
    dtype: DtypeOption = Dtype.AUTO,
    max_new_tokens: MaxNewTokensOption = 64,
    chat: ChatOption = False,
    *,
    source: Input,
    explaining: Explaining,
    scores: ScoresOption = Scores.FLOAT32,
    chance: Chance,
    seed: SeedOption = 0,
    flush_every: Annotated[int, typer.Option(min=1, help="Prompts that are written to disk together.")] = 32,
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
    options = build_options(explaining, chance, max_new_tokens, seed)
    work = Run(
        reader=source.open(prompts, chat=chat, seed=seed),
        output=output,
        asked=Asked(options=options, batch_size=scaling.batch_size, scores=scores, flush_every=flush_every),
        chat=chat,
        opening=open_workers(scaling, options, model=model, device=device, dtype=dtype),
    )
    if dry_run:
        print(work.estimate(as_json=as_json))
    elif work.explain().n_set_aside:
        raise typer.Exit(SOME_SET_ASIDE)
