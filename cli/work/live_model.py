"""A model that explains prompts on the spot, for commands that look at one prompt at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptlight.cli.options.analysis import choose_objective
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Compat, Method, Objective, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.model import Model
    from promptlight.salience.run.pipeline import AnalysisOptions

LONGEST = 64  # tokens of a completion, where nothing is said


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How prompts are completed and explained; the model is loaded for the first one and kept."""

    model: str = "demo"
    device: str = "auto"
    dtype: str = "auto"
    max_new_tokens: int = LONGEST
    method: Method | None = None
    objective: Objective = Objective.LOGPROB
    compat: Compat | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def explain(self, *prompts: Prompt) -> list[Analysis]:
        """Complete and explain prompts. Raises UsageError for the first that doesn't fit the model."""
        from promptlight.salience.run.pipeline import analyze

        results = list(analyze(prompts, self._loaded, self._options))
        for result in results:
            if isinstance(result, SetAside):
                raise UsageError(f"{result.id} was set aside, there is nothing to show: {result.reason}")
        return [result for result in results if isinstance(result, Analysis)]

    @cached_property
    def _loaded(self) -> Model:
        from promptlight.salience.loading.load import load_model

        return load_model(self.model, device=self.device, dtype=self.dtype)

    @property
    def _options(self) -> AnalysisOptions:
        from promptlight.salience.options.sampling import Sampling
        from promptlight.salience.run.pipeline import AnalysisOptions

        return AnalysisOptions(
            max_new_tokens=self.max_new_tokens,
            sampling=Sampling(**self.sampling),
            methods=(self.method or Method.GRAD_L2,),
            objective=choose_objective(self.objective, self.compat),
            compat=self.compat,
        )


def read_engine(settings: Mapping[str, Any], **chosen: Any) -> Engine:
    """An engine that works as a stored run did, but for what is chosen anew (None: as it was).

    ``settings`` are those of a results folder; only the first of its methods is run.
    """
    compat, objective = settings["compat"], Objective(settings["objective"])
    stored = {
        "model": settings["model"],
        "dtype": settings["dtype"],
        "max_new_tokens": settings["max_new_tokens"],
        "method": Method(settings["methods"][0]),
        "objective": Objective.LOGPROB if objective is Objective.LOSS and compat else objective,
        "compat": Compat(compat) if compat else None,
        "sampling": {name: settings[name] for name in ("temperature", "top_k", "top_p", "seed")},
    }
    return Engine(**stored | {name: value for name, value in chosen.items() if value is not None})
