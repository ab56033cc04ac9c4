"""The options of ``evaluate``, in groups (``groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_model
from promptlight.cli.options.panels import BENCHMARK, MEASUREMENT, MODEL, OUTPUT
from promptlight.cli.options.shared import (
    AdapterOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    FormatOption,
    OverwriteOption,
)
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.types import Benchmark, Method, Objective


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What to measure, and with which model."""

    regenerate: Annotated[
        bool,
        typer.Option(
            "--regenerate",
            help="Take away each part of the prompt alone, let the model write again, and judge the methods by the"
            " parts that change the answer (default --target: the last line).",
            rich_help_panel=MEASUREMENT,
        ),
    ] = False
    ablate: Annotated[
        AblationKind,
        typer.Option(
            help="How a source is taken away: its tokens become the mean embedding, are cut out, or become <pad>.",
            rich_help_panel=MEASUREMENT,
        ),
    ] = AblationKind.MASK_EMBEDDING
    random_orders: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of random orders that each prompt is compared with.",
            rich_help_panel=MEASUREMENT,
        ),
    ] = 20
    noisy_texts: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Number of noisy texts for which gradients are computed again; 0 skips this.",
            rich_help_panel=MEASUREMENT,
        ),
    ] = 3
    seed: Annotated[
        int,
        typer.Option(
            help="Random seed: the same seed gives the same orders, noise and prompts.",
            rich_help_panel=MEASUREMENT,
        ),
    ] = 0
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Measure every prompt again, also those measured with the same settings.",
            rich_help_panel=MEASUREMENT,
        ),
    ] = False
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            autocompletion=complete_model,
            help="Model that made the results, if it has moved (default: the folder's own; demo for a --benchmark, but"
            " none for tracking).",
            rich_help_panel=MODEL,
        ),
    ] = None
    adapter: AdapterOption = None
    device: DeviceOption = Device.AUTO
    dtype: DtypeOption = Dtype.AUTO


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where to write the figures."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write a row per prompt and method to this file.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    format: FormatOption = None
    overwrite: OverwriteOption = False
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="Print all figures with their intervals, too.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print all figures as one JSON object.",
            rich_help_panel=OUTPUT,
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """Which benchmark, which methods and objectives, and how many prompts."""

    benchmark: Annotated[
        Benchmark | None,
        typer.Option(
            help="Measure on prompts of this kind whose causes are known, without a results folder.",
            rich_help_panel=BENCHMARK,
        ),
    ] = None
    method: Annotated[
        list[Method] | None,
        typer.Option(
            "--method",
            help="Method that a --benchmark measures; repeatable (default: the quick ones, which are measured"
            " through the model's own words, too).",
            rich_help_panel=BENCHMARK,
        ),
    ] = None
    objective: Annotated[
        list[Objective] | None,
        typer.Option(
            "--objective",
            help="Objective that a --benchmark explains; repeatable (default: logprob, logit and margin).",
            rich_help_panel=BENCHMARK,
        ),
    ] = None
    n_prompts: Annotated[
        int | None,
        typer.Option(
            "--prompts",
            min=1,
            metavar="N",
            help="Number of prompts of a --benchmark (default: 300; 30 of tracking, those that the model solves).",
            rich_help_panel=BENCHMARK,
        ),
    ] = None
    hops: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="How often the benchmark tracking hands a value on.",
            rich_help_panel=BENCHMARK,
        ),
    ] = 1
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="In the benchmark tracking, ask for the value alone: the model does not write the chain out first.",
            rich_help_panel=BENCHMARK,
        ),
    ] = False
