"""A method's numbers as the page holds them; ``record.py`` says what positions and rows are."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from promptlight.io.page._cuts import Cuts, CutText
from promptlight.io.page.encoding import encode_floats, encode_rows
from promptlight.salience.explain.span_scores import pool_earlier, read_rows
from promptlight.salience.explain.through import find_doubt
from promptlight.salience.statistics import BoolArray
from promptlight.salience.types import Analysis, FloatArray, Granularity, Method, Objective, Role, SalienceMap, Span

METHOD_NAMES = {
    Method.GRAD_L2: "Grad L2 Norm",
    Method.GRAD_DOT_INPUT: "Grad · Input",
    Method.INTEGRATED_GRADIENTS: "Integrated gradients",
    Method.SMOOTHGRAD: "SmoothGrad",
    Method.OCCLUSION: "Occlusion",
    Method.LIME: "LIME",
    Method.SHAP: "Shapley values",
    Method.SURROGATE: "Context surrogate",
}

OBJECTIVE_NAMES = {
    Objective.LOGPROB: "log-probability",
    Objective.LOGIT: "logit",
    Objective.MARGIN: "logit above that of the likeliest other token",
    Objective.PROB: "probability",
    Objective.ENTROPY: "entropy (how unsure the model was)",
    Objective.KL: "divergence from what the model predicts without the prompt",
    Objective.LOSS: "loss (minus the log-probability)",
}


def list_target_cuts(salience: SalienceMap) -> list[Granularity]:
    """The cuts of targets that a map has scores for."""
    by_token = {Granularity.TOKEN} if salience.scores is not None else set[Granularity]()
    return [name for name in Granularity if name in by_token | salience.span_scores.keys()]


def describe_map(analysis: Analysis, salience: SalienceMap, cuts: Cuts) -> dict[str, Any]:
    """A method's name, a description in plain words, and its numbers for each cut of targets that it has."""
    title, is_signed = METHOD_NAMES[salience.method], salience.method.is_signed
    whole = f", found by removing whole {salience.sources}s of the prompt" if salience.sources else ""
    return {
        "name": salience.method.value,
        "title": title,
        "words": f"{title} of the {salience.objective}{whole}",
        "objective": OBJECTIVE_NAMES[salience.objective],
        "removed": str(salience.sources or ""),
        "signed": is_signed,
        "direction": salience.objective.direction if is_signed else 1,
        "scores": {name: _describe_scores(analysis, salience, cuts, name) for name in list_target_cuts(salience)},
        **({"doubt": _describe_doubt(analysis, cuts)} if salience.method.takes_spans else {}),
    }


def _describe_doubt(analysis: Analysis, cuts: Cuts) -> str:
    """How unsure the model was of each unit that it wrote: chains of methods that take spans away weigh by it."""
    units = cuts[Granularity.TOKEN].targets
    return encode_floats(find_doubt(analysis.completion, units)[[unit.start for unit in units]])


def _describe_scores(analysis: Analysis, salience: SalienceMap, cuts: Cuts, targets: Granularity) -> dict[str, Any]:
    """The numbers for all targets of one cut.

    ``rows``: each target's scores of the units before it, 0 for units that are never shown. ``scales``
    [targets, 1 + 2 * cuts]: for each target the largest absolute score in its row, then for each source cut the largest
    absolute score of a visible source and the sum of all absolute scores. ``mixed``: see ``_list_mixed``.
    """
    cut, units = cuts[targets], cuts[Granularity.TOKEN]
    chosen = cut.targets
    scores, _ = read_rows(salience, analysis.completion, cut.segmentation, chosen)
    by_unit = np.where(_find_shown(cuts), pool_earlier(scores, chosen, units.segmentation), 0).astype(np.float64)
    rows, largest = encode_rows([row[: cut.bounds[span.number]] for row, span in zip(by_unit, chosen, strict=True)])
    scales = [np.array(largest)]
    for sources in cuts.values():
        visible = np.array([span.role is not Role.SPECIAL for span in sources.spans])
        sizes = np.abs(pool_earlier(scores, chosen, sources.segmentation)[:, visible].astype(np.float64))
        scales += [sizes.max(axis=1, initial=0.0), sizes.sum(axis=1)]
    described = {"rows": rows, "scales": encode_floats(np.stack(scales, axis=1))}
    mixed = list(_list_mixed(scores, chosen, units, largest)) if salience.method.is_signed else []
    return described | ({"mixed": mixed} if mixed else {})


def _find_shown(cuts: Cuts) -> BoolArray:
    """Units that are in a visible span of some cut: LIT's lines include <bos>, which can outweigh all others."""
    visible = [
        np.repeat([span.role is not Role.SPECIAL for span in cut.spans], np.diff(cut.bounds)) for cut in cuts.values()
    ]
    return np.any(visible, axis=0)


def _list_mixed(
    scores: FloatArray, targets: Sequence[Span], units: CutText, largest: Sequence[float]
) -> Iterator[list[float]]:
    """Units whose bytes have scores of both signs: target, unit, positive and negative part over the row's largest."""
    raised, lowered = (pool_earlier(np.maximum(part, 0), targets, units.segmentation) for part in (scores, -scores))
    for target, unit in np.argwhere((raised > 0) & (lowered > 0)).tolist():
        parts = (float(part[target, unit]) / (largest[target] or 1.0) for part in (raised, lowered))
        yield [target, unit, *(float(f"{part:.6g}") for part in parts)]
