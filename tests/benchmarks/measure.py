"""Fair timing: candidates take turns in one process and are compared turn by turn.

The speed of a shared CPU changes from minute to minute. Two candidates that run one after the other see the same speed,
so the report gives the median of the ratios within a turn, with the smallest and the largest.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

Key = TypeVar("Key")


@dataclass(frozen=True)
class Settings:
    """The settings from the command line."""

    device: torch.device
    threads: int
    rounds: int
    quick: bool


@dataclass(frozen=True)
class Candidate:
    """Something to time. ``n_units`` is its amount of work, in case it runs only a part."""

    work: Callable[[], object]
    n_units: float = 1


@dataclass
class Table:
    """One benchmark's result, for people (``as_text``) and for programs (``figures``)."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list[Sequence[str]])
    notes: list[str] = field(default_factory=list[str])
    figures: dict[str, Any] = field(default_factory=dict[str, Any])

    def as_text(self) -> str:
        """Aligned Markdown that can be pasted into the docs."""
        cells = [list(self.columns), *map(list, self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, ["-" * width for width in widths])
        lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
        return "\n".join([f"### {self.title}", "", *lines, "", *self.notes])


def measure_seconds(work: Callable[[], object], device: torch.device) -> float:
    """CPU time of this process with all its threads; on a GPU, the time between two CUDA events."""
    if device.type != "cuda":
        start = time.process_time()
        work()
        return time.process_time() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end) / 1000


def alternate(candidates: Mapping[Key, Candidate], settings: Settings) -> dict[Key, list[float]]:
    """Seconds per unit of each candidate in each round, A B C A B C; a first round warms up and does not count."""
    seconds: dict[Key, list[float]] = {name: [] for name in candidates}
    for turn in range(settings.rounds + 1):
        for name, candidate in candidates.items():
            taken = measure_seconds(candidate.work, settings.device)
            if turn:
                seconds[name].append(taken / candidate.n_units)
    return seconds


def median_ratio(slower: Sequence[float], faster: Sequence[float]) -> tuple[float, str]:
    """Median of the ratios turn by turn, and its text with the smallest and the largest."""
    ratios = sorted(a / b for a, b in zip(slower, faster, strict=True))
    middle = statistics.median(ratios)
    return middle, f"{middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def compare(
    title: str, seconds: Mapping[str, Sequence[float]], ours: str, *, unit: str = "s", scale: float = 1
) -> Table:
    """Make a table of medians, and of each candidate's time relative to ``ours``."""
    table = Table(title, ("candidate", unit, "times ours (smallest to largest)"))
    for name, taken in seconds.items():
        middle, shown = median_ratio(taken, seconds[ours])
        table.rows.append((name, f"{statistics.median(taken) * scale:.3g}", shown if name != ours else "1"))
        table.figures[name] = {"seconds": list(taken), "times_ours": middle}
    return table


def judge(table: Table, settings: Settings, goal: str, met: bool) -> None:
    """Note under a table whether a goal is met; a quick run does too little work to tell."""
    if settings.quick:
        return
    table.notes.append(f"Goal: {goal}: {'met' if met else 'NOT met'}.")
    table.figures[f"goal: {goal}"] = met
