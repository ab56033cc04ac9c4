"""The options of ``evaluate``, in groups (``groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.shared import Device, DeviceOption, Dtype, DtypeOption, FormatOption, OverwriteOption
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.types import Benchmark, Method


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


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """Which benchmark, which methods, and how many prompts."""

    benchmark: Annotated[
        Benchmark | None, typer.Option(help="Measure on prompts of the demo model with known causes: which kind.")
    ] = None
    method: Annotated[
        list[Method] | None,
        typer.Option("--method", help="Of a benchmark: which methods; repeatable (default: three quick ones)."),
    ] = None
    n_prompts: Annotated[int, typer.Option("--prompts", min=1, help="Of a benchmark: how many prompts.")] = 300
