"""The options that say where a view is drawn, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.panels import DRAWING
from promptlight.cli.options.picture import HtmlOption, Picture, PngOption, SvgOption, WidthOption
from promptlight.cli.options.shared import (
    ColoursOption,
    IntensityOption,
    JsonOption,
    MarkingOption,
    OverwriteOption,
    PaperOption,
    SpacingOption,
)
from promptlight.cli.views.look import NEUTRAL_INTENSITY, Paper, Spacing, Taste
from promptlight.io.page.colours import Colours

if TYPE_CHECKING:
    from promptlight.cli.views.output import View


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draws a view as the options of a command say: on the terminal, unless they name files."""

    intensity: IntensityOption = NEUTRAL_INTENSITY
    marking: MarkingOption = None
    spacing: SpacingOption = Spacing.DENSE
    paper: PaperOption = Paper.AUTO
    colours: ColoursOption = Colours.SAFE
    width: WidthOption = None
    svg: SvgOption = None
    html: HtmlOption = None
    png: PngOption = None
    pager: Annotated[
        bool,
        typer.Option(
            "--pager/--no-pager",
            help="Page through what is longer than the terminal, with $PAGER or less.",
            rich_help_panel=DRAWING,
        ),
    ] = True
    overwrite: OverwriteOption = False
    json: JsonOption = False

    def check(self) -> None:
        """Raise UsageError for --json with a file, OutputError if the file exists: before anything is computed."""
        self._picture.check(as_json=self.json, overwrite=self.overwrite)

    def draw(self, view: View) -> None:
        """Draw it on the terminal, into files, or as JSON."""
        taste = Taste(
            intensity=self.intensity,
            marking=self.marking,
            spacing=self.spacing,
            paper=self.paper,
            colours=self.colours,
        )
        self._picture.draw(view, taste, as_json=self.json, pager=self.pager)

    @property
    def _picture(self) -> Picture:
        return Picture(width=self.width, svg=self.svg, html=self.html, png=self.png)
