"""The options of ``run`` that choose the engine, and how much it does at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from promptlight.cli.options.panels import SCALE
from promptlight.salience.errors import UsageError


class RunEngine(StrEnum):
    """The engine of a run."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The engine of a run, and its size."""

    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Most prompts generated together (default: 16, on a GPU 64, if they fit).",
            rich_help_panel=SCALE,
        ),
    ] = None
    engine: Annotated[
        RunEngine,
        typer.Option(
            help="What does the work: this process, or actors on a Ray cluster or all GPUs of this machine;"
            " docs/scale.md.",
            rich_help_panel=SCALE,
        ),
    ] = RunEngine.LOCAL
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="HOST:PORT",
            help="Address of the Ray cluster (default: RAY_ADDRESS, or this machine).",
            rich_help_panel=SCALE,
        ),
    ] = None
    actors: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of Ray actors (default: one per GPU, or one per two CPUs without a GPU).",
            rich_help_panel=SCALE,
        ),
    ] = None
    gpus_per_actor: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of a GPU for each Ray actor; 0 is the CPU (default: 1 if there are GPUs).",
            rich_help_panel=SCALE,
        ),
    ] = None

    def __post_init__(self) -> None:
        values = {
            "--ray-address": self.ray_address,
            "--actors": self.actors,
            "--gpus-per-actor": self.gpus_per_actor,
        }
        given = [name for name, value in values.items() if value is not None]
        if given and self.engine is not RunEngine.RAY:
            raise UsageError(f"{given[0]}: expected --engine ray beside it, found {self.engine}")
