"""The options that say where a view is drawn, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlight.cli.options.shared import (
    HtmlOption,
    IntensityOption,
    JsonOption,
    MarkingOption,
    OverwriteOption,
    SpacingOption,
    SvgOption,
    WidthOption,
)
from promptlight.cli.views.look import NEUTRAL_INTENSITY, Marking, Spacing, Taste
from promptlight.io.files import check_free

if TYPE_CHECKING:
    from promptlight.cli.views.output import View


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draws a view as the options of a command say: on the terminal, unless they name files."""

    intensity: IntensityOption = NEUTRAL_INTENSITY
    marking: MarkingOption = Marking.HIGHLIGHT
    spacing: SpacingOption = Spacing.DENSE
    width: WidthOption = None
    svg: SvgOption = None
    html: HtmlOption = None
    overwrite: OverwriteOption = False
    json: JsonOption = False

    def check(self) -> None:
        """Raise OutputError if a file exists already, before anything is computed for it."""
        for path in filter(None, (self.svg, self.html)):
            check_free(path, overwrite=self.overwrite)

    def draw(self, view: View) -> None:
        """Draw it on the terminal, into files, or as JSON."""
        from promptlight.cli.views.output import draw_into_files, draw_on_terminal, print_json

        taste = Taste(intensity=self.intensity, marking=self.marking, spacing=self.spacing)
        if self.json:
            print_json(view)
        elif self.svg or self.html:
            draw_into_files(view, taste, self.width, svg=self.svg, html=self.html)
        else:
            draw_on_terminal(view, taste, self.width)
