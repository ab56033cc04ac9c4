"""What is asked of every prompt: how it is completed, and what is explained by which methods."""

from __future__ import annotations

from dataclasses import dataclass, field

from promptlight.salience.errors import UsageError
from promptlight.salience.options.methods import ABLATION_METHODS, MethodOptions
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.types import Compat, Explain, Granularity, Method, Objective


@dataclass(frozen=True, kw_only=True)
class AnalysisOptions:
    """What is written and how it is explained; every one of these changes results."""

    max_new_tokens: int = 64
    sampling: Sampling = field(default_factory=Sampling)
    explain: Explain = Explain.RESPONSE
    methods: tuple[Method, ...] = (Method.GRAD_L2,)
    method_options: MethodOptions = field(default_factory=MethodOptions)
    objective: Objective = Objective.LOGPROB
    foil: str | None = None  # for records without one of their own: TARGET=>FOIL, another completion, or auto
    targets: Granularity = Granularity.TOKEN  # the finest targets that get a gradient of their own
    keep: tuple[Granularity, ...] = tuple(Granularity)  # of which targets scores are kept
    compat: Compat | None = None  # LIT's cuts; with the objective LOSS, its sign too

    def __post_init__(self) -> None:
        if not self.methods or len(set(self.methods)) < len(self.methods):
            known, found = ", ".join(Method), ", ".join(self.methods) or "none"
            raise UsageError(f"expected one or more different methods of {known}, found {found}")
        removing = [method for method in self.methods if method in ABLATION_METHODS]
        if removing and self.objective is Objective.KL:
            raise UsageError(
                f"expected another objective than kl for {removing[0]}: it is known of the whole text alone"
            )
        if removing and self.foil:
            raise UsageError(f"expected no foil for {removing[0]}, which takes no second text: leave one out")
        if self.foil and self.objective is not Objective.LOGPROB:
            raise UsageError(f"expected the objective logprob with a foil, found {self.objective}: leave one out")
        if self.targets not in self.keep and self.targets is not Granularity.TOKEN:
            kept = ", ".join(self.keep) or "none"
            raise UsageError(
                f"expected scores of {self.targets} targets to be kept, found only {kept}; add {self.targets}"
            )
