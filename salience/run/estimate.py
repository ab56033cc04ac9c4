"""The estimated work of a run: tokens, memory and, after a trial, time. Bytes on disk are for who writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promptlight.salience.decoder.batch_plan import MemoryPlan, choose_batch_size, plan_memory
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.dry_run import Sampled, Speed, estimate_seconds, try_out


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
    n_too_long: int
    n_actors: int
    n_sampled: int
    n_prompt_tokens: int
    longest: int
    new_tokens: Range
    memory: MemoryPlan
    seconds: Range | None
    speed: Speed | None


def estimate_work(
    sampled: Sampled, model: Model, options: AnalysisOptions, batch_size: int | None, n_actors: int, *, tried: bool
) -> Estimate:
    """Estimate a run before it starts; with ``tried``, a few prompts are run to measure time."""
    most = choose_batch_size(model.device, batch_size)
    n_at_work = max(1, min(n_actors, -(-sampled.n_prompts // most)))  # each works on one batch at a time
    needs = [text.need for text in sampled.texts]
    to_write = [text.need for text in sampled.texts if not text.is_given]
    memory = plan_memory(model.decoder, to_write, needs, most)  # first: a trial leaves memory in use
    speed = try_out(sampled, model, options, batch_size) if tried else None
    return Estimate(
        n_to_do=sampled.n_prompts,
        n_too_long=round(sampled.n_too_long * sampled.share),
        n_actors=n_at_work,
        n_sampled=len(sampled.texts) + sampled.n_too_long,
        n_prompt_tokens=round(sum(need.n_prompt for need in needs) * sampled.share),
        longest=max((need.n_prompt for need in needs), default=0),
        new_tokens=range_over_fill(speed, lambda fill: _count_new(sampled, fill)),
        memory=memory,
        seconds=speed
        and range_over_fill(speed, lambda fill: estimate_seconds(sampled, speed, options, fill) / n_at_work),
        speed=speed,
    )


def range_over_fill(speed: Speed | None, figure: Callable[[float], float]) -> Range:
    """A figure of the share of their allowed tokens that completions use: the share of a trial, and all of them."""
    fill = 1.0 if speed is None or speed.fill is None else speed.fill
    return Range(expected=figure(fill), most=figure(1.0))


def _count_new(sampled: Sampled, fill: float) -> int:
    """Count tokens of completions if they use the share ``fill`` of their allowed tokens."""
    return round(sum(text.n_new * (1 if text.is_given else fill) for text in sampled.texts) * sampled.share)
