"""The options that say how the page of ``report`` opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.completion import complete_id
from promptlight.cli.options.panels import DRAWING, OPENING
from promptlight.cli.options.shared import (
    ByOption,
    ColoursOption,
    IntensityOption,
    MarkingOption,
    PoolOption,
    StoredMethodOption,
    TargetByOption,
    WayOption,
    target_option,
)
from promptlight.io.page.colours import NEUTRAL_INTENSITY, Colours, Marking
from promptlight.io.page.words import Language
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Cut, Granularity, Pooling, Way

if TYPE_CHECKING:
    from promptlight.io.page.write import Opening
    from promptlight.salience.explain.explanation import Question


@dataclass(frozen=True, kw_only=True)
class PageOpening:
    """What the page shows at first; readers can choose otherwise."""

    start: Annotated[
        str | None,
        typer.Option(
            "--open",
            metavar="ID",
            help="The prompt to open with (default: the first).",
            autocompletion=complete_id,
            rich_help_panel=OPENING,
        ),
    ] = None
    overview: Annotated[
        bool, typer.Option("--overview", help="Open with the table of all prompts.", rich_help_panel=OPENING)
    ] = False
    target: Annotated[
        str | None,
        target_option(
            "What is explained in each prompt: a span's number, a section, text, or a pattern (default: the last line)."
        ),
    ] = None
    by: ByOption = "line"
    target_by: TargetByOption = None
    method: StoredMethodOption = None
    pool: PoolOption = Pooling.SUM
    way: WayOption = Way.DIRECT
    lang: Annotated[
        Language | None,
        typer.Option("--lang", help="Language (default: the reader's). Readers can switch.", rich_help_panel=DRAWING),
    ] = None
    intensity: IntensityOption = NEUTRAL_INTENSITY
    marking: MarkingOption = None
    colours: ColoursOption = Colours.SAFE

    def question(self) -> Question:
        """The question that each prompt opens with. Raises UsageError for a cut that readers couldn't choose."""
        from promptlight.salience.explain.explanation import Question

        return Question(
            by=_parse_cut(self.by, "by"),
            target=self.target,
            target_by=_parse_cut(self.target_by, "target_by") if self.target_by else None,
            pooling=self.pool,
            method=self.method,
            way=self.way,
        )

    def describe(self) -> Opening:
        """How the page opens, for the page itself."""
        from promptlight.io.page.write import Opening

        question = self.question()
        return Opening(
            id=self.start,
            by=question.by,
            target_by=question.target_by,
            pooling=self.pool,
            way=self.way,
            colours=self.colours,
            marking=self.marking or Marking.HIGHLIGHT,
            intensity=self.intensity,
            language=self.lang,
            overview=self.overview,
        )


def _parse_cut(cut: str, parameter: str) -> Cut:
    from promptlight.salience.text.spans import parse_cut

    found = parse_cut(cut)
    if not isinstance(found, Granularity):
        names = ", ".join(Granularity)
        raise UsageError(
            f"expected a cut that readers of the page can choose ({names}), found {cut}: `promptlight show --html`"
            " draws one prompt with any cut",
            parameters=(parameter,),
        )
    return found
