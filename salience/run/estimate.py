"""What a run is expected to take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promptlight.salience.decoder.batch_plan import MemoryPlan
from promptlight.salience.run.dry_run import Speed


@dataclass(frozen=True, kw_only=True)
class Range:
    """From what it is if completions are as long as those that were tried, to what it is if all are as long as allowed;
    both the same where nothing was tried, or where nothing is generated."""

    expected: float
    most: float

    def spell(self, how: Callable[[float], str] = "{:,.0f}".format) -> str:
        """``3 s to 5 s``, or ``at most 5 s``."""
        low, high = how(self.expected), how(self.most)
        return f"{low} to {high}" if low != high else f"at most {high}"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of a whole run: bytes, tokens, seconds. ``n_sampled`` prompts were tokenised; ``seconds`` None: not tried out.

    ``memory`` is that of each of the ``n_actors`` that have work, and ``seconds`` are from when these have started.
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
