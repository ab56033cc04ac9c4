"""The answer to one question about one analysis: every span's score and share for one target.

A *question* says how to cut the sources, what the target is and how to cut its spans, and how to pool the scores of a
source's tokens. A source is *visible* if it can matter: no special token, and not touched by the target. Shares and
levels are relative to the visible sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.span_scores import (
    choose_targets,
    combine_rows,
    combine_targets,
    find_errors,
    find_segmentation,
    find_touched,
    share,
)
from promptlight.salience.explain.through import Through, build_chain, pool_chain
from promptlight.salience.text.printable import quote
from promptlight.salience.text.sections import written_sections
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.text.targets import find_target_spans
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
    Way,
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about a prompt.

    ``target`` None is the whole completion, ``target_by`` None is by line, or as finely as there are scores for, and
    ``method`` None is the first method that was run. ``way`` says how sources reach the target: directly, or through
    words that the model wrote before it, which are cut by ``through_by``. Raises UsageError for a way other than direct
    with a pooling other than sum.
    """

    by: Cut = Granularity.LINE
    target: str | None = None
    target_by: Cut | None = None
    pooling: Pooling = Pooling.SUM
    method: Method | None = None
    way: Way = Way.DIRECT
    through_by: Cut = Granularity.TOKEN

    def __post_init__(self) -> None:
        if self.way is not Way.DIRECT and self.pooling is not Pooling.SUM:
            raise UsageError(
                f"expected sums of tokens' scores for the way {self.way}, found the pooling {self.pooling}: only sums"
                " can be passed on",
                parameters=("pool", "way"),
            )


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The S spans of a text, which of them can be sources (``visible``, [S]), and their numbers for one target.

    ``scores`` [S] are zero for spans that the target touches and for spans after it. ``shares`` [S] are parts of all
    visible scores; ``levels`` [S] are scores relative to the strongest visible one, -1 to 1. ``exact``: the scores come
    from the whole target's gradient. ``errors`` [S] are the scores' standard errors, None if they are not known.
    ``salience`` is the map that the scores were read from.

    If the ``way`` is not direct, ``scores`` and ``shares`` are both the parts of the target that came that way
    (``through.py``), only the prompt's spans are visible, and the shares need not sum to 1. ``through`` has the parts
    of all ways, with own words cut by ``through_by``; it is None for direct scores.
    """

    analysis: Analysis
    salience: SalienceMap
    source_cut: Segmentation
    target_cut: Segmentation
    pooling: Pooling
    spans: Sequence[Span]
    targets: Sequence[Span]
    visible: NDArray[np.bool_]
    scores: FloatArray
    shares: FloatArray
    levels: FloatArray
    exact: bool
    errors: FloatArray | None
    way: Way = Way.DIRECT
    through_by: Cut = Granularity.TOKEN
    through: Through | None = None

    def __repr__(self) -> str:
        return f"<Explanation of {_quote_start(self.target_text)}: {len(self.spans):,} spans by {self.by}>"

    @property
    def by(self) -> Cut:
        """How the sources are cut."""
        return self.source_cut.granularity

    @property
    def target_by(self) -> Cut:
        """How the targets are cut."""
        return self.target_cut.granularity

    @property
    def is_signed(self) -> bool:
        """Whether scores can be negative; only positive ones are passed on through own words."""
        return self.salience.method.is_signed and self.way is Way.DIRECT

    @property
    def target_text(self) -> str:
        """The text that is explained."""
        return "".join(span.text for span in self.targets)

    @property
    def target_probability(self) -> float:
        """The model's probability of the whole target given all before it: the product over its tokens."""
        return find_probability(self.analysis.completion, self.targets)

    @property
    def probability_per_token(self) -> float:
        """The geometric mean of the probabilities of the target's tokens."""
        return find_probability_per_token(self.analysis.completion, self.targets)

    @property
    def n_target_tokens(self) -> int:
        """The number of tokens with a probability that the target has."""
        return len(list_log_probs(self.analysis.completion, self.targets))

    def strongest(self, n_top: int) -> list[Span]:
        """The ``n_top`` sources with the largest absolute scores, the largest first; zero scores are left out."""
        order = np.argsort(-np.abs(self.levels), kind="stable")[:n_top]
        return [self.spans[number] for number in order if self.levels[number]]


def find_probability(completion: Completion, targets: Sequence[Span]) -> float:
    """The model's probability of these spans, each token given all before it: the product over their tokens."""
    return math.exp(sum(list_log_probs(completion, targets)))


def find_probability_per_token(completion: Completion, targets: Sequence[Span]) -> float:
    """The geometric mean of the probabilities of these spans' tokens; 1 if they have none.

    A product over forty tokens is tiny however sure the model was of each; this doesn't depend on their number.
    """
    log_probs = list_log_probs(completion, targets)
    return math.exp(sum(log_probs) / max(1, len(log_probs)))


