"""Plain data for ``--json`` with the contents of the views: unchanged texts, full numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptlight.cli.views.tried import describe_try
from promptlight.cli.views.ways import N_SOURCES, N_WAYS, list_own_parts, list_sources
from promptlight.io.results.tried import describe_try as find_try
from promptlight.salience.explain.comparison import Difference, PairedSpan, compare_explanations, find_moved
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.explain.ways import find_ways
from promptlight.salience.types import Span

PARTS = ("direct", "through", "total")  # of Through, in shares of the target


def describe_explanation(explanation: Explanation, n_top: int | None = None) -> dict[str, Any]:
    """The question, and the strongest sources (``n_top`` None: all with a score), the strongest first."""
    analysis, salience = explanation.analysis, explanation.salience
    sources = explanation.strongest(len(explanation.spans) if n_top is None else n_top)
    return {
        "id": analysis.completion.prompt.id,
        "tried": describe_try(find_try(analysis.completion.prompt)),
        "completion": analysis.completion.completion_text,
        "target": explanation.target_text,
        "probability": explanation.target_probability,
        "probability_per_token": explanation.probability_per_token,
        "method": salience.method.value,
        "objective": salience.objective.value,
        "by": str(explanation.by),
        "exact": explanation.exact,
        "way": explanation.way.value,
        "sources": [_describe_source(explanation, source) for source in sources],
        "through": _describe_through(explanation),
    }


def _describe_source(explanation: Explanation, source: Span) -> dict[str, Any]:
    """A source with its share and score; ``error`` is the score's standard error, null if unknown.

    If the way is not direct, also its parts by each way.
    """
    errors, through = explanation.errors, explanation.through
    described = {
        "line": source.line,
        "section": source.section,
        "text": source.text,
        "share": float(explanation.shares[source.number]),
        "score": float(explanation.scores[source.number]),
        "error": None if errors is None else float(errors[source.number]),
    }
    by_way = {} if through is None else {name: float(getattr(through, name)[source.number]) for name in PARTS}
    return described | by_way


def _describe_through(explanation: Explanation) -> dict[str, Any] | None:
    """How the target came through the model's own words; None if the way is direct."""
    through = explanation.through
    if through is None:
        return None
    return {
        "by": str(explanation.through_by),
        "own": through.own,
        "stuck": through.stuck,
        "clipped": through.chain.clipped,
        "own_words": [
            _describe_place(own)
            | {
                "total": total,
                "sources": [
                    _describe_place(source) | {"share": share}
                    for source, share in list_sources(explanation, own)[:N_SOURCES]
                ],
            }
            for own, total in list_own_parts(explanation)
        ],
        "ways": [
            {
                "share": way.share,
                "source": _describe_place(way.source),
                "stations": [_describe_place(one.span) | {"word": one.word} for one in way.stations],
            }
            for way in find_ways(explanation, N_WAYS)
        ],
    }


def _describe_place(span: Span) -> dict[str, Any]:
    return {"line": span.line, "text": span.text}


def describe_comparison(before: Explanation, after: Explanation, n_top: int) -> dict[str, Any]:
    """Both questions, how much moved, and every part of the texts with its shares, in order."""
    paired = compare_explanations(before, after)
    return {
        "before": describe_explanation(before, n_top),
        "after": describe_explanation(after, n_top),
        "moved": find_moved(paired),
        "parts": [_describe_pair(pair) for pair in paired],
    }


def _describe_pair(pair: PairedSpan) -> dict[str, Any]:
    """The change of a part; null is a missing part, or the share of a part of the target."""
    return {
        "change": pair.change.value,
        "before": pair.before and pair.before.text,
        "after": pair.after and pair.after.text,
        "share_before": pair.share_before,
        "share_after": pair.share_after,
        "moved": pair.moved,
    }


def describe_differences(differences: Sequence[Difference], n_missing: int) -> dict[str, Any]:
    """All prompts of two folders."""
    return {
        "n_missing": n_missing,
        "prompts": [
            {
                "id": one.id,
                "same_completion": one.same_completion,
                "moved": one.moved,
                "most": one.most and _describe_pair(one.most),
            }
            for one in differences
        ],
    }
