"""Which parts of a prompt change an answer: take each away alone, or replace it, and let the model write again.

 1. ``list_parts`` cuts the prompt, and makes the changed prompt of each part.
 2. The model completes the prompt as it is and each changed prompt (not done here). ``find_answer`` finds what it now
    writes in the target's place for the prompt as it is: the old answer.
 3. Beside writing again, the old text is scored after each changed prompt (``likelihood.py``): how likely it still is.
 4. ``judge_parts`` finds the target's counterpart in each new completion, and compares.

A part whose removal changes the answer is a cause by writing again. That the answer stays does not say that the part
is idle: others may say the same, and ``log_prob`` shows smaller effects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import UsageError
from promptlight.salience.regeneration.counterparts import Target, find_counterpart, find_counterpart_text
from promptlight.salience.text.edit_distance import find_distance
from promptlight.salience.text.editing import Replacement
from promptlight.salience.text.removal import is_removable, read_range, remove_span, replace_in_span
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import Compat, Completion, Cut, Prompt, Span


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the prompt, the prompt without it, and what stands in its place, if anything (None: taken away)."""

    source: Span
    prompt: Prompt
    replacement: str | None = None


@dataclass(frozen=True, kw_only=True)
class PartOutcome:
    """What the model wrote with a part changed: all of it, and the target's counterpart there (None: it has none).

    ``distance`` is Levenshtein's, in characters, from the old answer to the new one (to nothing, if there is none), and
    ``relative_distance`` that over the longer one's length, 0 to 1. ``log_prob`` is the log-probability of the old
    answer after the changed prompt and the old own words before it, and ``text_log_prob`` that of everything from the
    completion's start to the old answer's end; both None if the old text was not scored.
    """

    part: Part
    completion: str
    answer: str | None
    is_changed: bool
    distance: int
    relative_distance: float
    log_prob: float | None
    text_log_prob: float | None


@dataclass(frozen=True, kw_only=True)
class PartsFound:
    """The outcomes of all parts, in the order of the prompt.

    ``target`` is what was asked about and ``now`` the old answer: what the model writes in its place now for the
    unchanged prompt. ``log_prob`` and ``text_log_prob`` are the old answer's for that prompt.
    """

    target: Target
    now: Target
    cut: Cut
    outcomes: tuple[PartOutcome, ...]
    log_prob: float | None
    text_log_prob: float | None

    @property
    def answer(self) -> str:
        """The old answer's text."""
        return self.now.text

    @property
    def is_reproduced(self) -> bool:
        """Whether the model still writes the target for the unchanged prompt."""
        return self.answer == self.target.text

    @property
    def causes(self) -> tuple[PartOutcome, ...]:
        """Those that change the answer."""
        return tuple(one for one in self.outcomes if one.is_changed)

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """A row for each part, with the columns of ``io/tables/parts.py``."""
        prompt = self.now.completion.prompt
        for one in self.outcomes:
            span = one.part.source
            yield {
                "id": prompt.id,
                "source": prompt.label,
                "by": str(self.cut),
                "part_number": span.number + 1,
                "part_start": span.start,
                "part_stop": span.stop,
                "part_text": span.text,
                "part_line": span.line,
                "part_section": span.section,
                "replacement": one.part.replacement,
                "target_by": str(self.target.cut),
                "target_text": self.target.text,
                "old_answer": self.answer,
                "answer": one.answer,
                "changed": one.is_changed,
                "distance": one.distance,
                "relative_distance": one.relative_distance,
                "log_prob": one.log_prob,
                "text_log_prob": one.text_log_prob,
                "old_log_prob": self.log_prob,
                "old_text_log_prob": self.text_log_prob,
                "completion": one.completion,
            }


# ---- what to change -------------------------------------------------------------------------------------------------


def list_parts(
    completion: Completion, cut: Cut, compat: Compat | None = None, replacements: Sequence[Replacement] | None = None
) -> list[Part]:
    """Every part of the prompt whose removal leaves some text, in order, each with the changed prompt.

    With replacements, there is one for each replacement and each part that has its ``old``. Raises UsageError if the
    prompt has no such part, or if a replacement fits none or changes nothing.
    """
    spans = describe_spans(completion, segment(completion, cut, compat))
    if replacements is not None:
        return _replace_parts(completion, cut, spans, replacements)
    parts = [
        Part(source=span, prompt=remove_span(completion, span)) for span in spans if is_removable(completion, span)
    ]
    if not parts:
        raise UsageError(
            f"{completion.prompt.id}: expected a prompt with several {cut} parts, found only one: choose a finer cut",
            parameters=("each",),
        )
    return parts


