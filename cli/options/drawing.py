"""Where a view is drawn: on this terminal, or into files, as SVG for pages and slides or as HTML for a mail."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from promptlight.io.files import check_free, writing
from promptlight.salience.text.printable import one_line, printable_json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from promptlight.cli.views.palette import Look

FILE_WIDTH = 100  # cells
FONT_FACES = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)  # Rich's SVG asks a server for its font
Painter = Callable[["Console", "Look"], "RenderableType"]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draws a view as the options of a command say: on the terminal, unless files are asked for."""

    intensity: IntensityOption = NEUTRAL_INTENSITY
    marking: MarkingOption = Marking.HIGHLIGHT
    spacing: SpacingOption = Spacing.DENSE
    width: WidthOption = None
    svg: SvgOption = None
    html: HtmlOption = None
    overwrite: OverwriteOption = False
    json: JsonOption = False

    def check(self) -> None:
        """Raise OutputError for a file that exists already, before anything is computed for it."""
        for path in self._files:
            check_free(path, overwrite=self.overwrite)

    @property
    def _files(self) -> list[Path]:
        return [path for path in (self.svg, self.html) if path]

    def draw(self, paint: Painter, describe: Callable[[], Any], *, signed: bool, title: str) -> None:
        """Draw once, whole: what is wrong with the view is found before a file is touched.

        ``describe`` gives the same as plain data, for --json.
        """
        from rich.console import Console

        if self.json:
            print(printable_json(describe()))
            return

        if not self._files:
            # Rich would keep bold and dim, and the raised numbers would be missing
            colours = None if os.environ.get("NO_COLOR") else "auto"
            console = Console(highlight=False, color_system=colours, width=self.width)
            console.print(paint(console, self._look(console, signed)))
            return
        console = Console(
            file=io.StringIO(),
            record=True,
            force_terminal=True,
            color_system="truecolor",
            width=self.width or FILE_WIDTH,
            highlight=False,
            legacy_windows=False,
        )
        console.print(paint(console, self._look(console, signed)))
        self._save(console, title)

    def _look(self, console: Console, signed: bool) -> Look:
        from promptlight.cli.views.palette import Look

        taste = Taste(intensity=self.intensity, marking=self.marking, spacing=self.spacing)
        return Look(color_system=console.color_system, signed=signed, taste=taste)

    def _save(self, console: Console, title: str) -> None:
        from rich.terminal_theme import DEFAULT_TERMINAL_THEME

        for path in self._files:
            if path == self.svg:
                text = FONT_FACES.sub("", console.export_svg(title=title, clear=False, theme=DEFAULT_TERMINAL_THEME))
            else:
                text = console.export_html(clear=False, inline_styles=True, theme=DEFAULT_TERMINAL_THEME)
            with writing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            print(f"{one_line(str(path))} ({path.stat().st_size / 1000:,.0f} kB)")
