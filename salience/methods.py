"""What the methods that need more than one gradient can be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from promptlight.salience.errors import UsageError
from promptlight.salience.types import Method


class Baseline(StrEnum):
    """What integrated gradients start from, in the place of each token's embedding."""

    ZERO = "zero"
    MEAN = "mean"
    PAD = "pad"


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """Options of single methods; each goes into the settings only where its method is used.

    ``smoothgrad_noise`` is relative to the standard deviation of the embeddings' entries. ``seed`` is the run's.
    """

    ig_steps: int = 64
    ig_baseline: Baseline = Baseline.MEAN
    smoothgrad_samples: int = 25
    smoothgrad_noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.ig_steps < 1:
            raise UsageError(f"expected 1 or more steps of integrated gradients, found {self.ig_steps}")
        if self.smoothgrad_samples < 2:
            found = self.smoothgrad_samples
            raise UsageError(f"expected 2 or more samples of smoothgrad, for a standard error, found {found}")
        if not self.smoothgrad_noise > 0:  # nor is it if it is no number
            raise UsageError(f"expected smoothgrad's noise to be above 0, found {self.smoothgrad_noise}")

    def describe(self, methods: Collection[Method]) -> dict[str, Any]:
        """What changes the results of these methods, by name."""
        described: dict[str, Any] = {}
        if Method.INTEGRATED_GRADIENTS in methods:
            described |= {"ig_steps": self.ig_steps, "ig_baseline": self.ig_baseline.value}
        if Method.SMOOTHGRAD in methods:
            names = ("smoothgrad_samples", "smoothgrad_noise")
            described |= {name: getattr(self, name) for name in names} | {"smoothgrad_seed": self.seed}
        return described
