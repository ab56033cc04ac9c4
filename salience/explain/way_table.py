"""Follow the targets of a table back through the model's own words, each by itself (``through.py``)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from promptlight.salience.explain.explanation import Question, explain_spans
from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.types import Analysis, Cut, FloatArray, SpanTable, Way, WayShares


def trace_table(analysis: Analysis, table: SpanTable, question: Question, target_by: Cut) -> SpanTable:
    """The table with the shares of its targets by way; of the question's target alone, if it names one.

    The table's targets are cut by ``target_by``, and its sources by ``question.by``. Raises UsageError if a target
    can't be followed, and for a target that is not there.
    """
    cuts = find_segmentation(analysis, target_by), find_segmentation(analysis, question.by)
    wanted = {target.number for target in find_target_spans(table.targets, question.target)}
    parts: list[FloatArray] = [np.full_like(table.scores, np.nan) for _ in range(3)]
    for row, target in enumerate(table.targets):
        if target.number not in wanted:
            continue
        through = explain_spans(analysis, replace(question, way=Way.ALL), [target], *cuts).through
        assert through is not None
        for part, shares in zip(parts, (through.direct, through.through, through.total), strict=True):
            part[row] = shares
    direct, own, total = parts
    return replace(table, ways=WayShares(direct=direct, through=own, total=total))
