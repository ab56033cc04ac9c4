"""How much work an explanation is: the tokens that each method sends through the layers, forward or backward.

For a text of T tokens:

    gradients    T (2 + backwards) for each set of embeddings: one, ig_steps (plus 64 T), or smoothgrad_samples
    ablation     T for each ablation

Rough: these numbers only scale a measured time from some texts to similar ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlight.salience.gradients.integrated import N_PROBES
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import Counted, OnStep, Phase, Step, Unit
from promptlight.salience.types import Completion, Granularity, Method


def count_passes(
    n_prompt: int, n_new: float, spans_per_token: Mapping[Granularity, float], how: AnalysisOptions
) -> float:
    """Count the token passes through the layers that an explanation takes."""
    n_backwards = max(1.0, n_new * spans_per_token.get(how.targets, 1.0))
    sources = how.method_options.sources
    per_token, own = (spans_per_token.get(cut, 1.0) for cut in (sources, how.method_options.own_sources or sources))
    n_lines = max(1.0, n_prompt * per_token + n_new * own)
    return (n_prompt + n_new) * sum(_count_rounds(method, how, n_backwards, n_lines) for method in how.methods)


def _count_rounds(method: Method, how: AnalysisOptions, n_backwards: float, n_lines: float) -> float:
    """How often a method sends a whole text through the layers."""
    of = how.method_options
    if method.takes_spans:
        return n_lines if method is Method.OCCLUSION else of.ablations
    embeddings = {Method.INTEGRATED_GRADIENTS: of.ig_steps, Method.SMOOTHGRAD: of.smoothgrad_samples}
    return embeddings.get(method, 1) * (2 + n_backwards) + N_PROBES * (method is Method.INTEGRATED_GRADIENTS)


class Parts:
    """The parts of one explanation: the gradient methods together, then each ablation method.

    Each part counts what it does; ``on_step`` is told that, and the share of the whole that is done.
    """

    def __init__(
        self, completion: Completion, how: AnalysisOptions, n_backwards: int, n_lines: int, on_step: OnStep
    ) -> None:
        self._completion, self._how, self._on_step = completion, how, on_step
        self._rounds = {method: _count_rounds(method, how, n_backwards, n_lines) for method in how.methods}
        self._n_done = 0.0

    def count(self, methods: Sequence[Method]) -> Counted:
        """What the next part, which runs these methods, is to call."""
        before, whole = self._n_done, sum(self._rounds.values())
        rounds = sum(self._rounds[method] for method in methods)
        self._n_done += rounds
        plain = set(methods) <= {Method.GRAD_L2, Method.GRAD_DOT_INPUT}

        def counted(done: int, total: int) -> None:
            share = (before + rounds * (done / total if total else 1.0)) / whole
            self._on_step(
                Step(
                    phase=Phase.EXPLAINING,
                    done=done,
                    total=total,
                    unit=Unit.TARGETS if plain else Unit.PASSES,
                    ids=(self._completion.prompt.id,),
                    share=share,
                    n_prompt=self._completion.n_prompt_tokens,
                    n_new=self._completion.n_targets,
                )
            )

        return counted
