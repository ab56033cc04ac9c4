"""How to sample completions: greedily, or at random from the likeliest tokens."""

from __future__ import annotations

from dataclasses import dataclass

from promptlight.salience.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Greedy unless ``temperature`` is above 0. Raises UsageError for invalid values."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise UsageError(f"expected a temperature of 0 (greedy) or more, found {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"expected top-k to be 1 or more tokens, found {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"expected top-p to be a probability above 0 and at most 1, found {self.top_p}")
        if self.temperature == 0 and (self.top_k, self.top_p) != (None, None):
            raise UsageError(
                "top-k and top-p say what is drawn from, but nothing is drawn: add a temperature such as 1"
            )
