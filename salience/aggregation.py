"""From token scores to span scores: rows for target spans, and pooling over the tokens of source spans.

The row of a target span is the salience of its whole, from the gradient of its summed objective, where that was stored
(*exact*). Else its tokens' rows are added up (*pooled*): for ``grad_l2`` a sum of norms, which is larger than the norm of
the sum. The columns of a source span are always pooled. Self-salience is hidden: a source that reaches into the target
scores zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import UsageError
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
    sums = np.add.reduceat(scores, starts, axis=1, dtype=np.float64)
    return (sums if pooling is Pooling.SUM else sums / np.diff(segmentation.bounds)).astype(np.float32)


def build_span_table(
    analysis: Analysis, *, targets: Granularity, sources: Granularity, pooling: Pooling = Pooling.SUM
) -> SpanTable:
    """Rows for all target spans of one granularity (special tokens left out), columns for all spans of another.

    A row is zero for sources that reach into its own target span or lie after it.
    """
    completion, columns = analysis.completion, _find_cuts(analysis, sources)
    rows = [span for span in describe_spans(completion, _find_cuts(analysis, targets)) if span.role is Role.COMPLETION]
    scores, exact = _stored_rows(analysis, targets, rows)
    earlier = np.less_equal.outer([row.start for row in rows], -1) | np.greater_equal.outer(
        np.array([row.start for row in rows], dtype=int), np.array(columns.bounds[1:], dtype=int)
    )
    pooled = np.where(earlier, pool_sources(scores, columns, pooling), np.float32(0))
    return SpanTable(targets=rows, sources=describe_spans(completion, columns), scores=pooled, exact=exact)
