"""Where the work of ``run`` is done: in this process, or by actors on a Ray cluster."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptlight.cli.options import ActorsOption, EngineOption, GpusPerActorOption, RayAddressOption, RunEngine
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.cluster import Pool
    from promptlight.salience.model import Model
    from promptlight.salience.pipeline import AnalysisOptions
    from promptlight.salience.provenance import ModelFacts

Analyze = Callable[[Iterable[Prompt]], Iterator[Analysis | SetAside]]


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Which engine does the work, and how much of it at once."""

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


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Who does the work: what their model is, and prompts to results, in order.

    ``ask`` has a function look at the model where it is loaded, before the work begins.
    """

    model: Model | ModelFacts
    n_actors: int
    ask: Callable[[Callable[[Model], Any]], Any]
    analyze: Analyze


@contextlib.contextmanager
def open_workers(
    scaling: Scaling, options: AnalysisOptions, batch_size: int | None, *, model: str, device: str, dtype: str
) -> Iterator[Workers]:
    """The engine that was asked for, with the model loaded. Raises UsageError where Ray is wanted and not installed."""
    if scaling.engine is RunEngine.RAY:
        with _open_actors(scaling, options, batch_size, model=model, device=device, dtype=dtype) as workers:
            yield workers
        return
    from promptlight.salience.model import load_model
    from promptlight.salience.pipeline import analyze

    loaded = load_model(model, device=device, dtype=dtype)
    yield Workers(
        model=loaded,
        n_actors=1,
        ask=lambda question: question(loaded),
        analyze=lambda prompts: analyze(prompts, loaded, options, batch_size=batch_size),
    )


@contextlib.contextmanager
def _open_actors(
    scaling: Scaling, options: AnalysisOptions, batch_size: int | None, *, model: str, device: str, dtype: str
) -> Iterator[Workers]:
    try:
        from promptlight.salience.cluster import ClusterOptions, open_cluster
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "ray":
            raise
        raise UsageError("--engine ray: expected Ray, found none; pip install 'promptlight[ray]'") from error
    wanted = ClusterOptions(address=scaling.ray_address, actors=scaling.actors, gpus_per_actor=scaling.gpus_per_actor)
    with open_cluster(model, device=device, dtype=dtype, options=wanted) as cluster:
        print(describe_pool(cluster.pool), file=sys.stderr)

        def analyze(prompts: Iterable[Prompt]) -> Iterator[Analysis | SetAside]:
            with contextlib.redirect_stdout(sys.stderr):  # where Ray says that a machine died, it says it on stdout
                yield from cluster.analyze(prompts, options, batch_size=batch_size)

        yield Workers(model=cluster.model, n_actors=cluster.pool.n_actors, ask=cluster.ask, analyze=analyze)


def describe_pool(pool: Pool) -> str:
    """The actors in a line."""
    has = f"{pool.n_gpus:g} GPU" if pool.n_gpus else f"{pool.n_cpus} CPU{'s' * (pool.n_cpus > 1)}"
    return f"Ray: {pool.n_actors} actor{'s' * (pool.n_actors > 1)}, {has} each"
