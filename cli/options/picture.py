"""The options that say where a table is drawn: a view without shades has no others (``drawing.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.panels import DRAWING
from promptlight.cli.views.look import DEFAULT, Taste
from promptlight.io.files import check_free
from promptlight.io.tables.formats import STANDARD_OUTPUT
from promptlight.salience.errors import UsageError

if TYPE_CHECKING:
    from promptlight.cli.views.output import View

STREAM = Path("/dev/stdout")  # what - stands for
WidthOption = Annotated[
    int | None,
    typer.Option(min=20, help="Width in characters (default: the terminal's; 100 in a file).", rich_help_panel=DRAWING),
]
SvgOption = Annotated[
    Path | None,
    typer.Option("--svg", metavar="FILE", help="Draw into an SVG file, not on the terminal.", rich_help_panel=DRAWING),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Draw into an HTML file, not on the terminal.", rich_help_panel=DRAWING
    ),
]
PngOption = Annotated[
    Path | None,
    typer.Option(
        "--png",
        metavar="FILE",
        help="Draw into a PNG file, with fonts of its own; needs Pillow.",
        rich_help_panel=DRAWING,
    ),
]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Draws a table on the terminal, unless the options name files."""

    width: WidthOption = None
    svg: SvgOption = None
    html: HtmlOption = None
    png: PngOption = None

    def __post_init__(self) -> None:
        for kind in ("svg", "html", "png"):
            if getattr(self, kind) == STANDARD_OUTPUT:
                object.__setattr__(self, kind, STREAM)

    @property
    def files(self) -> list[Path]:
        """The files to draw into."""
        return [path for path in (self.svg, self.html, self.png) if path]

    def check(self, *, as_json: bool, overwrite: bool) -> None:
        """Raise UsageError for --json with a file, OutputError if the file exists: before anything is computed."""
        if as_json and self.files:
            raise UsageError("expected --json or a file to draw into, found both: leave one out")
        if self.png:
            from promptlight.cli.views.output import check_pillow

            check_pillow("--png")
        for path in self.files:
            check_free(path, overwrite=overwrite)

    def draw(self, view: View, taste: Taste = DEFAULT, *, as_json: bool, pager: bool = False) -> None:
        """Draw it on the terminal, into files, or as JSON."""
        from promptlight.cli.views.output import draw_into_files, draw_on_terminal, print_json

        if as_json:
            print_json(view)
        elif self.files:
            draw_into_files(view, taste, self.width, svg=self.svg, html=self.html, png=self.png)
        else:
            draw_on_terminal(view, taste, self.width, pager=pager)
