"""The window to edit a prompt's text and run it."""

# pyright: standard

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from promptlight.cli.explorer._running import find_said
from promptlight.cli.explorer.editable import restore_text, show_text
from promptlight.cli.work.editor import edit_text
from promptlight.salience.errors import PromptlightError
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Prompt

KEYS = "ctrl+r runs it, ctrl+e opens $EDITOR, ctrl+z undoes, escape goes back"


class EditWindow(ModalScreen[str | None]):
    """A text area for what can be edited of ``prompt``; left by escape, it returns its text.

    ``run`` is called with the new text; it returns the reason if it can't run, else None. ``progress`` says then what
    the run is at.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "run", "run the change", priority=True),
        Binding("ctrl+e", "editor", "open the change in $EDITOR", priority=True),
        Binding("escape", "leave", "leave the change, and keep it", priority=True),
    ]

    def __init__(
        self, title: str, prompt: Prompt, draft: str, run: Callable[[str], str | None], progress: Callable[[], str]
    ) -> None:
        super().__init__()
        self.prompt = prompt
        self._title, self._original, self._run, self._progress = title, find_said(prompt), run, progress
        self._draft = draft
        self._area = TextArea(show_text(self._original), soft_wrap=True, tab_behavior="focus")
        self._note = Static(Text(KEYS), classes="note", markup=False)
        self._since: float | None = None

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        with Vertical(classes="window"):
            yield Static(Text(self._title, "bold"), classes="title", markup=False)
            yield self._area
            yield self._note

    def on_mount(self) -> None:
        """Focus the editor, with the draft as a change that can be undone; start a clock that shows progress."""
        if self._draft != self._original:
            self._area.replace(show_text(self._draft), (0, 0), self._area.document.end)
            self._area.move_cursor((0, 0))
        self._area.focus()
        self.set_interval(0.25, self._tick)

    @property
    def text(self) -> str:
        """The text for the model to read."""
        return restore_text(self._area.text, self._original)

    @property
    def is_changed(self) -> bool:
        """Whether the text differs from the prompt's."""
        return self.text != find_said(self.prompt)

    def action_run(self) -> None:
        """Run the text."""
        if self._since is not None:
            return
        refusal = self._run(self.text)
        if refusal:
            self.say(refusal)
        else:
            self._since = time.monotonic()
            self._tick()

    def stop_waiting(self, reason: str) -> None:
        """Say how the run ended; the text stays as it is."""
        self._since = None
        self.say(f"{reason}. {KEYS}")

    def say(self, message: str) -> None:
        """Show a message in the line below the text."""
        self._note.update(Text(one_line(message)))

    def _tick(self) -> None:
        if self._since is not None:
            seconds = time.monotonic() - self._since
            self.say(f"{self._progress()} ({seconds:.0f} s so far); escape goes back")

    def action_editor(self) -> None:
        """Open the text in the user's own editor."""
        try:
            with self.app.suspend():
                text = edit_text(self.text)
        except (PromptlightError, UnicodeDecodeError) as error:
            self.say(str(error))
        except SuspendNotSupported:
            self.say("this terminal can't hand over to an editor")
        else:
            self._original = text
            self._area.text = show_text(text)

    def action_leave(self) -> None:
        """Go back with the text; a run continues, and its result is added to the list."""
        self.dismiss(self.text)
