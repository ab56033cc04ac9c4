"""``analyze`` on a Ray cluster, or on all GPUs of one machine: prompts in, the same results out, in the same order.

1. A scout loads the model on a worker and sends back its ``ModelFacts``. Their size says how many actors fit
   (``pool``). Until the work begins, the scout answers other questions about the model (``Cluster.ask``).
2. Prompts are packed into batches (``transport``), as they are needed.
3. ``Explainer`` actors (``actors``) stay for the whole run. Each loads the model once, and calls ``pipeline.analyze``
   with one batch at a time.
4. ``dispatch`` hands them batches, a few for each actor at a time, and brings the results back in the order of the
   prompts.

Ray places actors, moves data and restarts dead actors. When an actor dies, its batch is computed again elsewhere; a
result is stored once, after it has arrived. Nothing here reads or writes files: the caller leaves out prompts that are
done.

Importing this module imports Ray, so the rest of promptlight imports it only when a cluster is asked for.
"""

# pyright: standard

from __future__ import annotations

import contextlib
import itertools
import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from promptlight.salience.decoder.batch_plan import choose_batch_size
from promptlight.salience.errors import PromptlightError
from promptlight.salience.loading.handles import DEMO_FOLDER, parse_handle
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.cluster._connect import connect, find_nodes
from promptlight.salience.run.cluster.actors import (
    Answer,
    Explainer,
    Loading,
    send_scout,
    set_aside_deadly,
    start_explainers,
)
from promptlight.salience.run.cluster.dispatch import Batch, Dispatch
from promptlight.salience.run.cluster.pool import Pool, choose_gpus, plan_pool
from promptlight.salience.run.cluster.transport import pack_batches
from promptlight.salience.types import Analysis, Prompt, SetAside


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where actors run and how many: None is the environment's cluster or this machine, and as many as fit."""

    address: str | None = None
    actors: int | None = None
    gpus_per_actor: float | None = None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that is ready, and the facts of the model that its actors run."""

    facts: ModelFacts
    pool: Pool
    loading: Loading
    loaded: ModelFacts  # as an actor sees it, with the folder's whole path
    scout: Any  # a Ray actor, gone when the work begins

    def ask(self, question: Callable[[Model], Answer]) -> Answer:
        """Call a function with the model on a worker that has an actor's CPUs; only before ``analyze``."""
        return _ask(self.scout, question, self.pool.n_cpus)

    def analyze(
        self, prompts: Iterable[Prompt], options: AnalysisOptions | None = None, *, batch_size: int | None = None
    ) -> Iterator[Analysis | SetAside]:
        """``pipeline.analyze``. An error of ``prompts`` is raised after all prompts before it are done."""
        ray.kill(self.scout)  # its CPU or GPU is for an actor
        batches = pack_batches(prompts, choose_batch_size(self.loading.device, batch_size))
        first, batches = _look_ahead(batches, self.pool.n_actors)
        actors = start_explainers(
            len(first), Explainer, self.pool, (self.loading, self.loaded, options or AnalysisOptions())
        )
        try:
            with _explaining_errors():
                for batch, results in Dispatch(actors, batches).collect():
                    if results is None:
                        yield from (set_aside_deadly(pickle.loads(prompt)) for prompt in batch)
                    else:
                        yield from map(pickle.loads, results)
        finally:
            for actor in actors:
                ray.kill(actor)


@contextlib.contextmanager
def open_cluster(
    handle: str,
    *,
    adapter: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    options: ClusterOptions | None = None,
) -> Generator[Cluster]:
    """Connect to the cluster, or make one of this machine, and plan the actors.

    Raises UsageError if the cluster lacks resources, and ModelError as ``load_model`` does.
    """
    options = options or ClusterOptions()
    with connect(options.address) as is_ours:
        nodes = find_nodes()
        n_gpus = choose_gpus(nodes, device, options.gpus_per_actor)
        named = parse_handle(handle)
        is_elsewhere = (named.is_folder or named.is_gguf) and named.preset != str(DEMO_FOLDER)
        place = "cuda" if n_gpus else "cpu" if device == "auto" else device
        loading = Loading(
            handle=str(Path(named.preset).absolute()) if is_elsewhere else handle,
            adapter=None if adapter is None else str(Path(adapter).expanduser().absolute()),
            device=place,
            dtype=dtype,
        )
        scout = send_scout(loading, n_gpus)
        try:
            loaded = _ask(scout, _get_facts, 1)
            pool = plan_pool(nodes, n_gpus, loaded.n_bytes, options.actors, can_grow=not is_ours)
            facts = replace(loaded, name=named.name, preset=named.preset) if is_elsewhere else loaded
            facts = replace(facts, adapter=adapter)
            yield Cluster(facts=facts, pool=pool, loading=loading, loaded=loaded, scout=scout)
        finally:
            ray.kill(scout)


def _get_facts(model: Model) -> ModelFacts:
    return model.facts


def _ask(scout: Any, question: Callable[[Model], Answer], n_threads: int) -> Answer:
    with _explaining_errors():
        return ray.get(scout.ask.remote(question, n_threads))


def _look_ahead(batches: Iterator[Batch], most: int) -> tuple[list[Batch], Iterator[Batch]]:
    """The first batches, at most so many, and all of them again: no more actors are started than there is work for."""
    first: list[Batch] = []
    try:
        for batch in itertools.islice(batches, most):
            first.append(batch)  # one by one: keep these if the next one fails
    except PromptlightError as error:
        if not first:
            raise
        return first, itertools.chain(first, _fail(error))
    return first, itertools.chain(first, batches)


def _fail(error: PromptlightError) -> Iterator[Batch]:
    raise error
    yield


@contextlib.contextmanager
def _explaining_errors() -> Generator[None]:
    """Raise an error of a worker as it would have been raised in this process."""
    try:
        yield
    except RayTaskError as error:
        _raise_ours(error, error.cause)
    except RayActorError as error:
        _raise_ours(error, error.__cause__)


def _raise_ours(error: RayError, cause: BaseException | None) -> NoReturn:
    if isinstance(cause, PromptlightError):
        raise cause from None
    raise error
