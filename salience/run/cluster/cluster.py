"""``analyze`` on a Ray cluster, or on all GPUs of one machine: prompts in, the same results out, in the same order.

1. A scout loads the model on a worker and sends back its ``ModelFacts``. Their size says how many actors fit
   (``pool``). Until the work begins, the scout answers other questions about the model (``Cluster.ask``).
2. Prompts are packed into batches and read into a *window* (``transport``): only so many batches and bytes wait in
   Ray's memory.
3. Ray Data maps the window over a pool of ``Explainer`` actors (``actors``). Each loads the model once and calls
   ``pipeline.analyze`` with one batch at a time. A batch is a block of Ray's, so Ray regroups and splits nothing.
4. Results come back one by one, pickled, in the order of the prompts. Then the next window is read.

Ray schedules, moves data and restarts dead actors. When an actor dies, its batch is computed again elsewhere; a result
is stored once, after it has arrived. Nothing here reads or writes files: the caller leaves out prompts that are done.

Importing this module imports Ray, so the rest of promptlight imports it only when a cluster is asked for.
"""

# pyright: standard

from __future__ import annotations

import contextlib
import logging
import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import ray.data
from ray.exceptions import RayActorError, RayError, RayTaskError

from promptlight.salience.decoder.batch_plan import choose_batch_size
from promptlight.salience.errors import PromptlightError
from promptlight.salience.loading.handles import DEMO_FOLDER, parse_handle
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.cluster._connect import connect, find_nodes
from promptlight.salience.run.cluster.actors import Answer, Explainer, Loading, describe_share, send_scout, start_ledger
from promptlight.salience.run.cluster.pool import Pool, choose_gpus, plan_pool
from promptlight.salience.run.cluster.transport import (
    WINDOW_BATCHES,
    WINDOW_BATCHES_PER_ACTOR,
    pack_batches,
    take_window,
)
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
        blocks = pack_batches(prompts, choose_batch_size(self.loading.device, batch_size))
        error, n_done = None, 0
        while error is None:
            window, error = take_window(blocks, max(WINDOW_BATCHES, WINDOW_BATCHES_PER_ACTOR * self.pool.n_actors))
            if not window:
                break
            n_due = window[-1]["number"][-1].as_py() + 1
            for number, result in self._analyze_window(window, options or AnalysisOptions()):
                if number != n_done:
                    raise RuntimeError(f"Ray brought result {number} where {n_done} was due")
                n_done += 1
                yield result
            if n_done != n_due:
                raise RuntimeError(f"Ray brought {n_done} results where {n_due} were due")
        if error is not None:
            raise error

    def _analyze_window(
        self, window: list[pa.Table], options: AnalysisOptions
    ) -> Iterator[tuple[int, Analysis | SetAside]]:
        n_actors = min(self.pool.n_actors, len(window))
        with ray.data.DataContext.current(_make_context()):
            waiting = ray.data.from_blocks(window)
        window.clear()  # Ray has them now
        results = waiting.map_batches(
            Explainer,
            fn_constructor_args=(self.loading, self.loaded, options, self.pool.n_cpus, start_ledger()),
            batch_size=None,  # a whole block
            batch_format="pyarrow",
            zero_copy_batch=True,
            compute=ray.data.ActorPoolStrategy(size=n_actors),
            **describe_share(self.pool),
        )
        blocks: Iterable[Any] = results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        with _explaining_errors():
            for block in blocks:
                for place, number in enumerate(block["number"].to_pylist()):
                    yield number, pickle.loads(block["result"][place].as_buffer())


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


def _make_context() -> ray.data.DataContext:
    """Settings of Ray Data: results in order, and only errors on the terminal."""
    context = ray.data.DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.target_max_block_size = None  # a batch comes back whole or not at all
    context.execution_no_progress_timeout_s = -1  # a long batch is no error
    context.raise_original_map_exception = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.ERROR)  # the rest is in Ray's own log file
    return context


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
