"""Compute span scores from token scores: rows for target spans, pooled over the tokens of source spans.

The row of a target span is *exact* if the gradient of its summed objective was stored. Otherwise the rows of its tokens
are added up (*pooled*): for ``grad_l2`` that is a sum of norms, never less than the norm of the sum. A source span's
column is always pooled from its tokens. Self-salience is hidden: a source that reaches into the target scores zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import UsageError
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import (
    Analysis,
    Completion,
    Cut,
    FloatArray,
    Granularity,
    Method,
    Pooling,
    Role,
    SalienceMap,
    Segmentation,
    Span,
    SpanTable,
)


def pool_sources(scores: FloatArray, segmentation: Segmentation, pooling: Pooling = Pooling.SUM) -> FloatArray:
    """Pool each source span's tokens: [rows, T] -> [rows, S]. MAX takes the largest absolute score, with its sign."""
    starts = list(segmentation.bounds[:-1])
    if pooling is Pooling.MAX:
        highest, lowest = (pool.reduceat(scores, starts, axis=1) for pool in (np.maximum, np.minimum))
        return np.where(highest >= -lowest, highest, lowest)
    sums = np.add.reduceat(scores, starts, axis=1, dtype=np.float64)
    return (sums if pooling is Pooling.SUM else sums / np.diff(segmentation.bounds)).astype(np.float32)


def build_span_table(
    analysis: Analysis, *, targets: Cut, sources: Cut, pooling: Pooling = Pooling.SUM, method: Method | None = None
) -> SpanTable:
    """Rows for all target spans of one granularity (without special tokens), columns for all spans of another.

    ``method`` None is the first that was run. A row is zero for sources that reach into its own target span or come
    after it. Raises UsageError if the analysis does not have these scores.
    """
    completion, salience = analysis.completion, analysis.map_by(method)
    target_cut, source_cut = find_segmentation(analysis, targets), find_segmentation(analysis, sources)
    rows = [span for span in describe_spans(completion, target_cut) if span.role is Role.COMPLETION]
    scores, exact = read_rows(salience, completion, target_cut, rows)
    pooled = pool_earlier(scores, rows, source_cut, pooling)
    columns = describe_spans(completion, source_cut)
    return SpanTable(method=salience.method, targets=rows, sources=columns, scores=pooled, exact=exact)


def pool_earlier(
    rows: FloatArray, targets: Sequence[Span], source_cut: Segmentation, pooling: Pooling = Pooling.SUM
) -> FloatArray:
    """Pool each target's row over the sources that end before it begins; the others score 0: [rows, T] -> [rows, S]."""
    starts, stops = np.array([target.start for target in targets], dtype=np.intp), np.array(source_cut.bounds[1:])
    return np.where(stops <= starts[:, None], pool_sources(rows, source_cut, pooling), np.float32(0))


def choose_targets(salience: SalienceMap, wanted: Cut = Granularity.LINE) -> Cut:
    """``wanted`` if the map has scores for such targets, else the finest granularity that it has scores for."""
    if salience.scores is not None or (isinstance(wanted, Granularity) and wanted in salience.span_scores):
        return wanted
    return next((name for name in Granularity if name in salience.span_scores), wanted)


def combine_targets(
    salience: SalienceMap,
    completion: Completion,
    targets: Sequence[Span],
    *,
    target_cut: Segmentation,
    source_cut: Segmentation,
    pooling: Pooling = Pooling.SUM,
) -> tuple[FloatArray, bool]:
    """Scores [S] of all source spans for a selection of target spans of one cut, and whether they are exact.

    Sources that reach into a selected span score zero; sources between them do not.
    """
    row, exact = combine_rows(salience, completion, targets, target_cut)
    inside = find_touched(source_cut, targets)
    return np.where(inside, np.float32(0), pool_sources(row[None], source_cut, pooling)[0]), exact


def combine_rows(
    salience: SalienceMap, completion: Completion, targets: Sequence[Span], target_cut: Segmentation
) -> tuple[FloatArray, bool]:
    """Scores [T] of all tokens for a selection of target spans of one cut, and whether they are exact.

    A single span has its own exact score. For several, the rows of their tokens are added up, or the rows of the spans
    if only those were computed.
    """
    rows, exact = read_rows(salience, completion, target_cut, targets)
    if len(targets) > 1 and salience.scores is not None:
        rows = _sum_token_rows(salience.scores, completion, targets)
    return rows.sum(axis=0, dtype=np.float64).astype(np.float32), exact and len(targets) == 1


