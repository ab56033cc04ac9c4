"""Compute salience maps by ablation, for all targets of a completion.

The removed spans are of one granularity. Each span's score is spread evenly over its tokens, so that sums over that
granularity are the method's scores. Targets are the completion's tokens and its spans of every requested granularity;
one forward per ablation serves them all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from promptlight.salience.ablation.scores import compute_ablation_scores, spread_over_tokens
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.progress import Counted, ignore
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
    counted: Counted = ignore,
) -> SalienceMap:
    """Compute the map of one ablation method. Raises TooFewAblationsError.

    With a ``unit`` other than TOKEN, only spans of that granularity are targets. A target never includes the text's
    first token, which nothing predicts. ``counted`` is told the ablations that are scored.
    """
    targets = _list_target_ranges(completion, segmentations, unit)
    sources = cut_sources(completion, segmentations, method, options)
    ranges = [place for places in targets.values() for place in places]
    n_tokens = len(completion.tokens)
    scores = errors = np.zeros((0, n_tokens), dtype=np.float32)
    if ranges:
        how = options.for_ablation(objective)
        result = compute_ablation_scores(decoder, completion, sources, ranges, method, how, counted=counted)
        scores = spread_over_tokens(result.scores, sources, n_tokens)
        drawn = result.standard_errors if result.standard_errors is not None else np.zeros_like(result.scores)
        errors = spread_over_tokens(drawn, sources, n_tokens)
    by_cut = dict(zip(targets, _split_rows(scores, targets), strict=True))
    errors_by_cut = dict(zip(targets, _split_rows(errors, targets), strict=True))
    return SalienceMap(
        method=method,
        objective=objective,
        scores=by_cut.pop(Granularity.TOKEN, None),
        span_scores=by_cut,
        sources=options.sources,
        standard_errors=errors_by_cut if method.draws else {},
    )


def cut_sources(
    completion: Completion, segmentations: Mapping[Granularity, Segmentation], method: Method, options: MethodOptions
) -> Segmentation:
    """Cut the text into what a method takes away; occlusion may take smaller spans of the completion."""
    cut = segmentations.get(options.sources) or segment(completion, options.sources)
    if options.own_sources is None or method is not Method.OCCLUSION:
        return cut
    own = segmentations.get(options.own_sources) or segment(completion, options.own_sources)
    border = completion.n_prompt_tokens
    bounds = (*(at for at in cut.bounds if at < border), *(at for at in own.bounds if at >= border))
    return Segmentation(granularity=options.sources, bounds=bounds)


def _list_target_ranges(
    completion: Completion, segmentations: Mapping[Granularity, Segmentation], unit: Granularity
) -> dict[Granularity, list[tuple[int, int]]]:
    """The token ranges of each granularity's target spans, in order."""
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


def _split_rows(rows: FloatArray, targets: Mapping[Granularity, list[tuple[int, int]]]) -> list[FloatArray]:
    """Split rows by granularity: [all targets, T] -> [targets, T] for each."""
    stops = np.cumsum([len(places) for places in targets.values()])
    return np.split(rows, stops[:-1])
