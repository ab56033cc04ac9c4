"""The answer to one question about one analysis: every span's score and share for one target.

A *question* says how the sources are cut, what the target is and how its spans are cut, and how the scores of a
source's tokens become one. Visible are the sources that can matter: neither special tokens nor what the target
itself touches. Shares and levels are taken over those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.explain.span_scores import (
    choose_targets,
    combine_targets,
    find_errors,
    find_segmentation,
    find_touched,
    share,
)
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.types import Analysis, Cut, FloatArray, Granularity, Pooling, Role, Span


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a prompt: ``target`` None is all that the model wrote; ``target_by`` None is as ``by``."""

    by: Cut = Granularity.WORD
    target: str | None = None
    target_by: Cut | None = None
    pooling: Pooling = Pooling.SUM


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The S spans of a text, which of them can be sources (``visible``, [S]), and their numbers for one target.

    ``scores`` [S] are zero for what the target touches and for what comes after it. ``shares`` [S] are parts of all
    visible scores; ``levels`` [S] are scores relative to the strongest visible one, -1 to 1. ``exact`` says that the
    scores come from the whole target's gradient. ``errors`` [S] are the scores' standard errors, where they are known.
    """

    analysis: Analysis
    by: Cut
    target_by: Cut
    pooling: Pooling
    spans: Sequence[Span]
    targets: Sequence[Span]
    visible: NDArray[np.bool_]
    scores: FloatArray
    shares: FloatArray
    levels: FloatArray
    exact: bool
    errors: FloatArray | None

    @property
    def target_text(self) -> str:
        """What is explained."""
        return "".join(span.text for span in self.targets)

    @property
    def target_probability(self) -> float:
        """The model's probability of the whole target given all before it: the product over its tokens."""
        tokens = self.analysis.completion.tokens
        places = (at for span in self.targets for at in range(span.start, span.stop))
        return math.exp(sum(tokens[at].log_prob or 0.0 for at in places))

    def strongest(self, n_top: int) -> list[Span]:
        """The sources of largest size, the largest first; none that scores zero."""
        order = np.argsort(-np.abs(self.levels), kind="stable")[:n_top]
        return [self.spans[number] for number in order if self.levels[number]]


def find_targets(analysis: Analysis, question: Question) -> list[Span]:
    """The target's spans. Raises UsageError where the completion has none."""
    cut = find_segmentation(analysis, question.target_by or choose_targets(analysis, question.by))
    return find_target_spans(describe_spans(analysis.completion, cut), question.target)


def explain_target(analysis: Analysis, question: Question) -> Explanation:
    """Find the question's target, and score every span of the text for it."""
    return explain_spans(analysis, question, find_targets(analysis, question))


def explain_spans(analysis: Analysis, question: Question, targets: Sequence[Span]) -> Explanation:
    """Score every span of the text for target spans that are chosen already, cut as the question says."""
    target_by = question.target_by or choose_targets(analysis, question.by)
    sources = find_segmentation(analysis, question.by)
    spans = describe_spans(analysis.completion, sources)
    scores, exact = combine_targets(
        analysis, targets, granularity=target_by, sources=question.by, pooling=question.pooling
    )
    visible = np.array([span.role is not Role.SPECIAL for span in spans]) & ~find_touched(sources, targets)
    strongest = np.abs(scores[visible]).max(initial=0.0)
    return Explanation(
        analysis=analysis,
        by=question.by,
        target_by=target_by,
        pooling=question.pooling,
        spans=spans,
        targets=targets,
        visible=visible,
        scores=scores,
        shares=share(scores, visible),
        levels=np.where(visible, scores / max(strongest, 1e-30), 0.0).astype(np.float32),
        exact=exact,
        errors=find_errors(analysis, targets, target_by, question.by),
    )
