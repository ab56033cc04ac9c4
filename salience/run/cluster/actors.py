"""Ray actors: a scout that answers questions about the model, explainers that work through batches, and a ledger."""

# pyright: standard

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pyarrow as pa
import ray.data
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from promptlight.salience.errors import OUT_OF_MEMORY, ModelError
from promptlight.salience.loading.environment import VARIABLES, block_tensorflow
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.batches import set_aside
from promptlight.salience.run.cluster.pool import Pool
from promptlight.salience.run.cluster.transport import pack_table
from promptlight.salience.run.pipeline import analyze
from promptlight.salience.types import SetAsideCode

Answer = TypeVar("Answer")

MOST_DEATHS = 3  # of actors on one batch; then its prompts are set aside, and the next run tries them again
DEADLY = (
    f"{OUT_OF_MEMORY}, most likely: {MOST_DEATHS} workers died over its batch; take fewer actors or smaller batches"
)


@dataclass(frozen=True, kw_only=True)
class Loading:
    """The arguments for ``load_model`` in any process."""

    handle: str
    adapter: str | None
    device: str
    dtype: str


class Scout:
    """The first actor: it loads the model once and answers questions about it before the others start."""

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._model: Model | None = None

    def ask(self, question: Callable[[Model], Answer], n_threads: int) -> Answer:
        """Call a function with the model, and return its answer."""
        if self._model is None:  # not in __init__: Ray hides the reasons of errors there
            self._model = _load_here(self._loading, n_threads)
        torch.set_num_threads(n_threads)
        return question(self._model)


class Explainer:
    """An actor that loads the model once and explains batches with it."""

    def __init__(
        self, loading: Loading, expected: ModelFacts, options: AnalysisOptions, n_threads: int, ledger: Any
    ) -> None:
        self._model = _load_here(loading, n_threads)
        self._options = options
        self._ledger = ledger
        check_same(self._model.facts, expected)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """A table of one row for each prompt of the batch, with its result."""
        prompts = [pickle.loads(prompt) for prompt in batch["prompt"].to_pylist()]
        n_deaths: Any = ray.get(self._ledger.begin.remote(batch["number"][0].as_py()))
        if n_deaths < MOST_DEATHS:
            results = analyze(prompts, self._model, self._options, batch_size=len(prompts))
        else:
            code, parameters = SetAsideCode.OUT_OF_MEMORY, ("actors", "batch_size")
            results = (set_aside(prompt, code, DEADLY, parameters) for prompt in prompts)
        for number, result in zip(batch["number"].to_pylist(), results, strict=True):
            yield pack_table({"number": [number], "result": [pickle.dumps(result, protocol=5)]})


def check_same(found: ModelFacts, expected: ModelFacts) -> None:
    """Raise ModelError if an actor would compute with another model or other packages than the others."""
    here, there = (asdict(facts) | {"versions": dict(facts.versions)} for facts in (found, expected))
    here |= here.pop("versions")
    there |= there.pop("versions")
    different = [f"{name} {here.get(name)}, not {there[name]}" for name in there if here.get(name) != there[name]]
    if different:
        raise ModelError(f"a worker of the cluster differs from the others: {'; '.join(different)}; make them alike")


def send_scout(loading: Loading, n_gpus: float) -> Any:
    """Start a ``Scout`` on a worker."""
    share = describe_share(Pool(n_actors=1, n_cpus=1, n_gpus=n_gpus))
    return ray.remote(**share, max_restarts=MOST_DEATHS, max_task_retries=MOST_DEATHS)(Scout).remote(loading)


def _load_here(loading: Loading, n_threads: int) -> Model:
    """Load the model in a worker's process, after the same preparation as in the command's process."""
    block_tensorflow()
    torch.set_num_threads(n_threads)
    return load_model(loading.handle, adapter=loading.adapter, device=loading.device, dtype=loading.dtype)


def start_ledger() -> Any:
    """Start an actor on the driver's machine that counts how often each batch was started.

    Ray's own count of attempts also includes those that never reached an actor, as when a whole machine died.
    """

    class Ledger:  # Ray sends the class as code, so its process does not import this module and torch
        def __init__(self) -> None:
            self._begun: dict[int, int] = {}

        def begin(self, batch: int) -> int:
            """Count a start of this batch; returns the number of earlier starts."""
            n_before = self._begun.get(batch, 0)
            self._begun[batch] = n_before + 1
            return n_before

    here: Any = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Ledger).remote()


def describe_share(pool: Pool) -> dict[str, Any]:
    """Options for Ray with the resources of each actor."""
    variables = VARIABLES | {"KERAS_BACKEND": "torch"}
    return {"num_cpus": pool.n_cpus, "num_gpus": pool.n_gpus, "runtime_env": {"env_vars": variables}}
