"""Run the work of ``run`` in this process, or with actors on a Ray cluster."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from promptlight.cli.options.scaling import RunEngine, Scaling
from promptlight.salience.errors import UsageError
from promptlight.salience.progress import OnStep
from promptlight.salience.types import Analysis, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.model import Model, ModelFacts
    from promptlight.salience.run.cluster.pool import Pool
    from promptlight.salience.run.pipeline import AnalysisOptions


ENDED_BY_RAY = "The actor is dead because it was killed by `ray.kill`"
Analyze = Callable[[Iterable[Prompt], OnStep], Iterator[Analysis | SetAside]]


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The workers of a run: the facts of their model, and a function from prompts to results, in order.

    ``ask`` calls a function with the model where that is loaded, before the work begins. ``analyze`` tells each step,
    unless actors do the work.
    """

    facts: ModelFacts
    n_actors: int
    ask: Callable[[Callable[[Model], Any]], Any]
    analyze: Analyze


@contextlib.contextmanager
def open_workers(
    scaling: Scaling, options: AnalysisOptions, *, model: str, adapter: str | None, device: str, dtype: str
) -> Generator[Workers]:
    """Start the requested engine and load the model. Raises UsageError if it needs Ray and Ray is not installed."""
    if scaling.engine is RunEngine.RAY:
        with _open_actors(scaling, options, model=model, adapter=adapter, device=device, dtype=dtype) as workers:
            yield workers
        return
    from promptlight.salience.loading.load import load_model
    from promptlight.salience.run.pipeline import analyze

    say = partial(print, file=sys.stderr, flush=True)
    loaded = load_model(model, adapter=adapter, device=device, dtype=dtype, on_fetch=say)
    yield Workers(
        facts=loaded.facts,
        n_actors=1,
        ask=lambda question: question(loaded),
        analyze=lambda prompts, on_step: analyze(
            prompts, loaded, options, batch_size=scaling.batch_size, on_step=on_step
        ),
    )


@contextlib.contextmanager
def _open_actors(
    scaling: Scaling, options: AnalysisOptions, *, model: str, adapter: str | None, device: str, dtype: str
) -> Generator[Workers]:
    try:
        from promptlight.salience.run.cluster.cluster import ClusterOptions, open_cluster
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "ray":
            raise
        raise UsageError("--engine ray: expected Ray, found none; pip install 'promptlight[ray]'") from error
    wanted = ClusterOptions(address=scaling.ray_address, actors=scaling.actors, gpus_per_actor=scaling.gpus_per_actor)
    opening = open_cluster(model, adapter=adapter, device=device, dtype=dtype, options=wanted)
    with contextlib.ExitStack() as until_closed, contextlib.ExitStack() as opened:
        with _hearing_ray(until_closed):
            cluster = opened.enter_context(opening)
        print(_describe_pool(cluster.pool), file=sys.stderr)

        def ask(question: Callable[[Model], Any]) -> Any:
            with _hearing_ray(until_closed):
                return cluster.ask(question)

        def analyze(prompts: Iterable[Prompt], _: OnStep) -> Iterator[Analysis | SetAside]:
            with _hearing_ray(until_closed):
                yield from cluster.analyze(prompts, options, batch_size=scaling.batch_size)

        yield Workers(facts=cluster.facts, n_actors=cluster.pool.n_actors, ask=ask, analyze=analyze)


@contextlib.contextmanager
def _hearing_ray(until_closed: contextlib.ExitStack) -> Generator[None]:
    """Send Ray's messages from stdout, such as the death of a machine, to stderr; drop them while Ray shuts down."""
    try:
        with contextlib.redirect_stdout(FromRay()):
            yield
    except BaseException:
        until_closed.enter_context(contextlib.redirect_stdout(None))
        raise


class FromRay(io.TextIOBase):
    """Passes printed text on to stderr, except messages about actors that Ray ended itself."""

    _is_dropped = False

    def write(self, text: str) -> int:
        """Called by ``print``: with a message, then with its line feed."""
        self._is_dropped = ENDED_BY_RAY in text or (self._is_dropped and text == "\n")
        return len(text) if self._is_dropped else sys.stderr.write(text)

    def flush(self) -> None:
        """Called by ``print``."""
        sys.stderr.flush()


def _describe_pool(pool: Pool) -> str:
    """Describe the actors in a line."""
    has = f"{pool.n_gpus:g} GPU" if pool.n_gpus else f"{pool.n_cpus} CPU{'s' * (pool.n_cpus > 1)}"
    return f"Ray: {pool.n_actors} actor{'s' * (pool.n_actors > 1)}, {has} each"
