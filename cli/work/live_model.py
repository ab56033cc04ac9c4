"""A model that explains single prompts on demand, for commands that show one prompt at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptlight.salience.errors import UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.types import Analysis, Explain, Method, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.model import Model


@dataclass(frozen=True, kw_only=True)
class LiveModel:
    """Completes and explains prompts; the model is loaded for the first one and kept."""

    model: str = "demo"
    adapter: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    options: AnalysisOptions = field(default_factory=AnalysisOptions)

    def explain(self, *prompts: Prompt) -> list[Analysis]:
        """Complete and explain prompts. Raises UsageError for the first that can't be used."""
        from promptlight.salience.run.pipeline import analyze

        results = list(analyze(prompts, self._loaded, self.options))
        for result in results:
            if isinstance(result, SetAside):
                reason = f"{result.id} was set aside, there is nothing to show: {result.reason}"
                raise UsageError(reason, parameters=result.parameters)
        return [result for result in results if isinstance(result, Analysis)]

    @property
    def quantised(self) -> str | None:
        """How the model is quantised, as ``ModelFacts`` says it; loads it."""
        return self._loaded.facts.quantised

    @cached_property
    def _loaded(self) -> Model:
        from promptlight.salience.loading.load import load_model

        return load_model(self.model, adapter=self.adapter, device=self.device, dtype=self.dtype)


def build_live_model(
    settings: Mapping[str, Any],
    *,
    model: str | None,
    adapter: str | None = None,
    device: str,
    dtype: str | None,
    max_new_tokens: int | None,
    stop: tuple[str, ...] = (),
    method: Method | None = None,
) -> LiveModel:
    """A model that explains as the run with these settings did; missing settings have the defaults of ``run``.

    The other arguments override stored settings unless they are None or empty. The model always generates the
    completion, because a changed prompt changes that. Raises UsageError if the settings contradict each other.
    """
    chosen: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "stop": stop or None,
        "methods": method and (method,),
    }
    changes = {name: value for name, value in chosen.items() if value is not None}
    return LiveModel(
        model=model or settings.get("model", "demo"),
        adapter=adapter or (None if model else settings.get("adapter")),
        device=device,
        dtype=dtype or settings.get("dtype", "auto"),
        options=replace(AnalysisOptions.from_settings(settings), explain=Explain.RESPONSE, **changes),
    )
