"""The options for a question about a prompt, in groups (``groups.py``), and the question that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.shared import ByOption, PoolOption, SectionsOption, TargetByOption
from promptlight.salience.types import Method, Pooling

if TYPE_CHECKING:
    from promptlight.salience.explain.explanation import Question


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How to cut and pool the sources, and what the target is."""

    by: ByOption = "line"
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            help="What is explained: a span's number, some of its text, or a pattern (default: the whole completion).",
        ),
    ] = None
    target_by: TargetByOption = None
    pool: PoolOption = Pooling.SUM
    sections: SectionsOption = None

    def question(self, method: Method | None = None) -> Question:
        """The question about a method's scores. Raises UsageError for an unknown cut."""
        from promptlight.salience.explain.explanation import Question
        from promptlight.salience.text.spans import parse_cut

        cut = parse_cut(self.target_by) if self.target_by else None
        return Question(by=parse_cut(self.by), target=self.target, target_by=cut, pooling=self.pool, method=method)


@dataclass(frozen=True, kw_only=True)
class AskingTwo(Asking):
    """The same for two prompts, which may have different targets."""

    other_target: Annotated[
        str | None, typer.Option("--other-target", help="What is explained in the second prompt (default: the same).")
    ] = None

    def questions(self, methods: tuple[Method | None, Method | None]) -> tuple[Question, Question]:
        """One question for each prompt."""
        from dataclasses import replace

        question, other_target = self.question(methods[0]), self.other_target
        target = question.target if other_target is None else other_target
        return question, replace(question, target=target, method=methods[1])
