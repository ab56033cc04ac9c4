"""The options of ``run`` for what to explain and how, and the analysis options that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlight.cli.options.shared import (
    AblateOption,
    AblationsOption,
    CompatOption,
    ExplainOption,
    FoilOption,
    IgBaselineOption,
    IgStepsOption,
    MethodsOption,
    ObjectiveOption,
    ShapleyOption,
    SmoothgradNoiseOption,
    SmoothgradSamplesOption,
    SourcesOption,
    StoreOption,
    TargetsOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
)
from promptlight.salience.errors import UsageError
from promptlight.salience.options.methods import AblationKind, MethodOptions, ShapleySampling
from promptlight.salience.types import Compat, Explain, Granularity, Method, Objective

if TYPE_CHECKING:
    from promptlight.salience.run.pipeline import AnalysisOptions


@dataclass(frozen=True, kw_only=True)
class Chance:
    """How to sample completions."""

    temperature: TemperatureOption = 0.0
    top_k: TopKOption = None
    top_p: TopPOption = None


@dataclass(frozen=True, kw_only=True)
class Explaining:
    """What to explain, by which methods, and which scores to store."""

    explain: ExplainOption = Explain.RESPONSE
    method: MethodsOption = None
    objective: ObjectiveOption = Objective.LOGPROB
    foil: FoilOption = None
    ig_steps: IgStepsOption = MethodOptions.ig_steps
    ig_baseline: IgBaselineOption = MethodOptions.ig_baseline
    smoothgrad_samples: SmoothgradSamplesOption = MethodOptions.smoothgrad_samples
    smoothgrad_noise: SmoothgradNoiseOption = MethodOptions.smoothgrad_noise
    sources: SourcesOption = Granularity.LINE
    ablate: AblateOption = AblationKind.MASK_EMBEDDING
    ablations: AblationsOption = MethodOptions.ablations
    shapley: ShapleyOption = ShapleySampling.KERNEL
    targets: TargetsOption = Granularity.TOKEN
    store: StoreOption = None
    compat: CompatOption = None


def build_options(explaining: Explaining, chance: Chance, max_new_tokens: int, seed: int) -> AnalysisOptions:
    """The analysis options of a command line. Raises UsageError if options contradict each other."""
    from promptlight.salience.options.sampling import Sampling
    from promptlight.salience.run.pipeline import AnalysisOptions

    sampling = Sampling(
        temperature=chance.temperature,
        top_k=chance.top_k,
        top_p=chance.top_p,
        seed=seed if chance.temperature else 0,
    )
    return AnalysisOptions(
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        explain=explaining.explain,
        methods=tuple(dict.fromkeys(explaining.method or [Method.GRAD_L2])),
        method_options=MethodOptions(
            ig_steps=explaining.ig_steps,
            ig_baseline=explaining.ig_baseline,
            smoothgrad_samples=explaining.smoothgrad_samples,
            smoothgrad_noise=explaining.smoothgrad_noise,
            sources=explaining.sources,
            ablate=explaining.ablate,
            ablations=explaining.ablations,
            shapley=explaining.shapley,
            seed=seed,
        ),
        objective=choose_objective(explaining.objective, explaining.compat),
        foil=explaining.foil,
        targets=explaining.targets,
        stored=_parse_stored(explaining.store),
        compat=explaining.compat,
    )


def choose_objective(objective: Objective, compat: Compat | None) -> Objective:
    """The objective for ``--compat``: LIT shows the loss's gradients, so positive lowers the target."""
    if compat is Compat.LIT and objective in (Objective.LOGPROB, Objective.LOSS):
        return Objective.LOSS
    if compat is Compat.LIT:
        raise UsageError(f"--compat lit: expected no --objective, which is LIT's own, found {objective}: leave it out")
    return objective


def _parse_stored(text: str | None) -> tuple[Granularity, ...]:
    """The granularities that ``--store`` names; all by default."""
    try:
        return tuple(Granularity(name.strip()) for name in text.split(",")) if text else tuple(Granularity)
    except ValueError:
        raise UsageError(f"--store: expected some of {','.join(Granularity)}, found {text!r}") from None
