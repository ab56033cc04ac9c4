"""The texts that a batch writes: their tokens so far, and where each of them ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from promptlight.salience.progress import Counted
from promptlight.salience.types import StopReason

IsStopped = Callable[[int, int], bool]
"""A row's number in the whole batch and its next token -> whether its completion ends there; called once a token."""


class Texts:
    """The ids of each row (``written``), and why it ends (``reasons``). A row goes on until one of ``stops``, a stop
    text or its limit; whoever adds tokens need not know which rows do."""

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        asked: Sequence[int],
        limits: Sequence[int],
        stops: dict[int, StopReason],
        is_stopped: IsStopped | None,
        counted: Counted,
    ) -> None:
        self._prompts, self._limits, self._stops = prompts, list(limits), stops
        self._is_stopped, self._counted = is_stopped, counted
        self.written: list[list[int]] = [[] for _ in prompts]
        self.reasons = [
            StopReason.CONTEXT_FULL if limit < most else StopReason.TOKEN_LIMIT
            for limit, most in zip(limits, asked, strict=True)
        ]  # unless something stops it first

    def append(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Add a token to each of these rows that goes on."""
        for row, token in zip(rows, tokens, strict=True):
            written = self.written[row]
            if len(written) >= self._limits[row]:
                continue
            written.append(token)
            if token in self._stops:
                self.reasons[row], self._limits[row] = self._stops[token], len(written)
            elif self._is_stopped and self._is_stopped(row, token):
                self.reasons[row], self._limits[row] = StopReason.STOP_TEXT, len(written)
        self.count()

    def count(self) -> None:
        """Tell how many tokens there are, and how many there may be."""
        self._counted(sum(map(len, self.written)), sum(limit for limit in self._limits if limit > 0))

    def pick_open(self, rows: Iterable[int]) -> list[int]:
        """Those of these rows that go on."""
        return [row for row in rows if len(self.written[row]) < self._limits[row]]

    def count_positions(self, rows: Iterable[int]) -> int:
        """The positions of the longest of these rows."""
        return max(len(self._prompts[row]) + len(self.written[row]) for row in rows)

    def count_missing(self, rows: Iterable[int]) -> int:
        """The most tokens that one of these rows may still get."""
        return max(self._limits[row] - len(self.written[row]) for row in rows)
