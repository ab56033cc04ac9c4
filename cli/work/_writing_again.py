"""Write completions of changed prompts, say beforehand how many there are, and show how long the rest takes."""

# pyright: standard

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptlight.cli.views.estimate import count
from promptlight.cli.views.progress import Standing, spell_left
from promptlight.cli.work.progress import Display
from promptlight.salience.errors import UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import Phase, Step
from promptlight.salience.regeneration.finding_causes import Complete, PartsPlan
from promptlight.salience.types import Completion, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.model import Model

LONG = 60.0  # seconds: a cost to know before one waits


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is to be written: prompts, their parts, and about how many tokens; prompts that were done before."""

    n_prompts: int = 0
    n_parts: int = 0
    n_tokens: int = 0
    n_kept: int = 0

    @property
    def n_completions(self) -> int:
        """One for each part, and one for each prompt as it is."""
        return self.n_prompts + self.n_parts

    def with_plan(self, plan: PartsPlan, *, kept: bool) -> Load:
        """With one more prompt, to write or done before."""
        if kept:
            return replace(self, n_kept=self.n_kept + 1)
        return replace(
            self,
            n_prompts=self.n_prompts + 1,
            n_parts=self.n_parts + len(plan.parts),
            n_tokens=self.n_tokens + plan.n_tokens,
        )

    def spell(self) -> str:
        """In a line: ``25 prompts, 412 parts: the model writes 437 completions``."""
        before = f"; {count(self.n_kept, 'prompt')} done before" if self.n_kept else ""
        parts = f"{count(self.n_prompts, 'prompt')}, {count(self.n_parts, 'part')}"
        return f"{parts}: the model writes {count(self.n_completions, 'completion')}{before}"


class Pen:
    """Writes the completions of one prompt after another, and shows how far it has come."""

    def __init__(
        self,
        model: Model,
        options: AnalysisOptions,
        load: Load,
        display: Display,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model, self._options, self._load, self._display, self._clock = model, options, load, display, clock
        self._n_prompts, self._n_done, self._n_tokens = 0, 0, 0
        self._ahead = 0.0  # tokens of the present prompt
        self._started: float | None = None
        self._said = False

    def follow(self, plan: PartsPlan) -> Complete:
        """What completes the prompts of a plan. It raises UsageError if one of them can't be completed."""
        from promptlight.salience.run.batches import complete

        def write(prompts: Sequence[Prompt]) -> list[Completion]:
            self._started = self._started or self._clock()
            self._n_prompts += 1
            written = 0

            def hear(step: Step) -> None:
                nonlocal written
                share = (written + len(step.ids) * step.done / max(1, step.total)) / len(prompts)
                written += len(step.ids) if step.done == step.total else 0
                self._ahead = min(1.0, share) * plan.n_tokens
                self._display.show(Phase.WRITING, self.stand, begins=step.done == 0)

            found = _require(complete(prompts, self._model, self._options, on_step=hear))
            self._n_done += len(prompts)
            self._n_tokens += plan.n_tokens
            self._ahead = 0.0
            self._say_cost()
            return found

        return write

    def stand(self) -> Standing:
        """How far it has come; the time left is known once something is written."""
        which = f", prompt {self._n_prompts:,} of {self._load.n_prompts:,}" if self._load.n_prompts > 1 else ""
        text = f"{Phase.WRITING} again{which}: {self._n_done:,}/{self._load.n_completions:,} completions"
        done = (self._n_tokens + self._ahead) / max(1, self._load.n_tokens)
        if self._started is None or done <= 0:
            return Standing(text=text, share=0.0)
        spent = self._clock() - self._started
        return Standing(text=text, share=min(1.0, done), seconds_left=max(0.0, spent / done - spent))

    def _say_cost(self) -> None:
        """Say after the first prompt what the others take, if that is long."""
        left = self.stand().seconds_left
        if not self._said and left is not None:
            self._said = True
            if left >= LONG:
                n_left = self._load.n_completions - self._n_done
                self._display.say(f"{n_left:,} more completions take about {spell_left(left)} here")


def _require(results: Sequence[Completion | SetAside]) -> list[Completion]:
    """All completions. Raises UsageError for the first that was skipped."""
    found: list[Completion] = []
    for result in results:
        if isinstance(result, SetAside):
            raise UsageError(f"{result.id}: {result.reason}", parameters=result.parameters)
        found.append(result)
    return found
