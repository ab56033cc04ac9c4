"""Follow an evaluation by its passes: how many there are, how many are done, how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptlight.cli.views.estimate import count
from promptlight.cli.views.progress import Standing, spell_left
from promptlight.cli.work.progress import Display
from promptlight.salience.progress import Counted, Phase

if TYPE_CHECKING:
    from promptlight.salience.faithfulness.plan import Plan

LONG = 60.0  # seconds: a cost to know before one waits


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is to be measured: prompts, passes, the tokens of all passes; prompts that were measured before."""

    n_prompts: int = 0
    n_passes: int = 0
    n_tokens: int = 0
    n_kept: int = 0

    def with_plan(self, plan: Plan, *, kept: bool) -> Workload:
        """With one more prompt, to measure or measured before."""
        if kept:
            return replace(self, n_kept=self.n_kept + 1)
        n_passes = plan.n_passes
        return replace(
            self,
            n_prompts=self.n_prompts + 1,
            n_passes=self.n_passes + n_passes,
            n_tokens=self.n_tokens + n_passes * plan.n_tokens,
        )

    def spell(self) -> str:
        """In a line."""
        before = f"; {self.n_kept:,} measured before" if self.n_kept else ""
        return f"to measure: {count(self.n_prompts, 'prompt')}, {_count_passes(self.n_passes)}{before}"


def _count_passes(n: int) -> str:
    return "1 pass" if n == 1 else f"{n:,} passes"


class Meter:
    """Follows the passes of one prompt after another, and shows how many there are and how long the rest takes."""

    def __init__(self, load: Workload, display: Display, clock: Callable[[], float] = time.monotonic) -> None:
        self._load, self._display, self._clock = load, display, clock
        self._n_prompts, self._n_passes, self._n_tokens = 0, 0, 0
        self._started: float | None = None
        self._said = False

    def follow(self, n_tokens: int) -> Counted:
        """What to pass to the measuring of the next prompt, each of whose passes has so many tokens."""
        self._n_prompts += 1
        before = 0

        def counted(done: int, total: int) -> None:
            nonlocal before
            if self._started is None:
                self._started = self._clock()
            self._n_passes += done - before
            self._n_tokens += (done - before) * n_tokens
            before = done
            self._say_cost()
            self._display.show(Phase.EVALUATING, self.stand, begins=done == 0)

        return counted

    def _say_cost(self) -> None:
        """Say what it takes in all as soon as a pass is measured, if that is long."""
        left = self.stand().seconds_left
        if not self._said and left is not None:
            self._said = True
            if left >= LONG:
                self._display.say(f"{_count_passes(self._load.n_passes)} take about {spell_left(left)} here")

    def stand(self) -> Standing:
        """How far it has come; the time left is known once the first pass is done."""
        which = f" prompt {self._n_prompts:,} of {self._load.n_prompts:,}" if self._load.n_prompts > 1 else ""
        text = f"{Phase.EVALUATING}{which}: {self._n_passes:,}/{self._load.n_passes:,} passes"
        done = self._n_tokens / max(1, self._load.n_tokens)
        if self._started is None or done <= 0:
            return Standing(text=text, share=0.0)
        spent = self._clock() - self._started
        return Standing(text=text, share=min(1.0, done), seconds_left=max(0.0, spent / done - spent))
