"""Test a cause by writing again: change a part of the prompt, and see whether the model still writes the target.

 1. ``choose_trials`` takes the prompt's strongest sources, each to be taken away alone (or replaced). As a control, it
    adds one source of the weaker half, of about the strongest one's length: if the answer changes without that one too,
    it changes easily, and a change proves little.
 2. The model completes the prompt as it is and each changed prompt (not done here).
 3. ``judge_trials`` finds the target's counterpart in each new completion, and compares the texts.

The model's own words before the target are written anew, too: unlike an ablation, nothing of the completion is held
fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.direction import rank_sources
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.regeneration.counterparts import Target, find_counterpart_text
from promptlight.salience.text.editing import ARROW
from promptlight.salience.text.removal import is_removable, read_range, remove_span, replace_in_span
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Analysis, Completion, Granularity, Prompt, Role, Span

CUTS = (Granularity.LINE, Granularity.SENTENCE, Granularity.WORD)  # the coarsest that has several parts is taken


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A part of the prompt, its share of the target's scores, and the prompt without it.

    ``is_control``: one of the weaker half, for comparison. ``replacement`` is what stands in its place, if anything.
    """

    source: Span
    share: float
    is_control: bool
    replacement: str
    prompt: Prompt


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the model wrote in a trial: all of it, and the target's counterpart there (None: it has none)."""

    trial: Trial
    completion: str
    answer: str | None
    is_changed: bool


@dataclass(frozen=True, kw_only=True)
class Regeneration:
    """The outcomes of all trials of a target, the strongest source first and the control last.

    ``answer`` is what the model writes now for the unchanged prompt; the outcomes are compared with that.
    ``own_words`` are the strongest source of all if the model wrote that itself, and its share; None otherwise.
    """

    explanation: Explanation
    answer: str
    outcomes: tuple[Outcome, ...]
    own_words: tuple[Span, float] | None

    @property
    def tested(self) -> tuple[Outcome, ...]:
        """All but the control."""
        return tuple(one for one in self.outcomes if not one.trial.is_control)

    @property
    def control(self) -> Outcome | None:
        """The control; None if the prompt is too short for one."""
        return next((one for one in self.outcomes if one.trial.is_control), None)

    @property
    def is_reproduced(self) -> bool:
        """Whether the model still writes the target for the unchanged prompt."""
        return self.answer == self.explanation.target_text.strip()


# ---- what to try ----------------------------------------------------------------------------------------------------


def choose_cut(analysis: Analysis) -> Granularity:
    """Lines, or if the prompt has only one, sentences or words."""
    for cut in CUTS:
        spans = describe_spans(analysis.completion, find_segmentation(analysis, cut))
        if sum(is_removable(analysis.completion, span) for span in spans) > 1:
            return cut
    return CUTS[-1]


def choose_trials(explanation: Explanation, n_top: int = 5, *, replacement: str | None = None) -> list[Trial]:
    """The ``n_top`` strongest sources of the prompt, and a control if there are more.

    With a replacement, ``NEW`` or ``OLD=>NEW`` within the source, only the strongest is changed. Raises UsageError if
    the prompt has no part whose removal leaves text, or if OLD is not in the strongest source.
    """
    completion = explanation.analysis.completion
    sources = [
        span for span in explanation.spans if explanation.visible[span.number] and is_removable(completion, span)
    ]
    ranked = _rank(explanation, sources)
    if not ranked:
        raise UsageError(
            f"{completion.prompt.id}: expected a prompt with several {explanation.by} parts that have a score, found"
            " none: choose a finer cut",
            parameters=("by",),
        )
    if replacement is not None:
        return [_build_trial(explanation, ranked[0], replacement)]
    trials = [_build_trial(explanation, source) for source in ranked[:n_top]]
    weaker = ranked[max(n_top, (len(ranked) + 1) // 2) :]
    if weaker:
        size = _count_tokens(ranked[0])
        control = min(reversed(weaker), key=lambda span: abs(_count_tokens(span) - size))
        trials.append(_build_trial(explanation, control, is_control=True))
    return trials


def _rank(explanation: Explanation, sources: Sequence[Span]) -> list[Span]:
    """Sources with the one first that raises the target most; those without a score are left out."""
    salience = explanation.salience
    sign = (salience.objective.direction or 1) if salience.method.is_signed else 1
    scores = [sign * float(explanation.scores[span.number]) for span in sources]
    order = rank_sources(scores, signed=salience.method.is_signed)
    return [sources[number] for number in order if scores[number] > 0]


def _build_trial(
    explanation: Explanation, source: Span, replacement: str | None = None, *, is_control: bool = False
) -> Trial:
    completion = explanation.analysis.completion
    if replacement is None:
        prompt, text = remove_span(completion, source), ""
    else:
        prompt, text = _fill(completion, source, replacement)
    return Trial(
        source=source,
        share=float(explanation.shares[source.number]),
        is_control=is_control,
        replacement=text,
        prompt=prompt,
    )


def _fill(completion: Completion, source: Span, replacement: str) -> tuple[Prompt, str]:
    """The prompt with another text in a source's place, and that text; blanks and line feeds around it stay."""
    body = read_range(completion, source).strip()
    old, arrow, new = replacement.partition(ARROW)
    if arrow and old not in read_range(completion, source):
        raise UsageError(
            f"expected {old!r} in line {source.line}, the strongest source of the prompt, found {body!r}; to change"
            " another part, use `promptlight try`",
            parameters=("replace",),
        )
    old, new = (old, new) if arrow else (body, replacement)
    text = read_range(completion, source).replace(old, new, 1).strip()
    return replace_in_span(completion, source, old, new, n=1), text


def _count_tokens(span: Span) -> int:
    return span.stop - span.start


# ---- what came of it ------------------------------------------------------------------------------------------------


def judge_trials(
    explanation: Explanation, trials: Sequence[Trial], unchanged: Completion, completions: Sequence[Completion]
) -> Regeneration:
    """Compare what the model wrote in each trial with what it wrote for the unchanged prompt.

    Only the target's counterparts are compared, without the blanks around them. Raises UsageError if the model now
    writes nothing in the target's place for the unchanged prompt.
    """
    target = Target.of(explanation)
    answer = find_counterpart_text(target, unchanged)
    if answer is None:
        raise UsageError(
            f"{unchanged.prompt.id}: expected the model to write {explanation.target_text.strip()!r} or something like"
            f" it again, found {unchanged.completion_text.strip()!r}: run the prompt anew with this model"
        )
    outcomes: list[Outcome] = []
    for trial, completion in zip(trials, completions, strict=True):
        found = find_counterpart_text(target, completion)
        written = completion.completion_text
        outcomes.append(Outcome(trial=trial, completion=written, answer=found, is_changed=found != answer))
    return Regeneration(
        explanation=explanation, answer=answer, outcomes=tuple(outcomes), own_words=_find_own_words(explanation)
    )


def _find_own_words(explanation: Explanation) -> tuple[Span, float] | None:
    """The strongest source and its share, if it is the model's own."""
    strongest = explanation.strongest(1)
    if not strongest or strongest[0].role is not Role.COMPLETION:
        return None
    return strongest[0], float(explanation.shares[strongest[0].number])