def sum_up(
    salience: SalienceMap, completion: Completion, targets: Sequence[Span], target_cut: Segmentation
) -> tuple[float, float] | None:
    """The sum of all sources' scores for these targets, and what it should be; None if that is not known.

    It should be the objective's change from integrated gradients' baseline to the text. Self-salience counts.
    """
    errors, granularity = salience.completeness_error, target_cut.granularity
    first = completion.n_prompt_tokens
    if isinstance(granularity, Granularity) and granularity in errors and granularity is not Granularity.TOKEN:
        offset = target_cut.spans_from(first).start
        missed = sum(float(errors[granularity][target.number - offset]) for target in targets)
    elif Granularity.TOKEN in errors:
        of_tokens = errors[Granularity.TOKEN]
        missed = sum(float(of_tokens[target.start - first : target.stop - first].sum()) for target in targets)
    else:
        return None
    total = float(read_rows(salience, completion, target_cut, targets)[0].sum(dtype=np.float64))
    return total, total - missed


def find_errors(
    salience: SalienceMap,
    completion: Completion,
    targets: Sequence[Span],
    *,
    target_cut: Segmentation,
    source_cut: Segmentation,
) -> FloatArray | None:
    """Standard errors [S] of the sources' scores; None if they are not known.

    They are known for a single stored target, and for the sources that the method scored: the spans that it removed, or
    single tokens. The error of a sum of sources depends on their covariance, which is not stored.
    """
    granularity = target_cut.granularity
    stored = salience.standard_errors.get(granularity) if isinstance(granularity, Granularity) else None
    if stored is None or len(targets) != 1 or source_cut.granularity is not (salience.sources or Granularity.TOKEN):
        return None
    first = target_cut.spans_from(completion.n_prompt_tokens).start
    errors = pool_sources(stored[[targets[0].number - first]], source_cut)[0]
    return np.where(find_touched(source_cut, targets), np.float32(0), errors)


def find_foil_text(analysis: Analysis, targets: Sequence[Span]) -> list[str]:
    """The foil's text for each token of these targets that is contrasted with one."""
    if analysis.foil is None:
        return []
    first, tokens = analysis.completion.n_prompt_tokens, analysis.foil.tokens
    places = (place - first for span in targets for place in range(span.start, span.stop))
    return [text for place in places if place >= 0 and (text := tokens[place])]


def find_touched(segmentation: Segmentation, targets: Sequence[Span]) -> NDArray[np.bool_]:
    """Which spans of a segmentation share a token with one of the targets, [S]."""
    chosen = np.zeros(segmentation.bounds[-1], dtype=bool)
    for span in targets:
        chosen[span.start : span.stop] = True
    return np.logical_or.reduceat(chosen, list(segmentation.bounds[:-1]))


def share(scores: FloatArray, visible: NDArray[np.bool_]) -> FloatArray:
    """Each visible source's share, -1 to 1: scores [S] over the sum of their absolute values; 0 if all are 0."""
    shown = np.where(visible, scores, 0).astype(np.float64)
    total = np.abs(shown).sum()
    return (shown / total if total > 0 else shown).astype(np.float32)


def find_segmentation(analysis: Analysis, cut: Cut) -> Segmentation:
    """The stored segmentation of this cut; if there is none, cut the text now."""
    if isinstance(cut, Granularity) and cut in analysis.segmentations:
        return analysis.segmentations[cut]
    return segment(analysis.completion, cut, analysis.compat)


def read_rows(
    salience: SalienceMap, completion: Completion, target_cut: Segmentation, targets: Sequence[Span]
) -> tuple[FloatArray, bool]:
    """Token-level scores [targets, T], and whether they come from whole-span gradients."""
    granularity = target_cut.granularity
    stored = salience.span_scores.get(granularity) if isinstance(granularity, Granularity) else None
    if stored is not None:
        first = target_cut.spans_from(completion.n_prompt_tokens).start
        return stored[np.array([target.number - first for target in targets], dtype=np.intp)], True
    if salience.scores is None:
        held = ", ".join(salience.span_scores) or "none"
        wanted = " or ".join(dict.fromkeys([str(granularity), Granularity.TOKEN.value]))
        raise UsageError(f"expected scores by {wanted}, found {held}: compute them with that granularity")
    rows = _sum_token_rows(salience.scores, completion, targets)
    return rows, all(span.stop - span.start == 1 for span in targets)


def _sum_token_rows(scores: FloatArray, completion: Completion, targets: Sequence[Span]) -> FloatArray:
    """The sum of each target's token rows: [G, T] -> [targets, T]."""
    first = completion.n_prompt_tokens
    rows = np.zeros((len(targets), scores.shape[1]), dtype=np.float64)
    for row, target in zip(rows, targets, strict=True):
        row += scores[target.start - first : target.stop - first].sum(axis=0, dtype=np.float64)
    return rows.astype(np.float32)
