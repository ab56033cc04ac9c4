"""Recompute gradient scores with noise on the embeddings: an order that a little noise changes says little."""

from __future__ import annotations

from dataclasses import replace

from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.model import Model
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.progress import Counted, ignore
from promptlight.salience.types import Analysis, Granularity, Method, Role


def recompute_with_noise(
    explanation: Explanation, model: Model, options: MethodOptions, noise: float, seed: str, counted: Counted = ignore
) -> Analysis:
    """A copy of the analysis with the explanation's map alone, recomputed by a gradient method at noisy embeddings.

    ``noise`` is relative to the standard deviation of the embeddings' entries; special tokens get none. Only the scores
    behind the explanation are computed: its target span's own gradient, or those of single tokens. ``counted`` is
    told the backward passes.
    """
    salience, completion = explanation.salience, explanation.analysis.completion
    setting = Setting(
        objective=salience.objective,
        options=options,
        special=[token.role is Role.SPECIAL for token in completion.tokens],
        name=seed,
        shift=noise,
    )
    unit = _find_unit(explanation)
    result = compute_salience(
        model.decoder,
        completion.ids,
        completion.n_prompt_tokens,
        {} if unit is Granularity.TOKEN else {unit: explanation.target_cut},
        methods=[salience.method],
        setting=setting,
        unit=unit,
        counted=counted,
    )
    return replace(explanation.analysis, maps=result.maps)


def count_backwards(explanation: Explanation, options: MethodOptions) -> int:
    """The number of backward passes that one recomputation takes: each unit's, at each set of embeddings."""
    rounds = {
        Method.GRAD_L2: 1,
        Method.GRAD_DOT_INPUT: 1,
        Method.INTEGRATED_GRADIENTS: options.ig_steps,
        Method.SMOOTHGRAD: options.smoothgrad_samples,
    }.get(explanation.salience.method, 0)
    completion, cut = explanation.analysis.completion, explanation.target_cut
    if _find_unit(explanation) is Granularity.TOKEN:
        return rounds * completion.n_targets
    return rounds * len(cut.spans_from(completion.n_prompt_tokens))


def _find_unit(explanation: Explanation) -> Granularity:
    """The granularity of the targets whose scores make the explanation; see ``span_scores.combine_targets``."""
    salience, target_by = explanation.salience, explanation.target_by
    whole = len(explanation.targets) == 1 or salience.scores is None
    if whole and isinstance(target_by, Granularity) and target_by in salience.span_scores:
        return target_by
    return Granularity.TOKEN
