"""The options that say where a view is drawn, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.panels import DRAWING
from promptlight.cli.options.shared import ColoursOption, IntensityOption, JsonOption, MarkingOption, OverwriteOption
from promptlight.cli.views.look import NEUTRAL_INTENSITY, Paper, Spacing, Taste
from promptlight.io.files import check_free
from promptlight.io.page.colours import Colours
from promptlight.salience.errors import UsageError

if TYPE_CHECKING:
    from promptlight.cli.views.output import View


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draws a view as the options of a command say: on the terminal, unless they name files."""

    intensity: IntensityOption = NEUTRAL_INTENSITY
    marking: MarkingOption = None
    spacing: Annotated[
        Spacing, typer.Option("--spacing", help="Room between the lines of the text.", rich_help_panel=DRAWING)
    ] = Spacing.DENSE
    paper: Annotated[
        Paper,
        typer.Option(
            "--paper",
            help="The ground to draw for; auto asks the terminal, and takes light in files.",
            rich_help_panel=DRAWING,
        ),
    ] = Paper.AUTO
    colours: ColoursOption = Colours.SAFE
    width: Annotated[
        int | None,
        typer.Option(
            min=20, help="Width in characters (default: the terminal's; 100 in a file).", rich_help_panel=DRAWING
        ),
    ] = None
    svg: Annotated[
        Path | None,
        typer.Option(
            "--svg", metavar="FILE", help="Draw into an SVG file, not on the terminal.", rich_help_panel=DRAWING
        ),
    ] = None
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Draw into an HTML file, not on the terminal.", rich_help_panel=DRAWING
        ),
    ] = None
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
        if self.json and (self.svg or self.html):
            raise UsageError("expected --json or a file to draw into, found both: leave one out")
        for path in filter(None, (self.svg, self.html)):
            check_free(path, overwrite=self.overwrite)

    def draw(self, view: View) -> None:
        """Draw it on the terminal, into files, or as JSON."""
        from promptlight.cli.views.output import draw_into_files, draw_on_terminal, print_json

        taste = Taste(
            intensity=self.intensity,
            marking=self.marking,
            spacing=self.spacing,
            paper=self.paper,
            colours=self.colours,
        )
        if self.json:
            print_json(view)
        elif self.svg or self.html:
            draw_into_files(view, taste, self.width, svg=self.svg, html=self.html)
        else:
            draw_on_terminal(view, taste, self.width, pager=self.pager)
