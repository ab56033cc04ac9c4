"""One prompt's result, which draws itself in a notebook."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from promptlight.cli.notebook.drawing import Drawing
from promptlight.cli.views.look import NEUTRAL_INTENSITY, Marking, Taste
from promptlight.io.page.colours import Colours
from promptlight.io.places import Place
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question, cut_targets, explain_target
from promptlight.salience.explain.span_scores import build_span_table
from promptlight.salience.explain.way_table import trace_table
from promptlight.salience.text.spans import parse_cut
from promptlight.salience.types import Analysis, Cut, Method, Pooling, Way

if TYPE_CHECKING:
    import pandas as pd

    from promptlight.io.results.facts import RunFacts

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(Analysis):
    """An ``Analysis`` that draws itself: as the last line of a notebook's cell, it is a heatmap by line.

    ``folder`` is where it is stored, if it is; ``facts`` say which model made it, and when. Cuts, methods and other
    choices are their names, such as ``"line"``, or what the options of ``promptlight show`` of the same name take.
    """

    folder: Place | None = None
    facts: RunFacts | None = None

    def heatmap(
        self,
        *,
        by: str | Cut = "line",
        target: str | None = None,
        target_by: str | Cut | None = None,
        method: str | None = None,
        way: str = Way.DIRECT,
        pooling: str = Pooling.SUM,
        matrix: bool = False,
        fold: bool = False,
        top: int = 8,
        intensity: float = NEUTRAL_INTENSITY,
        marking: str | None = None,
        colours: str = Colours.SAFE,
    ) -> Drawing:
        """The text, shaded by how much each part mattered for the target, as ``promptlight show`` draws it.

        ``fold`` folds lines that matter little. Raises UsageError for a target or a method that is not there.
        """
        from promptlight.cli.views.heatmap import view_explanation
        from promptlight.cli.views.hints import Hints
        from promptlight.cli.work.stored_results import SectionNames
        from promptlight.cli.work.stored_trust import StoredTrust

        question = _ask(by, target, target_by, method, way, pooling, whole=matrix)
        explanation = explain_target(SectionNames(None).give(self, question.by), question)
        trust = StoredTrust(self.folder).describe(self, explanation.salience.method, explanation.targets, question.way)
        view = view_explanation(
            explanation,
            trust,
            self.facts,
            matrix=matrix,
            fold=fold,
            n_top=top,
            title=self.id,
            hints=Hints.NOTEBOOK,
        )
        taste = Taste(
            intensity=intensity,
            marking=None if marking is None else _choose(Marking, marking, "marking"),
            colours=_choose(Colours, colours, "colours"),
        )
        return Drawing(view=view, name=f"{self.id} by {question.by}", taste=taste)

    def compare(
        self,
        other: Analysis,
        *,
        by: str | Cut = "line",
        target: str | None = None,
        other_target: str | None = None,
        method: str | None = None,
        other_method: str | None = None,
        way: str = Way.DIRECT,
        pooling: str = Pooling.SUM,
        top: int = 8,
    ) -> Drawing:
        """Both texts, what was written, and whose share moved, as ``promptlight compare`` draws it.

        The other's target and method are the same unless they are named.
        """
        from promptlight.cli.views.comparison import view_comparison
        from promptlight.cli.work.comparing import explain_both
        from promptlight.cli.work.stored_results import SectionNames

        asked = [(target, method), (other_target or target, other_method or method)]
        first, second = (_ask(by, part, None, named, way, pooling) for part, named in asked)
        before, after = explain_both((self, other), (first, second), SectionNames(None))
        name = f"{self.id} and {other.completion.prompt.id} by {first.by}"
        facts = self.facts, other.facts if isinstance(other, Result) else None
        return Drawing(view=view_comparison(before, after, facts, n_top=top, title=name), name=name)

    def frame(
        self,
        *,
        by: str | Cut = "line",
        target: str | None = None,
        target_by: str | Cut | None = None,
        method: str | None = None,
        way: str = Way.DIRECT,
        pooling: str = Pooling.SUM,
    ) -> pd.DataFrame:
        """A pandas frame with a row for each target and each source before it, as ``promptlight export`` writes it.

        Another ``way`` than ``"direct"`` adds the shares by way. Raises UsageError if the targets can't be followed
        back.
        """
        from promptlight.cli.work.stored_results import SectionNames
        from promptlight.io.tables.tidy import to_tidy

        question = _ask(by, target, target_by, method, way, pooling, whole=True)
        analysis = SectionNames(None).give(self, question.by)
        targets = cut_targets(analysis, question).granularity
        table = build_span_table(
            analysis,
            targets=targets,
            sources=question.by,
            pooling=question.pooling,
            method=question.method,
        )
        if question.way is not Way.DIRECT:
            table = trace_table(analysis, table, question, targets)
        return to_tidy(analysis, table, target=target).to_pandas()

    def save(self, path: str | Path, *, dark: bool = False, overwrite: bool = False) -> None:
        """Draw the heatmap by line into a file: ``.html``, ``.svg`` or ``.txt``."""
        self.heatmap().save(path, dark=dark, overwrite=overwrite)

    @property
    def id(self) -> str:
        """The prompt's id."""
        return self.completion.prompt.id

    def to_bundle(self) -> dict[str, str]:
        """The MIME types of its heatmap by line: text, and HTML for those who can show it."""
        return self.heatmap().to_bundle()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What IPython and Jupyter ask for."""
        return self.to_bundle()


def to_result(analysis: Analysis, *, folder: Place | None = None, facts: RunFacts | None = None) -> Result:
    """The same analysis, so that it draws itself."""
    values = {field.name: getattr(analysis, field.name) for field in fields(Analysis)}
    return Result(**values, folder=folder, facts=facts)


def _ask(
    by: str | Cut,
    target: str | None,
    target_by: str | Cut | None,
    method: str | None,
    way: str,
    pooling: str,
    *,
    whole: bool = False,
) -> Question:
    """The question that these names ask; without a target, ``whole`` keeps the whole completion whatever the way."""
    from promptlight.cli.options.question import choose_target

    chosen_way = _choose(Way, way, "way")
    if not whole:
        part, cut = choose_target(target, None if target_by is None else str(target_by), chosen_way)
    else:
        part, cut = target, target_by
    return Question(
        by=_read_cut(by),
        target=part,
        target_by=None if cut is None else _read_cut(cut),
        pooling=_choose(Pooling, pooling, "pooling"),
        method=None if method is None else _choose(Method, method, "method"),
        way=chosen_way,
    )


def _read_cut(cut: str | Cut) -> Cut:
    return parse_cut(cut) if isinstance(cut, str) else cut


def _choose(choices: type[Choice], name: str, parameter: str) -> Choice:
    """The choice of a name. Raises UsageError that lists them all."""
    if name not in [choice.value for choice in choices]:
        listed = ", ".join(choices)
        raise UsageError(f"expected one of {listed} for {parameter}, found {name!r}", parameters=(parameter,))
    return choices(name)
