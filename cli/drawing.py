"""Where a view is drawn: on this terminal, or into files, as SVG for pages and slides or as HTML for a mail."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from promptlight.cli.taste import Taste
from promptlight.cli.views.palette import Look
from promptlight.io.files import check_free, writing

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

FILE_WIDTH = 100  # cells
FONT_FACES = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)  # Rich's SVG asks a server for its font
Painter = Callable[["Console", Look], "RenderableType"]


class Drawing:
    """Draws a view as the options of a command say: on the terminal, unless files are asked for.

    Raises OutputError at once for a file that exists already.
    """

    def __init__(
        self, *, taste: Taste, width: int | None, svg: Path | None, html: Path | None, overwrite: bool = False
    ) -> None:
        self._taste, self._width, self._svg = taste, width, svg
        self._files = [path for path in (svg, html) if path]
        for path in self._files:
            check_free(path, overwrite=overwrite)

    def draw(self, paint: Painter, *, signed: bool, title: str) -> None:
        """Draw once, whole: what is wrong with the view is found before a file is touched."""
        from rich.console import Console

        if not self._files:
            # Rich would keep bold and dim, and the raised numbers would be missing
            colours = None if os.environ.get("NO_COLOR") else "auto"
            console = Console(highlight=False, color_system=colours, width=self._width)
            console.print(paint(console, self._look(console, signed)))
            return
        console = Console(
            file=io.StringIO(),
            record=True,
            force_terminal=True,
            color_system="truecolor",
            width=self._width or FILE_WIDTH,
            highlight=False,
            legacy_windows=False,
        )
        console.print(paint(console, self._look(console, signed)))
        self._save(console, title)

    def _look(self, console: Console, signed: bool) -> Look:
        return Look(color_system=console.color_system, signed=signed, taste=self._taste)

    def _save(self, console: Console, title: str) -> None:
        from rich.terminal_theme import DEFAULT_TERMINAL_THEME

        for path in self._files:
            if path == self._svg:
                text = FONT_FACES.sub("", console.export_svg(title=title, clear=False, theme=DEFAULT_TERMINAL_THEME))
            else:
                text = console.export_html(clear=False, inline_styles=True, theme=DEFAULT_TERMINAL_THEME)
            with writing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            print(f"{path} ({path.stat().st_size / 1000:,.0f} kB)")
