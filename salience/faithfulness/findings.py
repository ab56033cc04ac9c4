"""Collect the measurements of many prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.statistics import Mean, take_mean
from promptlight.salience.types import Method


@dataclass
class Findings:
    """The measurements so far, and the number of skipped prompts with the reason of the first."""

    rows: list[PromptEvaluation] = field(default_factory=list[PromptEvaluation])
    pairs: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    n_prompts: int = 0
    n_skipped: int = 0
    reason: str = ""

    def add(self, rows: Sequence[PromptEvaluation], agreements: Mapping[tuple[Method, Method], float | None]) -> None:
        """Add a prompt's row of each method, and the rank correlation of each pair of them."""
        self.n_prompts += 1
        self.rows += rows
        for (one, other), correlation in agreements.items():
            self.pairs.setdefault(f"{one} and {other}", []).extend([] if correlation is None else [correlation])

    def skip(self, reason: str) -> None:
        """Count a prompt that could not be measured, and why."""
        self.n_skipped += 1
        self.reason = self.reason or reason

    def agreements(self, seed: int) -> dict[str, Mean]:
        """The mean rank correlation of each pair of methods."""
        return {pair: take_mean(values, seed=seed) for pair, values in self.pairs.items() if values}
