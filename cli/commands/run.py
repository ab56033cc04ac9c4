"""``promptlight run``: explain every prompt of a file and store the results."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from promptlight.cli.failures import SOME_SET_ASIDE
from promptlight.cli.options.analysis import Chance, Explaining, build_options
from promptlight.cli.options.completion import complete_model, complete_prompts
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.input import Input
from promptlight.cli.options.panels import OUTPUT
from promptlight.cli.options.scaling import Scaling
from promptlight.cli.options.shared import (
    MAX_NEW_TOKENS_HELP,
    MODEL_HELP,
    AdapterOption,
    ChatOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    ThinkingOption,
)
from promptlight.cli.work.engines import open_workers
from promptlight.cli.work.estimate import Asked
from promptlight.cli.work.run import Run
from promptlight.io.places import parse_place
from promptlight.io.results.digits import Scores
from promptlight.salience.errors import UsageError

FolderOption = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Results folder, or an address such as s3://bucket/run; one that exists is continued.",
    ),
]


@with_groups
def run(
    prompts: Annotated[
        list[str],
        typer.Argument(
            autocompletion=complete_prompts,
            help="Prompt files: JSONL, each object with a `prompt` or `messages`; or .txt, .csv, .tsv, .parquet, also"
            " compressed; an evaluation's log; a folder or a data set; an address (https://, s3://, gs://, hf://);"
            " - for standard input; sample_prompts. NAME:FILE names a file.",
        ),
    ],
    output: FolderOption,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, autocompletion=complete_model)] = "demo",
    chat: ChatOption = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, metavar="N", help=MAX_NEW_TOKENS_HELP)] = 64,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate time, memory and disk space, and write nothing.")
    ] = False,
    *,
    source: Input,
    adapter: AdapterOption = None,
    device: DeviceOption = Device.AUTO,
    dtype: DtypeOption = Dtype.AUTO,
    thinking: ThinkingOption = False,
    chance: Chance,
    explaining: Explaining,
    scores: Annotated[
        Scores,
        typer.Option(
            "--scores",
            help="Precision of stored scores; float16 (11 bits) needs half the disk space.",
            rich_help_panel=OUTPUT,
        ),
    ] = Scores.FLOAT32,
    flush_every: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Number of prompts that are written to disk together.", rich_help_panel=OUTPUT
        ),
    ] = 32,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: print one JSON object.", rich_help_panel=OUTPUT)
    ] = False,
    scaling: Scaling,
) -> None:
    """Complete every prompt of a file, compute why each token was written, and store the results as Parquet.

    A record that can't be used is skipped, with the reason; the run continues and exits with code 3. Run the same
    command again to resume after an interruption.
    """
    if as_json and not dry_run:
        raise UsageError("--json: expected --dry-run with it; for results as JSON see `promptlight export`")
    options = build_options(explaining, chance, max_new_tokens, thinking=thinking)
    reader = source.open(prompts, chat=chat, explain=explaining.explain, foil=options.foil, seed=chance.seed)
    options = replace(options, explain=reader.reading.explain)
    asked = Asked(options=options, batch_size=scaling.batch_size, scores=scores, flush_every=flush_every)
    opening = open_workers(scaling, options, model=model, adapter=adapter, device=device, dtype=dtype)
    place = parse_place(output)
    work = Run(
        reader=reader, output=place, asked=asked, chat=chat, model=model, adapter=adapter, dtype=dtype, opening=opening
    )
    if dry_run:
        print(work.estimate(as_json=as_json))
    elif work.explain().n_set_aside:
        raise typer.Exit(SOME_SET_ASIDE)
