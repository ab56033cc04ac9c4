"""Salience by taking spans away, for all targets of a completion and in the form in which maps are kept.

The spans that are taken away are of one granularity; each one's score is spread evenly over its tokens, so that sums
over that granularity are the method's numbers. Targets are the completion's tokens and its spans of every granularity
that is asked for; one forward per ablation serves them all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from promptlight.salience.ablation.scores import compute_ablation_scores, spread_over_tokens
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.text.spans import segment
from promptlight.salience.types import (
    Completion,
    FloatArray,
    Granularity,
    Method,
    Objective,
    SalienceMap,
    Segmentation,
)


def explain_by_ablation(
    decoder: Decoder,
    completion: Completion,
    segmentations: Mapping[Granularity, Segmentation],
    method: Method,
    objective: Objective,
    options: MethodOptions,
    *,
    unit: Granularity = Granularity.TOKEN,
) -> SalienceMap:
    """A map by one of the ablation methods. Raises TooFewAblationsError.

    ``unit`` other than TOKEN leaves all targets but those of that granularity out. A target's first token is left out
    where nothing predicts it.
    """
    targets = list_target_ranges(completion, segmentations, unit)
    sources = segmentations.get(options.sources) or segment(completion, options.sources)
    ranges = [place for places in targets.values() for place in places]
    n_tokens = len(completion.tokens)
    scores = errors = np.zeros((0, n_tokens), dtype=np.float32)
    if ranges:
        result = compute_ablation_scores(decoder, completion, sources, ranges, method, options.for_ablation(objective))
        scores = spread_over_tokens(result.scores, sources, n_tokens)
        drawn = result.standard_errors if result.standard_errors is not None else np.zeros_like(result.scores)
        errors = spread_over_tokens(drawn, sources, n_tokens)
    by_cut = dict(zip(targets, split_rows(scores, targets), strict=True))
    errors_by_cut = dict(zip(targets, split_rows(errors, targets), strict=True))
    return SalienceMap(
        method=method,
        objective=objective,
        scores=by_cut.pop(Granularity.TOKEN, None),
        span_scores=by_cut,
        sources=options.sources,
        standard_errors=errors_by_cut if method.draws else {},
    )


def list_target_ranges(
    completion: Completion, segmentations: Mapping[Granularity, Segmentation], unit: Granularity
) -> dict[Granularity, list[tuple[int, int]]]:
    """The ranges of tokens that each granularity's target spans are, in order."""
    first = completion.n_prompt_tokens
    spans = {
        name: [(max(start, 1), stop) for start, stop in (cut.ranges()[number] for number in cut.spans_from(first))]
        for name, cut in segmentations.items()
        if name is not Granularity.TOKEN
    }
    tokens = [(token, token + 1) for token in range(first, len(completion.tokens))]
    if unit is not Granularity.TOKEN:
        return {unit: spans[unit]}
    return {Granularity.TOKEN: tokens, **spans}


def split_rows(rows: FloatArray, targets: Mapping[Granularity, list[tuple[int, int]]]) -> list[FloatArray]:
    """The rows of each granularity's targets: [all targets, T] -> for each [targets, T]."""
    stops = np.cumsum([len(places) for places in targets.values()])
    return np.split(rows, stops[:-1])
