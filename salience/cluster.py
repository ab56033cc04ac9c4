"""``analyze`` on a Ray cluster, or on all GPUs of one machine: prompts in, the same results out, in the same order.

1. A scout loads the model on a worker and says what it is (``ModelFacts``) and how big: so many actors fit. It answers
   other questions about it until the work begins.
2. Prompts are read into a *window*: at most so many batches and bytes of them wait in Ray's memory.
3. Ray Data maps the window on a pool of actors. Each has loaded the model once and calls ``pipeline.analyze`` with
   one batch at a time; a batch is a block, so nothing else is grouped or split.
4. Results come back one by one, pickled, in the prompts' order. Then the next window is read.

Scheduling, moving data and starting dead actors again are Ray's work. An actor that dies takes its batch along, which
is computed again elsewhere; what is stored comes from results that have arrived, each of them once. This module knows
no disk: what was done before is left out by whoever passes the prompts.

It needs the extra ``promptlight[ray]``; nothing else in promptlight imports it until it is asked for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pyarrow as pa
import ray
import ray.data
import torch
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from promptlight.salience.batches import read_windows, set_aside
from promptlight.salience.environment import VARIABLES, block_tensorflow
from promptlight.salience.errors import OUT_OF_MEMORY, ModelError, PromptlightError, UsageError
from promptlight.salience.handles import DEMO_FOLDER, parse_handle
from promptlight.salience.model import Model, load_model
from promptlight.salience.options import AnalysisOptions
from promptlight.salience.pipeline import analyze
from promptlight.salience.planning import choose_batch_size
from promptlight.salience.provenance import ModelFacts, describe_model
from promptlight.salience.types import Analysis, Prompt, SetAside

# A window ends at so many batches or bytes. A batch costs the driver some 20 kB; but each window has its own actors,
# which load the model anew, so it should keep them at work for long.
WINDOW_BATCHES, WINDOW_BATCHES_PER_ACTOR = 4_096, 1_024
WINDOW_BYTES = 2**29

MOST_DEATHS = 3  # of actors over one batch; after that its prompts are set aside, and the next run tries them again
DEADLY = (
    f"{OUT_OF_MEMORY}, most likely: {MOST_DEATHS} workers died over its batch; take fewer --actors or a smaller "
    "--batch-size"
)
HTTP2_SETTINGS, HTTP2_FRAME = b"\x04", 9  # a frame's type, and the bytes of its header (RFC 9113, 3.4 and 4.1)
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + HTTP2_SETTINGS + bytes(5)
LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"
PROCESS_BYTES = 2**30  # what a process takes beside the weights: torch, Keras, and the work itself
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where actors run and how many: None is the environment's cluster or this machine, and as many as fit."""

    address: str | None = None
    actors: int | None = None
    gpus_per_actor: float | None = None


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster: what Ray may use of it."""

    cpus: float
    gpus: float = 0
    memory: float = 0  # bytes


@dataclass(frozen=True, kw_only=True)
class Pool:
    """So many actors, and what each of them has for itself."""

    n_actors: int
    n_cpus: int
    n_gpus: float = 0


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What ``load_model`` is called with, wherever that is."""

    handle: str
    device: str
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that is ready: ``model`` says what its actors run."""

    model: ModelFacts
    pool: Pool
    loading: Loading
    loaded: ModelFacts  # as an actor sees it, with the folder's whole path
    scout: Any  # a Ray actor, gone when the work begins

    def ask(self, question: Callable[[Model], Answer]) -> Answer:
        """What a function says of the model on a worker with as many CPUs as an actor has; before ``analyze``."""
        return _ask(self.scout, question, self.pool.n_cpus)

    def analyze(
        self, prompts: Iterable[Prompt], options: AnalysisOptions | None = None, *, batch_size: int | None = None
    ) -> Iterator[Analysis | SetAside]:
        """``pipeline.analyze``. An error of ``prompts`` is raised when all those before it are done."""
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
            batch_size=None,  # a block as it is
            batch_format="pyarrow",
            zero_copy_batch=True,
            compute=ray.data.ActorPoolStrategy(size=n_actors),
            **_describe_share(self.pool),
        )
        blocks: Iterable[Any] = results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        with _explaining_errors():
            for block in blocks:
                for place, number in enumerate(block["number"].to_pylist()):
                    yield number, pickle.loads(block["result"][place].as_buffer())


class Scout:
    """What an actor does before the others start: the model, loaded once, and questions answered about it."""

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._model: Model | None = None

    def ask(self, question: Callable[[Model], Answer], n_threads: int) -> Answer:
        """What the function says of the model."""
        if self._model is None:  # not before: what goes wrong while an actor is made is harder to tell
            self._model = _load_here(self._loading, n_threads)
        torch.set_num_threads(n_threads)
        return question(self._model)


class Explainer:
    """What an actor does: the model, loaded once, and batches explained with it."""

    def __init__(
        self, loading: Loading, expected: ModelFacts, options: AnalysisOptions, n_threads: int, ledger: Any
    ) -> None:
        self._model = _load_here(loading, n_threads)
        self._options = options
        self._ledger = ledger
        check_same(describe_model(self._model), expected)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """A row with each prompt's result."""
        prompts = [pickle.loads(prompt) for prompt in batch["prompt"].to_pylist()]
        n_deaths: Any = ray.get(self._ledger.begin.remote(batch["number"][0].as_py()))
        if n_deaths < MOST_DEATHS:
            results = analyze(prompts, self._model, self._options, batch_size=len(prompts))
        else:
            results = (set_aside(prompt, DEADLY) for prompt in prompts)
        for number, result in zip(batch["number"].to_pylist(), results, strict=True):
            yield _pack({"number": [number], "result": [pickle.dumps(result, protocol=5)]})


