"""What the methods that need more than one gradient can be told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from promptlight.salience.errors import UsageError
from promptlight.salience.types import Granularity, Method, Objective

ABLATION_METHODS = (Method.OCCLUSION, Method.LIME, Method.SHAP, Method.SURROGATE)


class Baseline(StrEnum):
    """What integrated gradients start from, in the place of each token's embedding."""

    ZERO = "zero"
    MEAN = "mean"
    PAD = "pad"


class AblationKind(StrEnum):
    """How a span is removed.

    ``mask-embedding``: each of its tokens becomes the vocabulary's mean embedding. ``drop``: its tokens are cut out
    and what follows moves up. ``pad``: each of its tokens becomes <pad>, which is seen like any other token. But for
    ``drop`` all positions stay what they were.
    """

    MASK_EMBEDDING = "mask-embedding"
    DROP = "drop"
    PAD = "pad"


class ShapleySampling(StrEnum):
    """How Shapley values are estimated: Kernel SHAP's regression, or the mean over random orders."""

    KERNEL = "kernel"
    ORDERS = "orders"


@dataclass(frozen=True, kw_only=True)
class AblationOptions:
    """How spans are removed and what is drawn; every one of these changes results. Raises UsageError for nonsense.

    ``ablations``: how many are scored, beside those of all spans and of none; ``occlusion`` needs one per span.
    ``ridge`` is LIME's penalty, ``lasso`` the surrogate's per token of the target. ``log_odds`` replaces a target's
    log-probability by its log-odds log(p / (1 - p)), as ContextCite does.
    """

    ablate: AblationKind = AblationKind.MASK_EMBEDDING
    objective: Objective = Objective.LOGPROB
    ablations: int = 256
    seed: int = 0
    shapley: ShapleySampling = ShapleySampling.KERNEL
    ridge: float = 1.0
    lasso: float = 0.01
    log_odds: bool = False

    def __post_init__(self) -> None:
        if self.ablations < 1:
            raise UsageError(f"expected 1 or more ablations, found {self.ablations}")
        if self.ridge <= 0 or self.lasso < 0:
            raise UsageError(f"expected a ridge above 0 and a lasso of 0 or more, found {self.ridge} and {self.lasso}")
        if self.log_odds and self.objective is not Objective.LOGPROB:
            raise UsageError(f"log-odds are of a probability: expected the objective logprob, found {self.objective}")


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """Options of single methods; each goes into the settings only where its method is used.

    ``smoothgrad_noise`` is relative to the standard deviation of the embeddings' entries. ``sources`` are what the
    methods take away that take something away. ``seed`` is the run's.
    """

    ig_steps: int = 64
    ig_baseline: Baseline = Baseline.MEAN
    smoothgrad_samples: int = 25
    smoothgrad_noise: float = 0.1
    sources: Granularity = Granularity.LINE
    ablate: AblationKind = AblationKind.MASK_EMBEDDING
    ablations: int = AblationOptions.ablations
    shapley: ShapleySampling = ShapleySampling.KERNEL
    seed: int = 0

    def __post_init__(self) -> None:
        if self.ig_steps < 1:
            raise UsageError(f"expected 1 or more steps of integrated gradients, found {self.ig_steps}")
        if self.smoothgrad_samples < 2:
            found = self.smoothgrad_samples
            raise UsageError(f"expected 2 or more samples of smoothgrad, for a standard error, found {found}")
        if not self.smoothgrad_noise > 0:  # nor is it if it is no number
            raise UsageError(f"expected smoothgrad's noise to be above 0, found {self.smoothgrad_noise}")
        self.for_ablation(Objective.LOGPROB)  # complains of nonsense

    def describe(self, methods: Collection[Method]) -> dict[str, Any]:
        """What changes the results of these methods, as JSON, by the keys under which it is stored."""
        described: dict[str, Any] = {}
        if Method.INTEGRATED_GRADIENTS in methods:
            described |= {"ig_steps": self.ig_steps, "ig_baseline": self.ig_baseline.value}
        if Method.SMOOTHGRAD in methods:
            described |= {"smoothgrad_samples": self.smoothgrad_samples, "smoothgrad_noise": self.smoothgrad_noise}
            described |= {"smoothgrad_seed": self.seed}
        if set(methods) & set(ABLATION_METHODS):
            described |= {"sources": self.sources.value, "ablate": self.ablate.value}
        if any(method.draws for method in methods if method.takes_spans):
            described |= {"samples": self.ablations, "perturbation_seed": self.seed}
        if Method.SHAP in methods:
            described |= {"shapley": self.shapley.value}
        return described

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> MethodOptions:
        """Back from ``describe``; what the settings lack stays at its default, and other keys are ignored."""
        readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "ig_steps": ("ig_steps", int),
            "ig_baseline": ("ig_baseline", Baseline),
            "smoothgrad_samples": ("smoothgrad_samples", int),
            "smoothgrad_noise": ("smoothgrad_noise", float),
            "smoothgrad_seed": ("seed", int),
            "sources": ("sources", Granularity),
            "ablate": ("ablate", AblationKind),
            "samples": ("ablations", int),
            "perturbation_seed": ("seed", int),  # the run's, as is the other one
            "shapley": ("shapley", ShapleySampling),
        }
        return cls(**{name: read(settings[key]) for key, (name, read) in readers.items() if key in settings})

    def for_ablation(self, objective: Objective) -> AblationOptions:
        """What the methods need that take spans away."""
        return AblationOptions(
            ablate=self.ablate, objective=objective, ablations=self.ablations, shapley=self.shapley, seed=self.seed
        )