def _replace_parts(
    completion: Completion, cut: Cut, spans: Sequence[Span], replacements: Sequence[Replacement]
) -> list[Part]:
    texts = [(span, read_range(completion, span)) for span in spans]
    filled = [(span, text) for span, text in texts if text.strip()]
    parts: list[tuple[int, Part]] = []
    for replacement in replacements:
        fitting = [(span, text) for span, text in filled if replacement.old is None or replacement.old in text]
        if not fitting:
            raise UsageError(
                f"{completion.prompt.id}: expected {replacement.old!r} within one {cut} of the prompt, found it in"
                " none: copy it from there, or choose a coarser cut",
                parameters=("replace_each",),
            )
        made = list(_replace_in(completion, fitting, replacement))
        if not made:
            raise UsageError(
                f"expected a replacement that changes the prompt, found {replacement.new!r} in the place of the same",
                parameters=("replace_each",),
            )
        parts += [(part.source.number, part) for part in made]
    return [part for _, part in sorted(parts, key=lambda pair: pair[0])]


def _replace_in(
    completion: Completion, fitting: Sequence[tuple[Span, str]], replacement: Replacement
) -> Iterator[Part]:
    """The replacement in each of these spans, without those that it doesn't change."""
    for span, text in fitting:
        old = text.strip() if replacement.old is None else replacement.old
        prompt = replace_in_span(completion, span, old, replacement.new)
        if prompt.text != completion.prompt.text:
            yield Part(source=span, prompt=prompt, replacement=text.replace(old, replacement.new).strip())


# ---- what came of it ------------------------------------------------------------------------------------------------


def find_answer(target: Target, unchanged: Completion) -> Target:
    """What the model now writes in the target's place for the unchanged prompt: the old answer.

    Raises UsageError if it writes nothing there.
    """
    found = find_counterpart(target, unchanged)
    if found is None or not found.spans:
        raise UsageError(
            f"{unchanged.prompt.id}: expected the model to write {target.text!r} or something like it again, found"
            f" {unchanged.completion_text.strip()!r}: run the prompt anew with this model"
        )
    return found


def list_old_ids(unchanged: Completion) -> list[int]:
    """The G token ids of the old completion: what to score after the changed prompts, whatever the target is."""
    return list(unchanged.ids[unchanged.n_prompt_tokens :])


def judge_parts(
    target: Target,
    now: Target,
    cut: Cut,
    parts: Sequence[Part],
    completions: Sequence[Completion],
    log_probs: NDArray[np.float64] | None = None,
) -> PartsFound:
    """Compare what the model wrote with each part changed with the old answer.

    ``log_probs`` [1 + parts, G] are those of the old completion's tokens (``list_old_ids``) after the unchanged prompt,
    then after each changed one. Answers are compared without the blanks around them.
    """
    sums = [(None, None)] * (1 + len(parts)) if log_probs is None else [_add_up(now, row) for row in log_probs]
    outcomes = [
        _judge(now, part, completion, *own) for part, completion, own in zip(parts, completions, sums[1:], strict=True)
    ]
    log_prob, text_log_prob = sums[0]
    return PartsFound(
        target=target,
        now=now,
        cut=cut,
        outcomes=tuple(outcomes),
        log_prob=log_prob,
        text_log_prob=text_log_prob,
    )


def _judge(
    now: Target, part: Part, completion: Completion, log_prob: float | None, text_log_prob: float | None
) -> PartOutcome:
    old, new = now.text, find_counterpart_text(now, completion)
    distance = find_distance(old, new or "")
    return PartOutcome(
        part=part,
        completion=completion.completion_text,
        answer=new,
        is_changed=new != old,
        distance=distance,
        relative_distance=distance / max(1, len(old), len(new or "")),
        log_prob=log_prob,
        text_log_prob=text_log_prob,
    )


def _add_up(now: Target, log_probs: NDArray[np.float64]) -> tuple[float, float]:
    """The log-probability of the old answer, and of everything up to its end."""
    first = now.completion.n_prompt_tokens
    own = sum(float(log_probs[span.start - first : span.stop - first].sum()) for span in now.spans)
    return own, float(log_probs[: now.spans[-1].stop - first].sum())
