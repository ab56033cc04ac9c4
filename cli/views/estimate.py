"""Show the estimate of a run, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlight.salience.run.estimate import Estimate


def spell_line(estimate: Estimate, free_on_disk: int) -> str:
    """The estimate in one line, with free memory and disk only if they don't suffice."""
    about = "about " * (estimate.n_sampled < estimate.n_to_do)
    tokens = f"{about}{estimate.n_prompt_tokens:,} tokens, {estimate.new_tokens.spell()} to write"
    memory, free = estimate.memory.peak, estimate.memory.free + estimate.memory.weights
    line = f"to do: {count(estimate.n_to_do, 'prompt')}, {tokens}; at most {spell_bytes(memory)} of memory"
    line += f"{spell_share(estimate)} and {spell_bytes(estimate.disk.most)} on disk"
    line += f"; only {spell_bytes(free)} of memory are available" if memory > free else ""
    return line + (f"; only {spell_bytes(free_on_disk)} of disk are free" if estimate.disk.most > free_on_disk else "")


def spell_share(estimate: Estimate) -> str:
    """Say that a figure is for each actor, if there are several."""
    return f" in each of {estimate.n_actors} actors" if estimate.n_actors > 1 else ""


def spell_all(estimate: Estimate, free_on_disk: int) -> str:
    """A line for each figure, and below them how they were estimated."""
    memory = estimate.memory
    rows = [
        ("prompts", ", ".join(list_counts(estimate))),
        (
            "tokens",
            f"{estimate.n_prompt_tokens:,} in prompts (the longest {estimate.longest:,}),"
            f" {estimate.new_tokens.spell()} to write",
        ),
        (
            "memory",
            f"at most {spell_bytes(memory.peak)}{spell_share(estimate)}: weights {spell_bytes(memory.weights)}, and"
            f" {spell_bytes(memory.generating)} to generate or {spell_bytes(memory.explaining)} to explain;"
            f" {spell_bytes(memory.free)} are free beside the weights",
        ),
        ("disk", f"{estimate.disk.spell(spell_bytes)}; {spell_bytes(free_on_disk)} are free"),
        ("time", spell_time(estimate)),
    ]
    return "\n".join([*(f"{name:<8} {text}" for name, text in rows), "", *list_grounds(estimate)])


def spell_time(estimate: Estimate) -> str:
    """The time of a run, not counting the loading of the model."""
    if estimate.seconds is None:
        return "unknown: no prompt could be run to measure it"
    return f"{estimate.seconds.spell(spell_seconds)} once the model is loaded"


def list_counts(estimate: Estimate) -> Iterator[str]:
    """The number of prompts of each kind, without zeros."""
    yield f"{estimate.n_to_do:,} to do"
    for n, what in (
        (estimate.n_too_long, "of them too long for the model"),
        (estimate.n_done, "done before"),
        (estimate.n_set_aside, "set aside before"),
        (estimate.n_unusable, "that can't be used"),
    ):
        if n:
            yield f"{n:,} {what}"


def list_grounds(estimate: Estimate) -> Iterator[str]:
    """How the figures were estimated."""
    if estimate.n_sampled < estimate.n_to_do:
        yield f"Tokens were counted in {estimate.n_sampled:,} prompts, spread evenly over the input."
    if (speed := estimate.speed) is None:
        return
    tried = f"{count(speed.n_completed, 'prompt')} completed and {speed.n_explained:,} explained here"
    if estimate.new_tokens.expected != estimate.new_tokens.most:
        yield f"Lower figures: completions as long as those of a trial, {tried} in {speed.spent:.0f} s."
        yield "Upper figures: all completions as long as allowed."
    else:
        yield f"Time is from a trial, {tried} in {speed.spent:.0f} s; if completions end early, all figures are lower."
    if estimate.n_actors > 1:
        yield f"Time is for {estimate.n_actors} actors in parallel."


def describe_estimate(estimate: Estimate, free_on_disk: int) -> dict[str, Any]:
    """All figures for ``--json``: bytes, tokens and seconds."""
    described = asdict(estimate)
    described["memory"] |= {"peak": estimate.memory.peak}
    described["disk"] |= {"free": free_on_disk}
    return described


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
