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
from promptlight.salience.explain.comparison import align
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.faithfulness.curves import rank_sources
from promptlight.salience.text.editing import ARROW, Edit, apply_edits, said_in
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import Analysis, Completion, Cut, Granularity, Prompt, Role, Span

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
        if sum(_is_removable(analysis.completion, span) for span in spans) > 1:
            return cut
    return CUTS[-1]


def choose_trials(explanation: Explanation, n_top: int = 5, *, replacement: str | None = None) -> list[Trial]:
    """The ``n_top`` strongest sources of the prompt, and a control if there are more.

    With a replacement, ``NEW`` or ``OLD=>NEW`` within the source, only the strongest is changed. Raises UsageError if
    the prompt has no part whose removal leaves text, or if OLD is not in the strongest source.
    """
    completion = explanation.analysis.completion
    sources = [
        span for span in explanation.spans if explanation.visible[span.number] and _is_removable(completion, span)
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
    start, stop = _find_range(completion, source)
    text = _leave(completion, source) if replacement is None else _fill(completion, source, replacement)
    return Trial(
        source=source,
        share=float(explanation.shares[source.number]),
        is_control=is_control,
        replacement="" if replacement is None else text.strip(),
        prompt=apply_edits(completion.prompt, [Edit(start=start, stop=stop, text=text)], id=completion.prompt.id),
    )


def _leave(completion: Completion, source: Span) -> str:
    """What stays when a source is taken away: the line feeds at its end that belong to the text around it.

    Of a part of a line, all stay. A line takes its own line feed with it, and if a blank line is before it or it is the
    first, those after it, too.
    """
    start, stop = _find_range(completion, source)
    text = completion.prompt.text
    before = text[_find_said(completion.prompt, start)[0] : start]
    end = text[start + len(text[start:stop].rstrip()) : stop]
    if before and not before.endswith("\n"):
        return end[end.find("\n") :] if "\n" in end else ""
    is_first = not before.removesuffix("\n").rpartition("\n")[2].strip()
    return "" if is_first else end.partition("\n")[2]


def _fill(completion: Completion, source: Span, replacement: str) -> str:
    """The text that takes a source's place, with the blanks and line feeds around it as they are."""
    start, stop = _find_range(completion, source)
    text = completion.prompt.text[start:stop]
    body = text.strip()
    old, arrow, new = replacement.partition(ARROW)
    if arrow and old not in text:
        raise UsageError(
            f"expected {old!r} in line {source.line}, the strongest source of the prompt, found {body!r}; to change"
            " another part, use `promptlight try`",
            parameters=("replace",),
        )
    return text.replace(old, new, 1) if arrow else text.replace(body, replacement, 1)


def _is_removable(completion: Completion, span: Span) -> bool:
    """Whether a span is a part of the prompt with text in it, and some text is left without it."""
    if span.role is not Role.PROMPT or not span.text.strip():
        return False
    start, stop = _find_range(completion, span)
    first, last = _find_said(completion.prompt, start)
    text = completion.prompt.text
    return start < stop and bool((text[first:start] + text[stop:last]).strip())


def _find_said(prompt: Prompt, place: int) -> tuple[int, int]:
    """The editable range of a prompt that holds a character; an empty one if that is the format's."""
    return next((said for said in said_in(prompt) if said[0] <= place < said[1]), (place, place))


def _find_range(completion: Completion, span: Span) -> tuple[int, int]:
    """The characters of a prompt's span, without those of a chat's format."""
    start, stop = completion.tokens[span.start].start, completion.tokens[span.stop - 1].stop
    for first, last in said_in(completion.prompt):
        if max(start, first) < min(stop, last):
            return max(start, first), min(stop, last)
    return start, start


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
    answer = find_counterpart(explanation, unchanged)
    if answer is None:
        raise UsageError(
            f"{unchanged.prompt.id}: expected the model to write {explanation.target_text.strip()!r} or something like"
            f" it again, found {unchanged.completion_text.strip()!r}: run the prompt anew with this model"
        )
    outcomes: list[Outcome] = []
    for trial, completion in zip(trials, completions, strict=True):
        found = find_counterpart(explanation, completion)
        written = completion.completion_text
        outcomes.append(Outcome(trial=trial, completion=written, answer=found, is_changed=found != answer))
    return Regeneration(
        explanation=explanation, answer=answer, outcomes=tuple(outcomes), own_words=_find_own_words(explanation)
    )


def find_counterpart(explanation: Explanation, completion: Completion) -> str | None:
    """The text that stands in another completion where the target stood, stripped; None if nothing does.

    That of the whole completion is the whole completion. Else the spans of both are paired as in ``comparison``: those
    with the same text, then those with the most words in common.
    """
    analysis = explanation.analysis
    before = _list_written(analysis.completion, explanation.target_by, analysis)
    after = _list_written(completion, explanation.target_by, analysis)
    chosen = {span.start for span in explanation.targets}
    wanted = {number for number, span in enumerate(before) if span.start in chosen}
    if len(wanted) == len(before):
        return completion.completion_text.strip()
    pairs = align([span.text.strip() for span in before], [span.text.strip() for span in after])
    partners = [other for one, other in pairs if one in wanted and other is not None]
    if not partners:
        return None
    return "".join(span.text for span in after[min(partners) : max(partners) + 1]).strip()


def _list_written(completion: Completion, cut: Cut, analysis: Analysis) -> list[Span]:
    """The spans that the model wrote."""
    spans = describe_spans(completion, segment(completion, cut, analysis.compat))
    return [span for span in spans if span.role is Role.COMPLETION]


def _find_own_words(explanation: Explanation) -> tuple[Span, float] | None:
    """The strongest source and its share, if it is the model's own."""
    strongest = explanation.strongest(1)
    if not strongest or strongest[0].role is not Role.COMPLETION:
        return None
    return strongest[0], float(explanation.shares[strongest[0].number])
