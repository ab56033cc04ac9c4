"""The options that say what is asked of a prompt, in groups (``groups.py``), and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlight.cli.options.shared import (
    ByOption,
    OtherTargetOption,
    PoolOption,
    SectionsOption,
    TargetByOption,
    TargetOption,
)
from promptlight.salience.types import Method, Pooling

if TYPE_CHECKING:
    from promptlight.salience.explain.explanation import Question


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How the sources are cut and pooled, and what the target is."""

    by: ByOption = "word"
    target: TargetOption = None
    target_by: TargetByOption = None
    pool: PoolOption = Pooling.SUM
    sections: SectionsOption = None

    def question(self, method: Method | None = None) -> Question:
        """What is asked of a method's scores. Raises UsageError for a cut that there is not."""
        from promptlight.salience.explain.explanation import Question
        from promptlight.salience.text.spans import parse_cut

        cut = parse_cut(self.target_by) if self.target_by else None
        return Question(by=parse_cut(self.by), target=self.target, target_by=cut, pooling=self.pool, method=method)


@dataclass(frozen=True, kw_only=True)
class AskingLines(Asking):
    """The same, by lines where nothing is said."""

    by: ByOption = "line"


@dataclass(frozen=True, kw_only=True)
class AskingTwo(AskingLines):
    """The same of two prompts, which may have targets of their own."""

    other_target: OtherTargetOption = None

    def questions(self, methods: tuple[Method | None, Method | None]) -> tuple[Question, Question]:
        """One question for each prompt."""
        from dataclasses import replace

        question, other_target = self.question(methods[0]), self.other_target
        target = question.target if other_target is None else other_target
        return question, replace(question, target=target, method=methods[1])