def list_log_probs(completion: Completion, targets: Sequence[Span]) -> list[float]:
    """The log-probabilities of these spans' tokens, in nats; without tokens that have none, as those of a prompt."""
    found = (completion.tokens[at].log_prob for span in targets for at in range(span.start, span.stop))
    return [log_prob for log_prob in found if log_prob is not None]


def cut_targets(analysis: Analysis, question: Question) -> Segmentation:
    """Cut the completion into possible targets: as asked, or as finely as there are scores for.

    A target that is the name of one of the completion's sections is that section, unless another cut is asked for.
    """
    salience, names = analysis.map_by(question.method), {one.name for one in written_sections(analysis.completion)}
    usual = Granularity.SECTION if question.target in names else Granularity.LINE
    return find_segmentation(analysis, question.target_by or choose_targets(salience, usual))


def find_targets(analysis: Analysis, question: Question, target_cut: Segmentation | None = None) -> list[Span]:
    """The target's spans. Raises UsageError if the completion has none."""
    target_cut = target_cut or cut_targets(analysis, question)
    return find_target_spans(describe_spans(analysis.completion, target_cut), question.target)


def explain_target(analysis: Analysis, question: Question) -> Explanation:
    """Find the question's target, and score every span of the text for it."""
    target_cut = cut_targets(analysis, question)
    return explain_spans(analysis, question, find_targets(analysis, question, target_cut), target_cut)


def explain_spans(
    analysis: Analysis,
    question: Question,
    targets: Sequence[Span],
    target_cut: Segmentation | None = None,
    source_cut: Segmentation | None = None,
) -> Explanation:
    """Score every span of the text for these target spans; pass cuts that are already made.

    Raises UsageError if the question's way can't be followed: see ``_trace_spans``.
    """
    completion, salience = analysis.completion, analysis.map_by(question.method)
    target_cut = target_cut or cut_targets(analysis, question)
    source_cut = source_cut or find_segmentation(analysis, question.by)
    spans = describe_spans(completion, source_cut)
    cuts = {"target_cut": target_cut, "source_cut": source_cut}
    scores, exact = combine_targets(salience, completion, targets, **cuts, pooling=question.pooling)
    visible = np.array([span.role is not Role.SPECIAL for span in spans]) & ~find_touched(source_cut, targets)
    explanation = Explanation(
        analysis=analysis,
        salience=salience,
        target_cut=target_cut,
        source_cut=source_cut,
        pooling=question.pooling,
        spans=spans,
        targets=targets,
        visible=visible,
        scores=scores,
        shares=share(scores, visible),
        levels=_find_levels(scores, visible),
        exact=exact,
        errors=find_errors(salience, completion, targets, **cuts),
    )
    return explanation if question.way is Way.DIRECT else _trace_spans(explanation, question)


def _trace_spans(explanation: Explanation, question: Question) -> Explanation:
    """Trace direct scores back through the model's own words, and score the prompt's spans by the question's way.

    Raises UsageError for own words without scores, an objective without a direction (signed methods), and, if the way
    is THROUGH, a target that no own words come before.
    """
    analysis, salience, targets = explanation.analysis, explanation.salience, explanation.targets
    row, _ = combine_rows(salience, analysis.completion, targets, explanation.target_cut)
    # own words that share a source with the target count too: however sources are cut, the same came through them
    hidden = np.zeros(len(row), dtype=bool)
    for target in targets:
        hidden[target.start : target.stop] = True
    through = pool_chain(
        build_chain(analysis, salience, row, hidden, targets[-1], question.through_by), explanation.source_cut
    )
    if question.way is Way.THROUGH and not through.chain.words:
        raise UsageError(
            f"{analysis.completion.prompt.id}: expected a target with words of the model before it, found"
            f" {_quote_start(explanation.target_text)}, which has none: choose a later part of the completion",
            parameters=("target",),
        )
    scores = (through.through if question.way is Way.THROUGH else through.total).astype(np.float32)
    visible = explanation.visible & np.array([span.role is Role.PROMPT for span in explanation.spans])
    return replace(
        explanation,
        visible=visible,
        scores=scores,
        shares=np.where(visible, scores, np.float32(0)),
        levels=_find_levels(scores, visible),
        errors=None,
        way=question.way,
        through_by=question.through_by,
        through=through,
    )


def _find_levels(scores: FloatArray, visible: NDArray[np.bool_]) -> FloatArray:
    """Scores relative to the strongest visible one, -1 to 1; 0 where not visible."""
    strongest = np.abs(scores[visible]).max(initial=0.0)
    return np.where(visible, scores / max(strongest, 1e-30), 0.0).astype(np.float32)


def _quote_start(text: str) -> str:
    return repr(quote(text.strip(), 40))
