"""Show the estimate of a run, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlight.salience.run.estimate import Estimate, Range


@dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """The records of a run that need no work, the estimated work of all others, and the bytes of the results."""

    n_done: int
    n_set_aside: int
    n_unusable: int
    work: Estimate
    disk: Range


def spell_line(estimate: RunEstimate, free_on_disk: int | None) -> str:
    """The estimate in one line, with free memory and disk only if they don't suffice."""
    work = estimate.work
    about = "about " * (work.n_sampled < work.n_to_do)
    tokens = f"{about}{work.n_prompt_tokens:,} tokens"
    tokens += f"; the model adds {work.new_tokens.spell()}" if work.new_tokens.most else ""
    memory = work.memory
    line = f"to do: {count(work.n_to_do, 'prompt')}, {tokens}; needs at most {spell_bytes(memory.peak)} of memory"
    line += f"{_spell_share(work)} and {spell_bytes(estimate.disk.most)} {_spell_store(free_on_disk)}"
    available = memory.weights + memory.process + memory.free
    line += f"; only {spell_bytes(available)} of memory are available" if memory.working > memory.free else ""
    is_short = free_on_disk is not None and estimate.disk.most > free_on_disk
    return line + (f"; only {spell_bytes(free_on_disk or 0)} of disk are free" if is_short else "")


def _spell_share(work: Estimate) -> str:
    """Say that a figure is for each actor, if there are several."""
    return f" in each of {work.n_actors} actors" if work.n_actors > 1 else ""


def spell_all(estimate: RunEstimate, free_on_disk: int | None) -> str:
    """A line for each figure, and below them how they were estimated."""
    work, memory = estimate.work, estimate.work.memory
    rows = [
        ("prompts", ", ".join(_list_counts(estimate))),
        (
            "tokens",
            f"{work.n_prompt_tokens:,} in prompts (the longest {work.longest:,}), {work.new_tokens.spell()} to write",
        ),
        (
            "memory",
            f"at most {spell_bytes(memory.peak)}{_spell_share(work)}: {_spell_process(work)}, and"
            f" {spell_bytes(memory.generating)} to generate or {spell_bytes(memory.explaining)} to explain;"
            f" {spell_bytes(memory.free)} more are free",
        ),
        ("disk", estimate.disk.spell(spell_bytes) + _spell_free(free_on_disk)),
        ("time", _spell_time(work)),
    ]
    return "\n".join([*(f"{name:<8} {text}" for name, text in rows), "", *_list_grounds(work)])


def _spell_store(free_on_disk: int | None) -> str:
    return "on the object store" if free_on_disk is None else "on disk"


def _spell_free(free_on_disk: int | None) -> str:
    return ", on the object store" if free_on_disk is None else f"; {spell_bytes(free_on_disk)} are free"


def _spell_process(work: Estimate) -> str:
    """What is taken all the time, and what loading took if that was more than working will."""
    memory = work.memory
    parts = f"weights {spell_bytes(memory.weights)}"
    parts += f", libraries {spell_bytes(memory.process)}" if memory.process else ""
    return parts + (f" ({spell_bytes(memory.loading)} to load them)" if memory.peak == memory.loading else "")


def _spell_time(work: Estimate) -> str:
    """The time of a run, not counting the loading of the model."""
    if work.seconds is None:
        return "unknown: no prompt could be run to measure it"
    return f"{work.seconds.spell(spell_seconds)} once the model is loaded"


def _list_counts(estimate: RunEstimate) -> Iterator[str]:
    """The number of prompts of each kind, without zeros."""
    yield f"{estimate.work.n_to_do:,} to do"
    for n, what in (
        (estimate.work.n_too_long, "of them too long for the model"),
        (estimate.n_done, "done before"),
        (estimate.n_set_aside, "skipped before"),
        (estimate.n_unusable, "that can't be used"),
    ):
        if n:
            yield f"{n:,} {what}"


def _list_grounds(work: Estimate) -> Iterator[str]:
    """How the figures were estimated."""
    if work.n_sampled < work.n_to_do:
        yield f"Tokens were counted in {work.n_sampled:,} prompts, spread evenly over the input."
    if (speed := work.speed) is None:
        return
    tried = f"{count(speed.n_completed, 'prompt')} completed and {speed.n_explained:,} explained here"
    if work.new_tokens.expected != work.new_tokens.most:
        yield f"Lower figures: completions as long as those of a trial, {tried} in {speed.spent:.0f} s."
        yield "Upper figures: all completions as long as allowed."
    else:
        yield f"Time is from a trial, {tried} in {speed.spent:.0f} s; if completions end early, all figures are lower."
    if work.n_actors > 1:
        yield f"Time is for {work.n_actors} actors in parallel."


def describe_estimate(estimate: RunEstimate, free_on_disk: int | None) -> dict[str, Any]:
    """All figures for ``--json``: bytes, tokens and seconds."""
    described = asdict(estimate)
    work = described.pop("work")
    described["disk"] |= {"free": free_on_disk}
    return {
        "n_to_do": estimate.work.n_to_do,
        **described,
        **work,
        "memory": work["memory"] | {"peak": estimate.work.memory.peak},
    }


def count(n: int, what: str) -> str:
    """``1 prompt``, ``1,200 prompts``."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def spell_bytes(n_bytes: float) -> str:
    """Bytes in kB, MB, GB or TB (powers of 1000), with at least two digits."""
    units = ["kB", "MB", "GB", "TB"]
    size = n_bytes / 1000
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.{1 if size < 10 else 0}f} {units[0]}"


def spell_seconds(seconds: float) -> str:
    """``12 s``, ``5 min``, ``3.2 h``."""
    if seconds < 100:
        return f"{seconds:.{1 if seconds < 10 else 0}f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
