"""The options for a question about a prompt, in groups (``groups.py``), and the question that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.completion import complete_target
from promptlight.cli.options.given import refuse_given
from promptlight.cli.options.panels import QUESTION
from promptlight.cli.options.shared import (
    ByOption,
    PoolOption,
    SectionsOption,
    TargetByOption,
    ThroughByOption,
    WayOption,
    target_option,
)
from promptlight.salience.types import Method, Pooling, Way

if TYPE_CHECKING:
    from promptlight.salience.explain.explanation import Question


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How to cut and pool the sources, and what the target is."""

    by: ByOption = "line"
    target: Annotated[
        str | None,
        target_option(
            "What is explained: a span's number, a section, text, or a pattern (default: the whole completion)."
        ),
    ] = None
    target_by: TargetByOption = None
    pool: PoolOption = Pooling.SUM
    way: WayOption = Way.DIRECT
    through_by: ThroughByOption = "token"
    sections: SectionsOption = None

    def question(self, method: Method | None = None) -> Question:
        """The question about a method's scores. Raises UsageError for an unknown cut, or a way that can't be pooled."""
        from promptlight.salience.explain.explanation import Question
        from promptlight.salience.text.spans import parse_cut

        target, target_by = choose_target(self.target, self.target_by, self.way)
        return Question(
            by=parse_cut(self.by),
            target=target,
            target_by=parse_cut(target_by) if target_by else None,
            pooling=self.pool,
            method=method,
            way=self.way,
            through_by=parse_cut(self.through_by),
        )


def choose_target(target: str | None, target_by: str | None, way: Way) -> tuple[str | None, str | None]:
    """The target and its cut: by default the completion's last line for a way through the model's own words.

    None of them come before the whole completion.
    """
    return (target, target_by) if target is not None or way is Way.DIRECT else ("-1", target_by or "line")


def refuse_through_by(context: typer.Context, way: Way) -> None:
    """Raise UsageError if the command line says how to cut own words that no way goes through."""
    if way is Way.DIRECT:
        refuse_given(context, ["through_by"], "without --way through or --way all")


@dataclass(frozen=True, kw_only=True)
class AskingTwo(Asking):
    """The same for two prompts, which may have different targets."""

    other_target: Annotated[
        str | None,
        typer.Option(
            "--other-target",
            autocompletion=complete_target,
            help="What is explained in the second prompt (default: the same).",
            rich_help_panel=QUESTION,
        ),
    ] = None

    def questions(self, methods: tuple[Method | None, Method | None]) -> tuple[Question, Question]:
        """One question for each prompt."""
        from dataclasses import replace

        question, other_target = self.question(methods[0]), self.other_target
        target = question.target if other_target is None else other_target
        return question, replace(question, target=target, method=methods[1])
