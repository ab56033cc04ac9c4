"""How far long work has come: who does the work counts, who asked for it is told.

A function that takes long has a parameter ``counted``. It calls that after each step or chunk with what is done of how
many; the first call, with nothing done, says that the work begins. ``analyze`` makes a ``Step`` of each such count, to
say also what is counted, and for which prompts. By default nobody is told.

These are parameters, not a global: two threads of ``explore`` may work at once, and a test reads what one call says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

Counted = Callable[[int, int], None]
"""Told what is done of how many: of tokens, targets or forwards."""


class Phase(StrEnum):
    """What the work is at."""

    LOADING = "loading"
    WRITING = "writing"
    EXPLAINING = "explaining"
    EVALUATING = "evaluating"


class Unit(StrEnum):
    """What is counted in a phase."""

    TOKENS = "tokens"  # of all completions that are written together
    TARGETS = "targets"
    PASSES = "passes"  # backward, or forward with a part of the text removed


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """``done`` of at most ``total`` units, for the prompts ``ids``.

    ``total`` falls when a completion ends early. An explanation that runs several methods counts each of them from 0;
    ``share`` is what is done of the whole, from 0 to 1. ``n_prompt`` and ``n_new`` are the numbers of tokens that the
    prompts have and that are explained. Work that ran out of memory begins again, with less at a time: then ``done``
    falls. ``written`` has each prompt's new tokens so far, by id: these lists grow.
    """

    phase: Phase
    done: int
    total: int
    unit: Unit = Unit.PASSES
    ids: tuple[str, ...] = ()
    share: float = 0.0
    n_prompt: int = 0
    n_new: int = 0
    written: Sequence[Sequence[int]] = ()


OnStep = Callable[[Step], None]


def ignore(*_: object) -> None:
    """Tell nobody."""


class Counter:
    """Adds up the parts of some work, such as several calls that each count from 0, and tells what is done of all."""

    def __init__(self, total: int, counted: Counted) -> None:
        self.done, self.total = 0, total
        self._counted = counted
        counted(0, total)

    def add(self, n: int) -> None:
        """So many more are done."""
        self.done += n
        self._counted(self.done, max(self.done, self.total))

    def part(self) -> Counted:
        """What to pass to a call that does a part of the work."""
        before = 0

        def counted(done: int, total: int) -> None:
            nonlocal before
            if done > before:
                self.add(done - before)
            before = done

        return counted

    def finish(self) -> None:
        """Nothing is left, even if less was to do than planned."""
        if self.done != self.total:
            self._counted(self.done, self.done)
