"""Ray actors: a scout that answers questions about the model, and explainers that work through batches."""

# pyright: standard

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import ray
import torch

from promptlight.salience.errors import OUT_OF_MEMORY, ModelError
from promptlight.salience.loading.environment import VARIABLES, block_tensorflow
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.batches import set_aside
from promptlight.salience.run.cluster.dispatch import MOST_DEATHS
from promptlight.salience.run.cluster.pool import Pool
from promptlight.salience.run.pipeline import analyze
from promptlight.salience.types import Prompt, SetAside, SetAsideCode

Answer = TypeVar("Answer")

DEADLY = f"{OUT_OF_MEMORY}, most likely: {MOST_DEATHS} workers died over its batch; use fewer actors or smaller batches"


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

    def __init__(self, loading: Loading, expected: ModelFacts, options: AnalysisOptions, n_threads: int) -> None:
        self._loading, self._expected, self._options, self._n_threads = loading, expected, options, n_threads
        self._model: Model | None = None

    def load(self) -> None:
        """Load the model. Raises ModelError if it differs from the others'."""
        if self._model is None:  # not in __init__: Ray hides the reasons of errors there
            model = _load_here(self._loading, self._n_threads)
            check_same(model.facts, self._expected)
            self._model = model

    def explain(self, prompts: Sequence[bytes]) -> list[bytes]:
        """The results of pickled prompts, pickled."""
        assert self._model is not None
        batch = [pickle.loads(prompt) for prompt in prompts]
        results = analyze(batch, self._model, self._options, batch_size=len(batch))
        return [pickle.dumps(result, protocol=5) for result in results]


def start_explainers(
    n_actors: int, kind: type[Explainer], pool: Pool, arguments: tuple[Loading, ModelFacts, AnalysisOptions]
) -> list[Any]:
    """Start actors, which start again wherever there is room if they die."""
    actor = ray.remote(**_describe_share(pool), max_restarts=-1)(kind)
    return [actor.remote(*arguments, pool.n_cpus) for _ in range(n_actors)]


def set_aside_deadly(prompt: Prompt) -> SetAside:
    """Skip a prompt over whose batch too many actors have died."""
    return set_aside(prompt, SetAsideCode.OUT_OF_MEMORY, DEADLY, ("actors", "batch_size"))


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
    share = _describe_share(Pool(n_actors=1, n_cpus=1, n_gpus=n_gpus))
    return ray.remote(**share, max_restarts=MOST_DEATHS, max_task_retries=MOST_DEATHS)(Scout).remote(loading)


def _load_here(loading: Loading, n_threads: int) -> Model:
    """Load the model in a worker's process, after the same preparation as in the command's process."""
    block_tensorflow()
    torch.set_num_threads(n_threads)
    return load_model(loading.handle, adapter=loading.adapter, device=loading.device, dtype=loading.dtype)


def _describe_share(pool: Pool) -> dict[str, Any]:
    """Options for Ray with the resources of each actor."""
    variables = VARIABLES | {"KERAS_BACKEND": "torch"}
    return {"num_cpus": pool.n_cpus, "num_gpus": pool.n_gpus, "runtime_env": {"env_vars": variables}}
