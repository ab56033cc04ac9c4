"""The explorer: prompts on the left, the open prompt and its salience on the right, keys and mouse to explore it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import DescendantFocus
from textual.widget import Widget

from promptlight.cli.explorer._asking import Asking
from promptlight.cli.explorer._changing import Changing
from promptlight.cli.explorer._keys import Place, group_keys
from promptlight.cli.explorer._showing import Showing
from promptlight.cli.explorer._windows import Windows
from promptlight.cli.explorer.edit import EditWindow
from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.page import Page
from promptlight.cli.explorer.prompts import PromptList, Prompts
from promptlight.cli.explorer.scene import Scene, open_scene
from promptlight.cli.explorer.screens import Window, render_help
from promptlight.cli.views.facts import spell_facts
from promptlight.cli.views.look import Taste
from promptlight.cli.work.live_model import LiveModel
from promptlight.cli.work.stored_results import SectionNames
from promptlight.io.results.listing import Listed
from promptlight.salience.errors import PromptlightError, UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Analysis, SetAside


class Explorer(Changing):
    """A results folder to look around in."""

    CSS_PATH = "explorer.tcss"
    TITLE = "promptlight explore"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-medium"), (100, "-wide")]  # noqa: RUF012  # Textual declares it as an instance attribute
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high"), (36, "-tall")]  # noqa: RUF012  # Textual declares it as an instance attribute
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "neighbour(1)", "next, previous prompt"),
        Binding("N", "neighbour(-1)", "next, previous prompt"),
        Binding("slash", "search", "search prompts"),
        Binding("l", "list", "go to the list of prompts"),
        Binding("escape", "text", "go back to the text"),
        Binding("question_mark", "help", "show keys and how to read the colours"),
    ]

    def __init__(
        self,
        library: Library,
        *,
        question: Question,
        live: LiveModel,
        names: SectionNames | None = None,
        opened: Listed | None = None,
        taste: Taste | None = None,
        fold: bool = False,
        color_system: str | None = "auto",
    ) -> None:
        super().__init__(
            library, live=live, names=names, question=question, taste=taste, fold=fold, color_system=color_system
        )
        self.prompts = Prompts(library, id="prompts")
        self._opened = opened or library.find_first()

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        with Horizontal():
            yield self.prompts
            yield self.view
        yield self.view.bar

    def on_mount(self) -> None:
        """Open the requested prompt, or else the first that can be shown."""
        self.open_listed(self._opened)
        for problem in self.library.problems:
            self.notify(one_line(problem), severity="warning", markup=False)

    # ---- prompts -----------------------------------------------------------------------------------------------------

    def load(self, listed: Listed) -> Analysis | None:
        """Load a prompt's analysis; if there is nothing to show, show a message and return None."""
        try:
            result = self.library.load(listed)
        except PromptlightError as error:
            self.view.show_message(str(error))
            return None
        if isinstance(result, SetAside):
            self.view.show_message(f"{result.id} was skipped: {result.reason}\n\n{result.prompt or ''}")
            return None
        return self.names.give(result)

    def open_listed(self, listed: Listed) -> None:
        """Show a prompt at the target that was asked about, or with its whole completion explained."""
        self.scene = None
        self.view.forget()
        analysis = self.load(listed)
        if analysis is not None:
            try:
                self.show(self._open(analysis))
            except PromptlightError as error:  # the completion is empty
                self.view.show_message(f"{listed.id}: {error}\n\n{analysis.completion.text}")
        self.prompts.list.mark_open(listed.id)
        if listed.shard is None:
            self.notify(f"{one_line(listed.id)} is in memory only: it is not stored", markup=False)
        self._go_to_text()

    def _open(self, analysis: Analysis) -> Scene:
        """The prompt's scene; if it lacks the target that was asked about, a message says so."""
        try:
            return open_scene(analysis, self.question)
        except UsageError:
            scene = open_scene(analysis, replace(self.question, target=None))
        id = one_line(analysis.completion.prompt.id)
        self.notify(f"{id} has no target {one_line(self.question.target or '')!r}", markup=False)
        return scene

    def on_prompt_list_chosen(self, event: PromptList.Chosen) -> None:
        """Open the chosen prompt."""
        self.open_listed(event.listed)

    def action_neighbour(self, step: int) -> None:
        """Open the next or the previous prompt of the list, or say that there is none."""
        before = self.prompts.list.cursor
        self.prompts.list.action_step(step)
        if self.prompts.list.cursor == before:
            which = f"the {'last' if step > 0 else 'first'} prompt"
            found = f" with “{one_line(self.prompts.wanted)}”; / searches again" if self.prompts.wanted else ""
            self.notify(f"this is {which}{found}", markup=False)
        else:
            self.prompts.list.action_choose()

    def action_list(self) -> None:
        """Focus the list; on a narrow terminal, it replaces the text."""
        self.screen.add_class("listing")
        self.prompts.list.focus()

    def action_search(self) -> None:
        """Focus the search field above the list."""
        self.screen.add_class("listing")
        self.prompts.field.focus()

    def action_text(self) -> None:
        """Go back to the text; from the search field, to a list of all prompts, too."""
        if self.prompts.field.has_focus:
            self.prompts.forget_search()
        self._go_to_text()

    def _go_to_text(self) -> None:
        self.screen.remove_class("listing")
        self.view.page.focus()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Name the keys of the place that they go to now; a window over the app has its own."""
        places: dict[Widget, Place] = {
            self.prompts.list: Place.LIST,
            self.prompts.field: Place.SEARCH,
            self.view.page: Place.TEXT,
            self.view.written: Place.TEXT,
        }
        if event.widget in places:
            self.view.bar.show_place(places[event.widget])

    def list_again(self) -> None:
        """Search again: a prompt was added."""
        self.prompts.search()

    def action_help(self) -> None:
        """Show all keys and how to read the colours."""
        hues = self.look.hues
        origin = spell_facts(self.library.facts)
        help = render_help(list_keys(), hues, origin)
        self.push_screen(Window("All keys", lambda _: help, self.color_system))


def list_keys() -> dict[str, list[tuple[list[str], str]]]:
    """Every key of the app and of its windows, by purpose, and what it does."""
    return group_keys([owner.BINDINGS for owner in KEY_OWNERS])


KEY_OWNERS = (Explorer, Changing, Windows, Asking, Showing, Page, EditWindow)
