"""A model that explains single prompts on demand, for commands that show one prompt at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from promptlight.cli.options.analysis import choose_objective
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.stopping import read_stops
from promptlight.cli.work.progress import Display, Following, open_display
from promptlight.salience.errors import ModelError, UsageError
from promptlight.salience.loading.handles import spell_stored
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import OnStep, ignore
from promptlight.salience.types import Analysis, Completion, Explain, Method, Objective, Prompt, SetAside

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from promptlight.io.results.facts import RunFacts
    from promptlight.salience.model import Model

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class LiveModel:
    """Completes and explains prompts; the model is loaded for the first one and kept."""

    model: str = "demo"
    adapter: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    options: AnalysisOptions = field(default_factory=AnalysisOptions)
    chat: bool = False  # whether prompts are put into the chat format, to say so
    if_missing: str = ""  # what to do if the model can't be loaded

    def asked_for(self, objective: Objective | None, foil: str | None) -> LiveModel:
        """The same model, asked about another objective or foil; None keeps its own."""
        options = self.options
        if objective is not None:
            options = replace(options, objective=choose_objective(objective, options.compat))
        return replace(self, options=options if foil is None else replace(options, foil=foil))

    def holding(self, model: Model) -> LiveModel:
        """The same with a model that is loaded already."""
        held = replace(self)
        held.__dict__["_loaded"] = model
        return held

    def explain(self, *prompts: Prompt, display: Display | None = None) -> list[Analysis]:
        """Complete and explain prompts. Raises UsageError for the first that can't be used.

        ``display`` shows how far it has come (None: on stderr).
        """
        from promptlight.salience.run.pipeline import analyze

        with self._follow(prompts, display) as following:
            found = analyze(prompts, self._loaded, self.options, on_step=following.hear)
            return _require(following.count(prompts, found))

    def complete(self, *prompts: Prompt, display: Display | None = None) -> list[Completion]:
        """``explain`` without explaining."""
        from promptlight.salience.run.batches import complete

        with self._follow(prompts, display, explains=False) as following:
            return _require(complete(prompts, self._loaded, self.options, on_step=following.hear))

    def load(self, display: Display) -> Model:
        """The model, loaded unless it is there."""
        if "_loaded" not in self.__dict__:
            with display.loading(self.model):
                self.__dict__["_loaded"] = self._read(display.say)
        return self._loaded

    @property
    def batch_size(self) -> int:
        """The most prompts that are completed together; loads the model."""
        from promptlight.salience.decoder.batch_plan import choose_batch_size

        return choose_batch_size(self._loaded.device)

    def write(self, prompts: Sequence[Prompt], on_step: OnStep) -> list[Completion]:
        """``complete``, telling each step to the caller instead of a display."""
        from promptlight.salience.run.batches import complete

        return _require(complete(prompts, self._loaded, self.options, on_step=on_step))

    def score(self, prompts: Sequence[Prompt], ids: Sequence[int]) -> NDArray[np.float64]:
        """The log-probability of each of these tokens after each prompt, [prompts, tokens]."""
        from promptlight.salience.regeneration.likelihood import score_text

        return score_text(self._loaded, prompts, ids)

    def describe_run(self) -> RunFacts:
        """Where what it explains now comes from; loads the model."""
        from promptlight.io.results.facts import build_facts, read_clock
        from promptlight.salience.run.provenance import describe_provenance, describe_settings

        facts = self._loaded.facts
        settings = describe_settings(facts, self.options, chat=self.chat)
        return build_facts({"settings": settings, "finished": read_clock(), **describe_provenance(facts)})

    @contextmanager
    def _follow(
        self, prompts: Sequence[Prompt], display: Display | None, *, explains: bool = True
    ) -> Generator[Following]:
        """Load the model unless it is there, and follow the work on the prompts."""
        from promptlight.salience.run.dry_run import measure_texts, plan_workload

        with nullcontext(display) if display else open_display() as shown:
            self.load(shown)
            texts = measure_texts(prompts, len(prompts), self._loaded, self.options)
            yield Following(shown, plan_workload(texts, self.options, explains=explains))

    @cached_property
    def _loaded(self) -> Model:
        return self._read(ignore)

    def _read(self, on_fetch: Callable[[str], None]) -> Model:
        from promptlight.salience.loading.load import load_model

        try:
            return load_model(self.model, adapter=self.adapter, device=self.device, dtype=self.dtype, on_fetch=on_fetch)
        except ModelError as error:
            if not self.if_missing or "dtype" in error.parameters:  # which would make it fit
                raise
            raise ModelError(f"{error}; {self.if_missing}", parameters=error.parameters) from error


def _require(results: Iterable[Result | SetAside]) -> list[Result]:
    """All results. Raises UsageError for the first that was skipped."""
    found: list[Result] = []
    for result in results:
        if isinstance(result, SetAside):
            reason = f"{result.id} was skipped, there is nothing to show: {result.reason}"
            raise UsageError(reason, parameters=result.parameters)
        found.append(result)
    return found


def build_live_model(
    settings: Mapping[str, Any], rerun: Rerun, method: Method | None = None, *, if_missing: str = ""
) -> LiveModel:
    """A model that explains as the run with these settings did; missing settings have the defaults of ``run``.

    What ``rerun`` and ``method`` say overrides the settings. The model always generates the completion, because a
    changed prompt changes that. Raises UsageError if the settings contradict each other.
    """
    chosen: dict[str, Any] = {
        "max_new_tokens": rerun.max_new_tokens,
        "stop": read_stops(rerun.stop) or None,
        "methods": method and (method,),
    }
    changes = {name: value for name, value in chosen.items() if value is not None}
    return LiveModel(
        model=rerun.model or spell_stored(settings.get("model", "demo")),
        adapter=rerun.adapter or (None if rerun.model else settings.get("adapter")),
        device=rerun.device,
        dtype=rerun.dtype or settings.get("dtype", "auto"),
        options=replace(AnalysisOptions.from_settings(settings), explain=Explain.RESPONSE, **changes),
        chat=bool(settings.get("chat")),
        if_missing="" if rerun.model else if_missing,
    )
