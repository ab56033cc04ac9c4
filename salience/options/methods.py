"""The options of methods that need more than one gradient."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from promptlight.salience.errors import UsageError
from promptlight.salience.types import Granularity, Method, Objective

ABLATION_METHODS = (Method.OCCLUSION, Method.LIME, Method.SHAP, Method.SURROGATE)


class Baseline(StrEnum):
    """The start of integrated gradients, which replaces each token's embedding."""

    ZERO = "zero"
    MEAN = "mean"
    PAD = "pad"


class EmbeddingPart(StrEnum):
    """Which of a token's embeddings gradients are taken by, where a model looks it up in two tables (Gemma 3n and 4
    E-series): both, as they enter the network, or the main one alone, with the other held."""

    JOINT = "joint"
    MAIN = "main"


class AblationKind(StrEnum):
    """How to remove a span.

    ``mask-embedding``: each of its tokens becomes the vocabulary's mean embedding. ``drop``: its tokens are cut out and
    later tokens move up. ``pad``: each of its tokens becomes <pad>, which is visible like any other token. Only
    ``drop`` changes positions.
    """

    MASK_EMBEDDING = "mask-embedding"
    DROP = "drop"
    PAD = "pad"


class ShapleySampling(StrEnum):
    """How to estimate Shapley values: by Kernel SHAP's regression, or by the mean over random orders."""

    KERNEL = "kernel"
    ORDERS = "orders"


@dataclass(frozen=True, kw_only=True)
class AblationOptions:
    """How to remove spans and how to sample; each option changes results. Raises UsageError for invalid values.

    ``ablations`` is how many to score, not counting all spans and none; ``occlusion`` needs one per span. ``ridge`` is
    LIME's penalty, ``lasso`` the surrogate's per token of the target. ``log_odds`` replaces a target's log-probability
    with its log-odds log(p / (1 - p)), as ContextCite does.
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
    """Options of single methods; each is part of the settings only if its method is used.

    ``embedding`` is of all gradient methods. ``smoothgrad_noise`` is relative to the standard deviation of the
    embeddings' entries. ``sources`` are the spans
    that ablation methods remove; of the completion, occlusion removes ``own_sources`` (None: as of the prompt).
    ``seed`` is the run's.
    """

    ig_steps: int = 64
    ig_baseline: Baseline = Baseline.MEAN
    smoothgrad_samples: int = 25
    smoothgrad_noise: float = 0.1
    sources: Granularity = Granularity.LINE
    own_sources: Granularity | None = None
    ablate: AblationKind = AblationKind.MASK_EMBEDDING
    ablations: int = AblationOptions.ablations
    shapley: ShapleySampling = ShapleySampling.KERNEL
    seed: int = 0
    embedding: EmbeddingPart = EmbeddingPart.JOINT

    def __post_init__(self) -> None:
        if self.ig_steps < 1:
            raise UsageError(f"expected 1 or more steps of integrated gradients, found {self.ig_steps}")
        if self.smoothgrad_samples < 2:
            found = self.smoothgrad_samples
            raise UsageError(f"expected 2 or more samples of smoothgrad, for a standard error, found {found}")
        if not self.smoothgrad_noise > 0:  # true for NaN too
            raise UsageError(f"expected smoothgrad's noise to be above 0, found {self.smoothgrad_noise}")
        self.for_ablation(Objective.LOGPROB)  # raises for invalid values

    def describe(self, methods: Collection[Method]) -> dict[str, Any]:
        """The options that change the results of these methods, as JSON, with the keys of the stored settings."""
        described: dict[str, Any] = {}
        if self.embedding is not EmbeddingPart.JOINT and set(methods) - set(ABLATION_METHODS):
            described |= {"embedding": self.embedding.value}
        if Method.INTEGRATED_GRADIENTS in methods:
            described |= {"ig_steps": self.ig_steps, "ig_baseline": self.ig_baseline.value}
        if Method.SMOOTHGRAD in methods:
            described |= {"smoothgrad_samples": self.smoothgrad_samples, "smoothgrad_noise": self.smoothgrad_noise}
            described |= {"smoothgrad_seed": self.seed}
        if set(methods) & set(ABLATION_METHODS):
            described |= {"sources": self.sources.value, "ablate": self.ablate.value}
        if self.own_sources and Method.OCCLUSION in methods:
            described |= {"own_sources": self.own_sources.value}
        if any(method.draws for method in methods if method.takes_spans):
            described |= {"samples": self.ablations, "perturbation_seed": self.seed}
        if Method.SHAP in methods:
            described |= {"shapley": self.shapley.value}
        return described

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> MethodOptions:
        """Read the settings of ``describe``; missing ones keep their defaults, and other keys are ignored."""
        readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "embedding": ("embedding", EmbeddingPart),
            "ig_steps": ("ig_steps", int),
            "ig_baseline": ("ig_baseline", Baseline),
            "smoothgrad_samples": ("smoothgrad_samples", int),
            "smoothgrad_noise": ("smoothgrad_noise", float),
            "smoothgrad_seed": ("seed", int),
            "sources": ("sources", Granularity),
            "own_sources": ("own_sources", Granularity),
            "ablate": ("ablate", AblationKind),
            "samples": ("ablations", int),
            "perturbation_seed": ("seed", int),  # the run's seed, as in the other entry
            "shapley": ("shapley", ShapleySampling),
        }
        return cls(**{name: read(settings[key]) for key, (name, read) in readers.items() if key in settings})

    def for_ablation(self, objective: Objective) -> AblationOptions:
        """The options of ablation methods."""
        return AblationOptions(
            ablate=self.ablate, objective=objective, ablations=self.ablations, shapley=self.shapley, seed=self.seed
        )
