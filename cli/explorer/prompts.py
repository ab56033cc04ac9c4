"""The list of prompts and its search field."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from promptlight.cli.explorer.library import Library
from promptlight.io.results.listing import Listed
from promptlight.salience.text.printable import one_line

PAUSE = 0.15  # seconds to wait after a key before searching, which reads the folder
CURSOR, OPEN, ASIDE = Style(reverse=True), Style(bold=True), Style(dim=True)


class PromptList(ScrollView, can_focus=True, inherit_bindings=False):
    """A line per prompt. Lines are rendered when they become visible, so ten thousand cost no more than twenty."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "previous prompt", show=False),
        Binding("down,j", "step(1)", "next prompt", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "step(-1000000000)", "the first prompt", show=False),
        Binding("end", "step(1000000000)", "the last prompt", show=False),
        Binding("enter,space", "choose", "open the prompt", show=False),
    ]
    ALLOW_SELECT = False

    class Chosen(Message):
        """A prompt was chosen."""

        def __init__(self, listed: Listed) -> None:
            super().__init__()
            self.listed = listed

    def __init__(self, listed: Sequence[Listed]) -> None:
        super().__init__()
        self.listed = listed
        self.cursor = 0
        self.open_id: str | None = None

    def on_mount(self) -> None:
        """Show the whole list."""
        self.show_listed(self.listed)

    def show_listed(self, listed: Sequence[Listed], *, found: bool = False) -> None:
        """Replace the lines; the cursor goes to the open prompt if it is among them, or to the first that was found."""
        self.listed = listed
        rows = (row for row, one in enumerate(listed) if one.id == self.open_id and not found)
        self.cursor = next(rows, 0)
        self.virtual_size = Size(self.size.width, max(1, len(listed)))
        self._show_cursor()

    def mark_open(self, id: str) -> None:
        """Mark the open prompt."""
        self.open_id = id
        self.show_listed(self.listed)

    def action_step(self, step: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(self.cursor + step, len(self.listed) - 1))
        self._show_cursor()

    def action_page(self, direction: int) -> None:
        """Move the cursor by a page."""
        self.action_step(direction * max(1, self.size.height - 1))

    def action_choose(self) -> None:
        """Open the prompt under the cursor."""
        if self.listed:
            self.post_message(self.Chosen(self.listed[self.cursor]))

    def on_click(self, event: Click) -> None:
        """Open the prompt that was clicked."""
        row = event.y + self.scroll_offset.y
        if row < len(self.listed):
            self.cursor = row
            self.refresh()
            self.action_choose()

    def _show_cursor(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if not top <= self.cursor < top + height:
            self.scroll_to(y=self.cursor if self.cursor < top else self.cursor - height + 1, animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the window; Textual calls it."""
        row, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if row >= len(self.listed):
            text = Text(" nothing found" if y == 0 and not self.listed else "", ASIDE)
        else:
            text = _render_listed(self.listed[row], is_open=self.listed[row].id == self.open_id)
        text.truncate(width, overflow="ellipsis", pad=True)
        has_keys = self.has_focus or (isinstance(self.parent, Widget) and self.parent.has_focus_within)
        if row == self.cursor and has_keys and self.listed:
            text.stylize(CURSOR)
        strip = Strip(Segment(one.text, one.style) for one in text.render(self.app.console))
        return strip.adjust_cell_length(width).apply_style(self.rich_style)


def _render_listed(listed: Listed, *, is_open: bool) -> Text:
    """Render one line of the list: the prompt's id, and its label, its start or the reason why it was skipped."""
    if listed.reason is not None:
        return Text(f"  {one_line(listed.id)}  {one_line(listed.reason)}", ASIDE)
    more = one_line(listed.label or listed.start.strip())
    name = (one_line(listed.id), OPEN if is_open else "")
    return Text.assemble("▸ " if is_open else "  ", name, (f"  {more}", ASIDE))


class Prompts(Vertical):
    """The field and the list below it; ``without`` is the id of a prompt that isn't offered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "previous prompt", show=False),
        Binding("down", "step(1)", "next prompt", show=False),
    ]

    def __init__(self, library: Library, *, without: str | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self.library, self._without = library, without
        listed = self._find("")
        self.field = Input(placeholder=f"/ search {len(listed):,} prompts", compact=True)
        self.list = PromptList(listed)
        self._waiting: Timer | None = None

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        yield self.field
        yield self.list

    def on_descendant_focus(self) -> None:
        """Show the list's cursor, which enter opens from the field, too."""
        self.list.refresh()

    def on_descendant_blur(self) -> None:
        """Hide it."""
        self.list.refresh()

    def action_step(self, step: int) -> None:
        """Move the list's cursor from within the field."""
        self._search_now()
        self.list.action_step(step)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search when typing pauses."""
        event.stop()
        self._stop_waiting()
        self._waiting = self.set_timer(PAUSE, self.search)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Open the prompt under the cursor, which begins at the first found; after an empty search, go to the list."""
        event.stop()
        self._search_now()
        self.list.focus()
        if self.wanted and self.list.listed:  # the list's own message would stop here, at its sender
            self.post_message(PromptList.Chosen(self.list.listed[self.list.cursor]))

    @property
    def wanted(self) -> str:
        """The text that is searched; empty for all prompts."""
        return self.field.value.strip()

    def search(self) -> None:
        """Show the prompts that match the field."""
        self._stop_waiting()
        self.list.show_listed(self._find(self.wanted), found=bool(self.wanted))

    def forget_search(self) -> None:
        """Show all prompts again."""
        with self.field.prevent(Input.Changed):
            self.field.value = ""
        self.search()

    def _search_now(self) -> None:
        """Search without a pause, if a search is due."""
        if self._waiting:
            self.search()

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.stop()
        self._waiting = None

    def _find(self, wanted: str) -> list[Listed]:
        return [one for one in self.library.search(wanted) if one.id != self._without]
