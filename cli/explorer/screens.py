"""Windows over the explorer: help, the choice of a second prompt, and two prompts side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.page import Page, lay_out
from promptlight.cli.explorer.prompts import PromptList, Prompts
from promptlight.io.results.listing import Listed
from promptlight.salience.text.printable import one_line

Painter = Callable[[Console], RenderableType]
BOLD = "bold"

MEANING = {
    "What the colours mean": (
        "The target is amber: the part of the completion that you ask about. The stronger another part's colour, the "
        "more a small change of it would move the target's probability, relative to the strongest part. No colour: "
        "little or nothing. With a signed method, {0} raised the target and {1} lowered it. Dim text is the chat's own "
        "format, or comes after the target and can't matter for it."
    ),
    "What they do not mean": (
        "A strong colour is no proof of a cause: change the part (e) and see whether the answer changes. Without a "
        "sign, it says how much, not in which direction. Each target has its own scale: compare shares between two "
        "targets, not shades. Longer parts add up more tokens, so a line is often stronger than a word. Faint is not "
        "nothing: + makes it stronger."
    ),
}


class Window(ModalScreen[Listed | None]):
    """A page over the whole app, with a title and a line that says how to close it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "back")]

    def __init__(self, title: str, paint: Painter, color_system: str | None) -> None:
        super().__init__()
        self._title, self._paint, self._color_system = title, paint, color_system
        self.page = Page()

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        with Vertical(classes="window"):
            yield Static(Text(self._title, BOLD), classes="title")
            yield self.page
            yield Static(Text("escape goes back"), classes="note")

    def on_mount(self) -> None:
        """Focus the page so that keys scroll it."""
        self.page.focus()

    def on_page_resized(self) -> None:
        """Lay out again for the new width."""
        console = self.page.console(self._color_system)
        self.page.show_lines(lay_out(self._paint(console), console))

    def action_leave(self) -> None:
        """Close the window."""
        self.dismiss(None)


class Picker(ModalScreen[Listed | None]):
    """The list of prompts, to choose a second one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back"), Binding("slash", "search", "search")]

    def __init__(self, library: Library, id: str) -> None:
        super().__init__()
        self._library, self._open_id = library, id

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        with Vertical(classes="window"):
            yield Static(Text(f"Compare {one_line(self._open_id)} with which prompt?", BOLD), classes="title")
            yield Prompts(self._library, without=self._open_id)
            yield Static(Text("/ searches, enter chooses, escape goes back"), classes="note")

    def on_mount(self) -> None:
        """Focus the list so that keys move in it."""
        self.query_one(PromptList).focus()

    def on_prompt_list_chosen(self, event: PromptList.Chosen) -> None:
        """Return the chosen prompt; one that was skipped can't be compared."""
        event.stop()
        if event.listed.reason is not None:
            self.notify(f"{one_line(event.listed.id)} was skipped: choose another one", markup=False)
        else:
            self.dismiss(event.listed)

    def action_search(self) -> None:
        """Focus the search field."""
        self.query_one(Prompts).field.focus()

    def action_leave(self) -> None:
        """Close the window."""
        self.dismiss(None)


class Leaving(ModalScreen[bool]):
    """Asks whether to leave the app, and lose these changes; True if so."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,y", "leave", "leave the app and lose them"),
        Binding("escape,n", "stay", "stay"),
    ]

    def __init__(self, lost: Sequence[str]) -> None:
        super().__init__()
        self._lost = lost

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        with Vertical(classes="question"):
            yield Static(Text("These changes are stored nowhere. Leave, and lose them?", BOLD))
            yield Static(Text("\n".join(f"  {one}" for one in self._lost)), classes="lost")
            yield Static(Text("q leaves, escape stays", BOLD))

    def action_leave(self) -> None:
        """Leave."""
        self.dismiss(True)

    def action_stay(self) -> None:
        """Stay."""
        self.dismiss(False)


def render_help(
    keys: Mapping[str, Sequence[tuple[Sequence[str], str]]], hues: tuple[str, str], origin: str
) -> RenderableType:
    """Render all keys by their purpose and how to read the colours; ``hues`` name what raised the target, and what
    lowered it, ``origin`` says where the results come from."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for purpose, bindings in keys.items():
        table.add_row(Text(f"\n{purpose}", BOLD))
        for names, meaning in bindings:
            table.add_row(Text(f"  {' '.join(names)}"), Text(meaning))
    text = Text()
    for title, meaning in MEANING.items():
        text.append(f"\n{title}\n", BOLD).append(f"{meaning.format(*hues)}\n")
    if origin:
        text.append("\nWhere the results come from\n", BOLD).append(f"{origin}\n")
    return Group(table, text)
