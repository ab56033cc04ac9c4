"""From token scores to span scores: pooling over source tokens, and rows for target spans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.spans import describe_spans
from promptlight.salience.types import (
    Analysis,
    FloatArray,
    Granularity,
    Pooling,
    Role,
    Segmentation,
    Span,
    SpanTable,
)


def pool_sources(scores: FloatArray, segmentation: Segmentation, pooling: Pooling = Pooling.SUM) -> FloatArray:
    """Pool each source span's tokens: [rows, T] -> [rows, S]. MAX takes the score of largest size, with its sign."""
    starts = list(segmentation.bounds[:-1])
    if pooling is Pooling.MAX:
        highest, lowest = (pool.reduceat(scores, starts, axis=1) for pool in (np.maximum, np.minimum))
        return np.where(highest >= -lowest, highest, lowest)
    sums = np.add.reduceat(scores, starts, axis=1)
    return sums if pooling is Pooling.SUM else (sums / np.diff(segmentation.bounds)).astype(np.float32)


def build_span_table(
    analysis: Analysis, *, targets: Granularity, sources: Granularity, pooling: Pooling = Pooling.SUM
) -> SpanTable:
    """Rows for all target spans of one granularity, columns for all spans of another.

    A row is zero for sources that reach into its own target span or lie after it.
    """
    completion = analysis.completion
    cut = analysis.segmentations[targets]
    rows = [describe_spans(completion, cut)[number] for number in cut.spans_from(completion.n_prompt_tokens)]
    rows = [row for row in rows if row.role is not Role.SPECIAL]
    columns = describe_spans(completion, analysis.segmentations[sources])
    scores, exact = _target_rows(analysis, targets, rows)
    pooled = pool_sources(scores, analysis.segmentations[sources], pooling)
    earlier = np.array([[column.stop <= row.start for column in columns] for row in rows]).reshape(pooled.shape)
    return SpanTable(targets=rows, sources=columns, scores=np.where(earlier, pooled, 0), exact=exact)


def combine_targets(
    analysis: Analysis,
    targets: Sequence[Span],
    *,
    granularity: Granularity,
    sources: Granularity,
    pooling: Pooling = Pooling.SUM,
) -> tuple[FloatArray, bool]:
    """Scores [S] of all source spans for a selection of target spans of one granularity, and whether they are exact.

    One span has the exact score of its own gradient. For several, token rows are added up: for ``grad_l2`` that is
    a sum of norms. Sources inside the selection are zero.
    """
    rows, exact = _target_rows(analysis, granularity, targets)
    pooled = pool_sources(rows.sum(axis=0, keepdims=True), analysis.segmentations[sources], pooling)[0]
    chosen = {token for span in targets for token in range(span.start, span.stop)}
    inside = [
        any(token in chosen for token in range(start, stop)) for start, stop in analysis.segmentations[sources].ranges()
    ]
    return np.where(inside, 0, pooled).astype(np.float32), exact and len(targets) == 1


def share(scores: FloatArray, visible: NDArray[np.bool_]) -> FloatArray:
    """Each visible source's part of the whole, -1 to 1: scores [S] over the sum of their sizes; 0 where all are 0."""
    shown = np.where(visible, scores, 0)
    total = np.abs(shown).sum()
    return (shown / total if total > 0 else shown).astype(np.float32)


def _target_rows(analysis: Analysis, granularity: Granularity, targets: Sequence[Span]) -> tuple[FloatArray, bool]:
    """Token-level scores [targets, T], from whole-span gradients if those were computed."""
    completion, salience = analysis.completion, analysis.salience
    stored = salience.span_scores.get(granularity)
    if stored is not None:
        first = analysis.segmentations[granularity].spans_from(completion.n_prompt_tokens).start
        return stored[[target.number - first for target in targets]], True
    if salience.scores is None:
        raise ValueError(f"neither token scores nor {granularity} scores were computed")
    p = completion.n_prompt_tokens
    rows = [salience.scores[target.start - p : target.stop - p].sum(axis=0) for target in targets]
    single = all(target.stop - target.start == 1 for target in targets)
    return np.stack(rows), single
