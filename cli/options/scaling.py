"""The options of ``run`` for the engine, and for how much it does at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from promptlight.cli.options.shared import ActorsOption, EngineOption, GpusPerActorOption, RayAddressOption, RunEngine
from promptlight.salience.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Which engine to use, and how much it does at once."""

    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Most prompts generated together (default: 16, on a GPU 64, if they fit).")
    ] = None
    engine: EngineOption = RunEngine.LOCAL
    ray_address: RayAddressOption = None
    actors: ActorsOption = None
    gpus_per_actor: GpusPerActorOption = None

    def __post_init__(self) -> None:
        values = {
            "--ray-address": self.ray_address,
            "--actors": self.actors,
            "--gpus-per-actor": self.gpus_per_actor,
        }
        given = [name for name, value in values.items() if value is not None]
        if given and self.engine is not RunEngine.RAY:
            raise UsageError(f"{given[0]}: expected --engine ray beside it, found {self.engine}")