@contextlib.contextmanager
def open_cluster(
    handle: str, *, device: str = "auto", dtype: str = "auto", options: ClusterOptions | None = None
) -> Iterator[Cluster]:
    """Connect to the cluster, or make one of this machine, and plan the actors.

    Raises UsageError for what the cluster doesn't have, and ModelError as ``load_model`` does.
    """
    options = options or ClusterOptions()
    with _connect(options.address) as is_ours:
        nodes = _find_nodes()
        n_gpus = choose_gpus(nodes, device, options.gpus_per_actor)
        named = parse_handle(handle)
        is_elsewhere = named.is_folder and named.preset != str(DEMO_FOLDER)
        place = "cuda" if n_gpus else "cpu" if device == "auto" else device
        loading = Loading(
            handle=str(Path(named.preset).absolute()) if is_elsewhere else handle, device=place, dtype=dtype
        )
        scout = _send_scout(loading, n_gpus)
        try:
            loaded = _ask(scout, describe_model, 1)
            pool = plan_pool(nodes, n_gpus, loaded.n_bytes, options.actors, can_grow=not is_ours)
            model = replace(loaded, name=named.name, preset=named.preset) if is_elsewhere else loaded
            yield Cluster(model=model, pool=pool, loading=loading, loaded=loaded, scout=scout)
        finally:
            ray.kill(scout)


def choose_gpus(nodes: Sequence[Node], device: str, asked: float | None) -> float:
    """GPUs for each actor. Raises UsageError where these don't go with the device."""
    if asked is None:
        n_gpus = 1.0 if device == "cuda" or (device == "auto" and any(node.gpus for node in nodes)) else 0.0
    else:
        n_gpus = asked
    if n_gpus and device not in ("auto", "cuda"):
        raise UsageError(f"--gpus-per-actor {n_gpus:g}: expected --device auto or cuda, found {device}")
    if not n_gpus and device == "cuda":
        raise UsageError("--device cuda: expected --gpus-per-actor above 0, found 0")
    return n_gpus


