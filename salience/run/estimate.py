"""The estimated cost of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promptlight.salience.decoder.batch_plan import MemoryPlan
from promptlight.salience.run.dry_run import Speed


@dataclass(frozen=True, kw_only=True)
class Range:
    """A figure if completions are as long as those of a trial, and if all are as long as allowed.

    Both are the same if there was no trial or nothing is generated.
    """

    expected: float
    most: float

    def spell(self, how: Callable[[float], str] = "{:,.0f}".format) -> str:
        """``3 s to 5 s``, or ``at most 5 s``."""
        low, high = how(self.expected), how(self.most)
        return f"{low} to {high}" if low != high else f"at most {high}"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes, tokens and seconds of a run. ``n_sampled`` prompts were tokenised; ``seconds`` is None without a trial.

    ``memory`` is for each of the ``n_actors`` that have work, and ``seconds`` count from when these have started.
    """

    n_to_do: int
    n_done: int
    n_set_aside: int
    n_unusable: int
    n_too_long: int
    n_actors: int
    n_sampled: int
    n_prompt_tokens: int
    longest: int
    new_tokens: Range
    memory: MemoryPlan
    disk: Range
    seconds: Range | None
    speed: Speed | None
