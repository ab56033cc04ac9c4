"""What a run would take, in words, and as a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlight.salience.run.estimate import Estimate


def spell_line(estimate: Estimate, free_on_disk: int) -> str:
    """All of it in one line; of what is free, of which so many bytes on disk, only what is less than that."""
    about = "about " * (estimate.n_sampled < estimate.n_to_do)
    tokens = f"{about}{estimate.n_prompt_tokens:,} tokens, {estimate.new_tokens.spell()} to write"
    memory, free = estimate.memory.peak, estimate.memory.free + estimate.memory.weights
    line = f"to do: {count(estimate.n_to_do, 'prompt')}, {tokens}; at most {spell_bytes(memory)} of memory"
    line += f"{spell_share(estimate)} and {spell_bytes(estimate.disk.most)} on disk"
    line += f"; only {spell_bytes(free)} of memory are there" if memory > free else ""
    return line + (f"; only {spell_bytes(free_on_disk)} of disk are free" if estimate.disk.most > free_on_disk else "")


def spell_share(estimate: Estimate) -> str:
    """Whose figure it is, where several actors have one each."""
    return f" in each of {estimate.n_actors} actors" if estimate.n_actors > 1 else ""


def spell_all(estimate: Estimate, free_on_disk: int) -> str:
    """A line for each thing, and below what they rest on."""
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
    """How long a run would take from when its model is loaded."""
    if estimate.seconds is None:
        return "unknown: no prompt could be tried out"
    return f"{estimate.seconds.spell(spell_seconds)} once the model is loaded"


def list_counts(estimate: Estimate) -> Iterator[str]:
    """How many prompts there are of each kind, if there are any."""
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
    """What the figures rest on."""
    if estimate.n_sampled < estimate.n_to_do:
        yield f"Tokens were counted in {estimate.n_sampled:,} prompts, drawn evenly."
    if (speed := estimate.speed) is None:
        return
    tried = f"{count(speed.n_completed, 'prompt')} completed and {speed.n_explained:,} explained here"
    if estimate.new_tokens.expected != estimate.new_tokens.most:
        yield f"Lower figures: completions as long as those of {tried}, in {speed.spent:.0f} s."
        yield "Upper ones: all as long as they may be."
    else:
        yield f"Time is that of {tried}, in {speed.spent:.0f} s; completions that end early make all less."
    if estimate.n_actors > 1:
        yield f"Time is for {estimate.n_actors} actors at work."


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
    """Two digits or more in kB, MB, GB or TB, of a thousand each."""
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
