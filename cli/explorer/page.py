"""A scrolled page of lines that are already drawn; a click tells which token was hit."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import ClassVar

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from promptlight.cli.views.text import TOKEN, find_token

NARROWEST = 20  # cells; the page is never laid out narrower


class Page(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines of text, rendered when they become visible."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "scroll", show=False),
        Binding("down", "scroll_down", "scroll", show=False),
        Binding("pageup", "page_up", "scroll by a page", show=False),
        Binding("pagedown,space", "page_down", "scroll by a page", show=False),
        Binding("ctrl+home", "scroll_home", "go to the prompt's top, end", show=False),
        Binding("ctrl+end", "scroll_end", "go to the prompt's top, end", show=False),
    ]
    ALLOW_SELECT = False  # so that a drag counts as a click

    class Clicked(Message):
        """A token was clicked; ``extending`` with shift."""

        def __init__(self, token: int, extending: bool) -> None:
            super().__init__()
            self.token, self.extending = token, extending

    class Resized(Message):
        """The page's width has changed: its lines must be laid out again."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Text] = []
        self._strips: dict[int, Strip] = {}
        self._laid_out = 0

    def console(self, color_system: str | None) -> Console:
        """A console to lay out lines for this page's width."""
        return _make_console(max(NARROWEST, self.scrollable_content_region.width), color_system)

    def show_lines(self, lines: Sequence[Text]) -> None:
        """Replace all lines; the scroll position stays."""
        self.lines = list(lines)
        self._strips.clear()
        self._laid_out = self.scrollable_content_region.width
        self.virtual_size = Size(self._laid_out, len(self.lines))
        self.refresh()

    def sees(self, start: int, stop: int) -> bool:
        """Whether one of the tokens start..stop is visible."""
        top = self.scroll_offset.y
        visible = self.lines[top : top + self.scrollable_content_region.height]
        return any(_holds(line, start, stop) for line in visible)

    def reveal(self, start: int, stop: int, *, centred: bool = False) -> None:
        """Scroll as little as needed to show all rows with the tokens start..stop, or their first if there are too
        many. ``centred`` brings rows that are out of sight to the middle."""
        rows = [row for row, line in enumerate(self.lines) if _holds(line, start, stop)]
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if not rows or (top <= rows[0] and rows[-1] < top + height):
            return
        spare = (height - len(rows)) // 2 if centred else 0 if rows[0] < top else height - len(rows)
        self.scroll_to(y=rows[0] - max(0, spare), animate=False)

    def render_line(self, y: int) -> Strip:
        """One line of the window; Textual calls it."""
        row = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if row >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        if row not in self._strips:
            segments = self.lines[row].render(_make_console(max(width, 1), "truecolor"))
            self._strips[row] = Strip(Segment(one.text, one.style) for one in segments)
        return self._strips[row].crop_extend(0, width, self.rich_style).apply_style(self.rich_style)

    def on_click(self, event: Click) -> None:
        """Report which token was clicked."""
        token = event.style.meta.get(TOKEN)
        if token is not None:
            self.post_message(self.Clicked(token, event.shift))

    def on_resize(self, event: Resize) -> None:
        """Request lines of the new width."""
        if self._laid_out != self.scrollable_content_region.width:
            self.post_message(self.Resized())


def _holds(line: Text, start: int, stop: int) -> bool:
    return any(start <= find_token(span.style) < stop for span in line.spans)


def _make_console(width: int, color_system: str | None) -> Console:
    """Make a console that prints nothing; the views use it for layout."""
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system=color_system,  # type: ignore[arg-type]  # Textual's value is one of Rich's
        highlight=False,
    )


def lay_out(renderable: RenderableType, console: Console) -> list[Text]:
    """Render what the views draw as lines."""
    rows = console.render_lines(renderable, pad=False)
    return [Text.assemble(*((segment.text, segment.style or "") for segment in row)) for row in rows]
