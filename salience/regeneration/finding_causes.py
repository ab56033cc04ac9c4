"""Take each part of a stored prompt away, and let the model write again: plan it without a model, then let one write.

    plan = plan_parts(analysis, question)       # which parts, and how much there is to write
    causes = find_causes(plan, complete)        # what each of them changes

``complete`` completes prompts as the run did (``run/batches.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.regeneration.counterparts import Target, find_target
from promptlight.salience.regeneration.parts import Part, PartOutcome, find_answer, judge_parts, list_parts
from promptlight.salience.regeneration.prompt_causes import PromptCauses, TriedPart
from promptlight.salience.types import Analysis, Completion, Cut, Granularity, Prompt, StopReason

LAST = "-1"  # the last span, as users say it
Complete = Callable[[Sequence[Prompt]], Sequence[Completion]]


@dataclass(frozen=True, kw_only=True)
class PartsPlan:
    """What to write for one prompt: its completion as it is, and one without each part.

    ``choice`` is the target as the user gave it, ``by`` how the prompt is cut.
    """

    analysis: Analysis
    target: Target
    choice: str
    by: Cut
    parts: Sequence[Part]

    @property
    def n_completions(self) -> int:
        """The number of completions to write."""
        return 1 + len(self.parts)

    @property
    def n_tokens(self) -> int:
        """The number of tokens to write if all are as long as the stored completion."""
        return self.n_completions * self.analysis.completion.n_targets

    def is_of(self, causes: PromptCauses) -> bool:
        """Whether these were found for the same target and the same parts."""
        own = [(part.source.number, part.source.text) for part in self.parts]
        found = [(part.number, part.text) for part in causes.parts]
        return (causes.target_text, found) == (self.target.text, own)


def plan_parts(analysis: Analysis, question: Question) -> PartsPlan:
    """Plan to take each part of a prompt away. The default target is the last line, or the last ``target_by``.

    Raises UsageError if the prompt has no such target or a single part, or if the completion was given.
    """
    completion = analysis.completion
    if completion.stop_reason is StopReason.GIVEN:
        raise UsageError(
            f"{completion.prompt.id}: expected a completion that the model wrote, found the record's own, which it"
            " can't write anew: run the prompts so that the model completes them",
            parameters=("explain",),
        )
    choice = LAST if question.target is None else question.target
    target = find_target(completion, choice, question.target_by or Granularity.LINE, analysis.compat)
    try:
        parts = list_parts(completion, question.by, analysis.compat)
    except UsageError as error:
        raise UsageError(str(error), parameters=("by",)) from error
    return PartsPlan(analysis=analysis, target=target, choice=choice, by=question.by, parts=parts)


def find_causes(plan: PartsPlan, complete: Complete) -> PromptCauses:
    """Let the model write again, and collect which parts change the answer.

    Raises UsageError if it now writes nothing in the target's place for the unchanged prompt.
    """
    prompt = plan.analysis.completion.prompt
    unchanged, *changed = complete([prompt, *(part.prompt for part in plan.parts)])
    found = judge_parts(plan.target, find_answer(plan.target, unchanged), plan.by, plan.parts, changed)
    return PromptCauses(
        id=prompt.id,
        label=prompt.label,
        fingerprint=prompt.fingerprint,
        by=str(plan.by),
        target=plan.choice,
        target_by=str(plan.target.cut),
        target_text=plan.target.text,
        answer=found.answer,
        parts=[_describe(outcome) for outcome in found.outcomes],
    )


def _describe(outcome: PartOutcome) -> TriedPart:
    source = outcome.part.source
    return TriedPart(
        number=source.number,
        line=source.line,
        section=source.section,
        text=source.text,
        changed=outcome.is_changed,
        answer=outcome.answer,
        distance=outcome.distance,
        completion=outcome.completion,
    )
