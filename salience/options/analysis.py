"""The options of an analysis: how to complete each prompt, and what to explain by which methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from promptlight.salience.errors import UsageError
from promptlight.salience.options.methods import ABLATION_METHODS, EmbeddingPart, MethodOptions
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.types import Compat, Explain, Granularity, Method, Objective


@dataclass(frozen=True, kw_only=True)
class AnalysisOptions:
    """How to complete prompts and how to explain the completions; each option changes results.

    Raises UsageError if options contradict each other.
    """

    max_new_tokens: int = 64  # for records without their own
    stop: tuple[str, ...] = ()  # completions end before the first of these texts; a record's own add to them
    thinking: bool = False  # a model that can thinks before it answers; for chats without their own
    sampling: Sampling = field(default_factory=Sampling)
    explain: Explain = Explain.RESPONSE
    methods: tuple[Method, ...] = (Method.GRAD_L2,)
    method_options: MethodOptions = field(default_factory=MethodOptions)
    objective: Objective = Objective.LOGPROB
    foil: str | None = None  # for records without their own: TARGET=>FOIL, another completion, or auto
    targets: Granularity = Granularity.TOKEN  # the finest targets to explain separately
    stored: tuple[Granularity, ...] = tuple(Granularity)  # the targets whose scores are stored
    compat: Compat | None = None  # LIT's cuts; with the objective LOSS, its sign too

    def __post_init__(self) -> None:
        if not self.methods or len(set(self.methods)) < len(self.methods):
            known, found = ", ".join(Method), ", ".join(self.methods) or "none"
            raise UsageError(f"expected one or more different methods of {known}, found {found}")
        if not all(self.stop):
            raise UsageError("expected stop texts, found an empty one: leave it out", parameters=("stop",))
        removing = [method for method in self.methods if method in ABLATION_METHODS]
        if removing and self.objective is Objective.KL:
            raise UsageError(
                f"expected another objective than kl for {removing[0]}: it is known of the whole text alone"
            )
        if removing and self.foil:
            raise UsageError(f"expected no foil for {removing[0]}, which takes no second text: leave one out")
        if self.method_options.own_sources and Method.OCCLUSION not in self.methods:
            raise UsageError(
                f"expected the method occlusion with own sources, found {', '.join(self.methods)}: leave one out",
                parameters=("own_sources",),
            )
        if self.method_options.embedding is EmbeddingPart.MAIN and set(self.methods) <= set(ABLATION_METHODS):
            raise UsageError(
                f"expected a gradient method with the main embedding, found {', '.join(self.methods)}: leave one out",
                parameters=("embedding",),
            )
        if self.foil and self.objective is not Objective.LOGPROB:
            raise UsageError(f"expected the objective logprob with a foil, found {self.objective}: leave one out")
        if self.targets not in self.stored and self.targets is not Granularity.TOKEN:
            stored = ", ".join(self.stored) or "none"
            raise UsageError(
                f"expected scores of {self.targets} targets to be stored, found only {stored}; add {self.targets}"
            )

    def describe(self) -> dict[str, Any]:
        """All options that change the results of these methods, as JSON, with the keys of the stored settings."""
        return {
            "methods": [method.value for method in self.methods],
            "objective": self.objective.value,
            "explain": self.explain.value,
            "max_new_tokens": self.max_new_tokens,
            "targets": self.targets.value,
            "keep": [granularity.value for granularity in self.stored],
            "compat": self.compat.value if self.compat else None,
            **asdict(self.sampling),
            **self.method_options.describe(self.methods),
            **({"foil": self.foil} if self.foil else {}),
            **({"stop": list(self.stop)} if self.stop else {}),
            **({"thinking": True} if self.thinking else {}),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> AnalysisOptions:
        """Read the settings of ``describe``; missing ones keep their defaults, and other keys are ignored."""
        readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "methods": ("methods", lambda names: tuple(map(Method, names))),
            "objective": ("objective", Objective),
            "explain": ("explain", Explain),
            "max_new_tokens": ("max_new_tokens", int),
            "targets": ("targets", Granularity),
            "keep": ("stored", lambda names: tuple(map(Granularity, names))),
            "compat": ("compat", lambda name: Compat(name) if name else None),
            "foil": ("foil", str),
            "stop": ("stop", tuple),
            "thinking": ("thinking", bool),
        }
        options = {name: read(settings[key]) for key, (name, read) in readers.items() if key in settings}
        drawn = {one.name: settings[one.name] for one in fields(Sampling) if one.name in settings}
        return cls(**options, sampling=Sampling(**drawn), method_options=MethodOptions.from_settings(settings))
