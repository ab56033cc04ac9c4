"""A model that explains prompts on the spot, for commands that look at one prompt at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from promptlight.cli.explaining import choose_objective
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Compat, Objective, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.model import Model
    from promptlight.salience.pipeline import AnalysisOptions


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The model options of a command; the model is loaded for the first prompt and kept."""

    model: str
    device: str
    dtype: str
    max_new_tokens: int
    compat: Compat | None = None

    def explain(self, *prompts: Prompt) -> list[Analysis]:
        """Complete and explain prompts. Raises UsageError for the first that doesn't fit the model."""
        from promptlight.salience.pipeline import analyze

        results = list(analyze(prompts, self._loaded, self._options))
        for result in results:
            if isinstance(result, SetAside):
                raise UsageError(f"{result.id} was set aside, there is nothing to show: {result.reason}")
        return [result for result in results if isinstance(result, Analysis)]

    @cached_property
    def _loaded(self) -> Model:
        from promptlight.salience.model import load_model

        return load_model(self.model, device=self.device, dtype=self.dtype)

    @property
    def _options(self) -> AnalysisOptions:
        from promptlight.salience.pipeline import AnalysisOptions

        objective = choose_objective(Objective.LOGPROB, self.compat)
        return AnalysisOptions(max_new_tokens=self.max_new_tokens, objective=objective, compat=self.compat)