def plan_pool(
    nodes: Sequence[Node], n_gpus: float, n_bytes: int, asked: int | None = None, *, can_grow: bool = False
) -> Pool:
    """How many actors, and how many CPUs for each: with GPUs as many as these allow, otherwise one for two CPUs.

    Each actor without a GPU keeps a copy of the model, of ``n_bytes``, in its node's memory. Raises UsageError where
    the nodes have no room; more than that may be ``asked`` of a cluster that can grow.
    """
    if n_gpus:
        room, what = sum(int(node.gpus / n_gpus) for node in nodes), f"{n_gpus:g} GPU"
    else:
        room, what = sum(_count_copies(node, n_bytes) for node in nodes), "a CPU and a copy of the model"
    n_needed = asked or 1
    if not can_grow and n_needed > room:
        raise UsageError(
            f"expected room for {n_needed} actor{'s' * (n_needed > 1)} with {what} each, found room for {room}: take "
            "fewer --actors, a smaller model or more machines"
        )
    if n_gpus:
        return Pool(n_actors=asked or max(1, room), n_cpus=1, n_gpus=n_gpus)
    n_pairs = sum(int(node.cpus // 2) for node in nodes)
    n_actors = asked or max(1, min(n_pairs, room))
    return Pool(n_actors=n_actors, n_cpus=share_cpus([node.cpus for node in nodes], n_actors))


def share_cpus(cpus: Sequence[float], n_actors: int) -> int:
    """The most CPUs that each actor can have if none spans two nodes; at least 1.

    Nodes of 8 and 4 CPUs, 3 actors: 4, as there is room for 2 + 1. Two actors: 4 again, as 8 has no room for both.
    """
    most = int(max(cpus, default=1))
    fitting = (share for share in range(most, 1, -1) if sum(int(n // share) for n in cpus) >= n_actors)
    return next(fitting, 1)


def pack_batches(prompts: Iterable[Prompt], batch_size: int) -> Iterator[pa.Table]:
    """Batches as Ray carries them: a row per prompt, with its number."""
    n_before = 0
    for batch in read_windows(prompts, batch_size):
        numbers = range(n_before, n_before + len(batch))
        yield _pack({"number": numbers, "prompt": [pickle.dumps(prompt, protocol=5) for prompt in batch]})
        n_before += len(batch)


def take_window(blocks: Iterator[pa.Table], most: int) -> tuple[list[pa.Table], PromptlightError | None]:
    """The next blocks, up to so many or ``WINDOW_BYTES``, and the error that ended them."""
    window: list[pa.Table] = []
    n_bytes = 0
    try:
        while len(window) < most and n_bytes < WINDOW_BYTES and (block := next(blocks, None)) is not None:
            window.append(block)
            n_bytes += block.nbytes
    except PromptlightError as error:
        return window, error
    return window, None


def check_same(found: ModelFacts, expected: ModelFacts) -> None:
    """Raise ModelError if an actor would compute with another model or other packages than the others."""
    here, there = (asdict(facts) | {"versions": dict(facts.versions)} for facts in (found, expected))
    here |= here.pop("versions")
    there |= there.pop("versions")
    different = [f"{name} {here.get(name)}, not {there[name]}" for name in there if here.get(name) != there[name]]
    if different:
        raise ModelError(f"a worker of the cluster differs from the others: {'; '.join(different)}; make them alike")


def _count_copies(node: Node, n_bytes: int) -> int:
    """Actors without a GPU that a node has room for."""
    return min(int(node.cpus), int(node.memory // (n_bytes + PROCESS_BYTES)))


def _send_scout(loading: Loading, n_gpus: float) -> Any:
    share = _describe_share(Pool(n_actors=1, n_cpus=1, n_gpus=n_gpus))
    return ray.remote(**share, max_restarts=MOST_DEATHS, max_task_retries=MOST_DEATHS)(Scout).remote(loading)


def _ask(scout: Any, question: Callable[[Model], Answer], n_threads: int) -> Answer:
    with _explaining_errors():
        return ray.get(scout.ask.remote(question, n_threads))


def _load_here(loading: Loading, n_threads: int) -> Model:
    """Load the model into a worker's process, which no command line has prepared."""
    block_tensorflow()
    torch.set_num_threads(n_threads)
    return load_model(loading.handle, device=loading.device, dtype=loading.dtype)


def start_ledger() -> Any:
    """An actor beside the driver that counts how often each batch was begun.

    Ray's own count of attempts also has those that no actor was there for, as when a whole machine died.
    """

    class Ledger:  # sent to its process as code: to import this module would load torch for two lines
        def __init__(self) -> None:
            self._begun: dict[int, int] = {}

        def begin(self, batch: int) -> int:
            """How often this one was begun before."""
            n_before = self._begun.get(batch, 0)
            self._begun[batch] = n_before + 1
            return n_before

    here: Any = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Ledger).remote()


def _describe_share(pool: Pool) -> dict[str, Any]:
    """What Ray is told of each actor's needs."""
    variables = VARIABLES | {"KERAS_BACKEND": "torch"}
    return {"num_cpus": pool.n_cpus, "num_gpus": pool.n_gpus, "runtime_env": {"env_vars": variables}}


def _pack(columns: dict[str, Any]) -> pa.Table:
    types = {"number": pa.int64(), "prompt": pa.large_binary(), "result": pa.large_binary()}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def _find_nodes() -> list[Node]:
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(cpus=has.get("CPU", 0), gpus=has.get("GPU", 0), memory=has.get("memory", 0)) for has in found]


def _make_context() -> ray.data.DataContext:
    """How Ray Data works here: results in order, and nothing on the terminal but errors."""
    context = ray.data.DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.target_max_block_size = None  # a batch comes back whole or not at all
    context.execution_no_progress_timeout_s = -1  # a long batch is no fault
    context.raise_original_map_exception = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.ERROR)  # the rest is in Ray's own log file
    return context


@contextlib.contextmanager
def _connect(address: str | None) -> Iterator[bool]:
    """Be connected to a cluster; whether that is one that was made here and of this machine alone."""
    if ray.is_initialized():
        yield False
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # a cluster that is made here tells nobody
    address = address or os.environ.get("RAY_ADDRESS")
    dashboard = False if address is None else None  # None: as the cluster has it
    try:
        _check_address(address)
        with _no_backend_log(), _keeping_sigterm():
            ray.init(address or "local", include_dashboard=dashboard, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"--ray-address {address}" if address else "Ray on this machine"
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise UsageError(f"{where}: can't connect ({reason})") from error
    try:
        yield address is None
    finally:
        ray.shutdown()


def _check_address(address: str | None) -> None:
    """Raise OSError where no Ray listens, which Ray itself takes minutes to say.

    Its port speaks gRPC and so HTTP/2, whose servers answer a client's first words with a frame of settings.
    """
    if address in (None, "auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in host:
        raise ValueError("expected HOST:PORT of a cluster that this machine is part of, such as 10.0.0.1:6379")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return
        connection.sendall(HTTP2_HELLO)
        answer = connection.recv(HTTP2_FRAME)
    if answer[3:4] != HTTP2_SETTINGS:
        raise OSError("something else than Ray listens there")


@contextlib.contextmanager
def _keeping_sigterm() -> Iterator[None]:
    """Ray takes the signal for itself when it starts, in Python and in C++, and would end the process in the midst."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _no_backend_log() -> Iterator[None]:
    """Keep what Ray's C++ part would write about each actor off the terminal; it reads its level when Ray starts.

    The level itself is announced there too, past Python's ``sys.stderr``.
    """
    if LOG_LEVEL in os.environ:  # somebody wants to see it
        yield
        return
    os.environ[LOG_LEVEL] = "fatal"
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
        del os.environ[LOG_LEVEL]


@contextlib.contextmanager
def _explaining_errors() -> Iterator[None]:
    """What went wrong on a worker, as it would have been raised here."""
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
