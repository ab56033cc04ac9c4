"""Remarks of ``show`` about a foil, and about the sum of integrated gradients."""

from __future__ import annotations

from collections.abc import Sequence

from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.explain.span_scores import find_foil_text, sum_up
from promptlight.salience.text.contrast import AUTO
from promptlight.salience.text.printable import quote
from promptlight.salience.types import Analysis, Span

FOIL_WIDTH = 40


def name_foil(analysis: Analysis, targets: Sequence[Span]) -> str:
    """The end of the question: `` rather than “ Avoid.”``; empty if these targets have no foil."""
    texts = find_foil_text(analysis, targets)
    if not texts or analysis.foil is None:
        return ""
    is_literal = analysis.completion.prompt.foil_text is not None
    if analysis.foil.request == AUTO and not is_literal and len(texts) > 1:
        return " rather than the runner-up of each token"
    return f" rather than “{quote(''.join(texts), FOIL_WIDTH)}”"


def describe_sum(explanation: Explanation) -> list[str]:
    """``sums to 3.41 of 3.44, ...`` if that is known."""
    completion = explanation.analysis.completion
    sums = sum_up(explanation.salience, completion, explanation.targets, explanation.target_cut)
    if sums is None:
        return []
    return [f"sums to {sums[0]:.3g} of {sums[1]:.3g}, the change of the objective from the baseline to the text"]
