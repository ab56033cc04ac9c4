"""The options of ``show`` that say how a text is completed and explained now, in a group (``groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass

from promptlight.cli.options.analysis import choose_objective
from promptlight.cli.options.shared import (
    AdapterOption,
    ChatForTextOption,
    CompatOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    FoilOption,
    MaxNewTokensOption,
    ModelOption,
    ObjectiveOption,
    StopOption,
    ThinkingOption,
)
from promptlight.cli.options.stopping import read_stops
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.types import Method, Objective


@dataclass(frozen=True, kw_only=True)
class Completing:
    """Which model completes a text, and how. Stored results have all of this from their run."""

    model: ModelOption = "demo"
    adapter: AdapterOption = None
    device: DeviceOption = Device.AUTO
    dtype: DtypeOption = Dtype.AUTO
    max_new_tokens: MaxNewTokensOption = AnalysisOptions.max_new_tokens
    stop: StopOption = None
    objective: ObjectiveOption = Objective.LOGPROB
    foil: FoilOption = None
    chat: ChatForTextOption = False
    thinking: ThinkingOption = False
    compat: CompatOption = None

    def options(self, method: Method | None) -> AnalysisOptions:
        """The analysis options. Raises UsageError if options contradict each other."""
        return AnalysisOptions(
            max_new_tokens=self.max_new_tokens,
            stop=read_stops(self.stop),
            methods=(method or Method.GRAD_L2,),
            objective=choose_objective(self.objective, self.compat),
            foil=self.foil,
            compat=self.compat,
        )
