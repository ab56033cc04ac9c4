"""The part of the explorer that changes a prompt, runs it again, and lets no change get lost without asking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from promptlight.cli.explorer._running import Finished, RunningDisplay, change_said, find_said, start_run
from promptlight.cli.explorer._windows import Windows
from promptlight.cli.explorer.edit import EditWindow
from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.scene import Scene, carry_target
from promptlight.cli.explorer.screens import Leaving
from promptlight.cli.work.live_model import LiveModel
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Prompt


@dataclass(frozen=True, kw_only=True)
class Run:
    """A change that runs: the scene it was made in, and its text."""

    scene: Scene
    said: str

    @property
    def id(self) -> str:
        """The id of the prompt that was changed."""
        return self.scene.analysis.completion.prompt.id


class Changing(Windows):
    """``live`` explains changed prompts. ``drafts`` are edited texts, by prompts' ids, that did not run or still do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "change the prompt and run it"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, library: Library, *, live: LiveModel, **options: Any) -> None:
        super().__init__(library, **options)
        self.live = live
        self.drafts: dict[str, str] = {}
        self.running: Run | None = None
        self.work_display = RunningDisplay()

    def action_edit(self) -> None:
        """Edit the prompt; a change that did not run is still there."""
        if self.scene is None:
            return
        prompt = self.scene.analysis.completion.prompt
        said = find_said(prompt)
        what = "the last turn of " if prompt.turns else ""
        title = f"Change {what}{one_line(prompt.id)} and run it with {self.live.model}"
        draft = self.drafts.get(prompt.id, said)
        window = EditWindow(title, prompt, draft, self.try_change, lambda: self.work_display.words)
        self.push_screen(window, lambda text: self._keep(prompt, text))

    def _keep(self, prompt: Prompt, text: str | None) -> None:
        """Keep a text that was left; None if it ran."""
        if text is None or text == self.drafts.get(prompt.id, find_said(prompt)):
            return
        if text == find_said(prompt):
            del self.drafts[prompt.id]
        else:
            self.drafts[prompt.id] = text
            self.notify("the change did not run: e opens it again")

    def try_change(self, said: str) -> str | None:
        """Run the open prompt with another text; returns the reason if that is not possible."""
        if self.scene is None or said == find_said(self.scene.analysis.completion.prompt):
            return "nothing is changed yet"
        if self.running is not None:
            return "another run is not over yet: wait for it"
        original = self.scene.analysis.completion.prompt
        self.drafts[original.id] = said
        self.running = Run(scene=self.scene, said=said)
        changed = change_said(original, said, self.library.name_change(original.id))
        self.work_display = start_run(self.live, original, changed, self.post_message)
        return None

    def on_finished(self, event: Finished) -> None:
        """Show both and keep the changed one, or show the error. A window with another text stays open."""
        run, self.running = self.running, None
        if run is None:
            return
        window = self.screen if isinstance(self.screen, EditWindow) and self.screen.prompt.id == run.id else None
        made = event.made
        if isinstance(made, str):
            if window:
                window.stop_waiting(f"{made}; the text above is kept")
            else:
                self.notify(f"{one_line(made)}; e opens the text again", severity="error", markup=False)
            return
        before, after = self.names.give(made.before), self.names.give(made.after)
        if self.drafts.get(run.id) == run.said:
            del self.drafts[run.id]
        listed = self.library.add(after, made.facts)
        self.list_again()
        self.notify(f"{one_line(listed.id)} is at the end of the list, in memory only: it is not stored", markup=False)
        if window and window.text == run.said:
            window.dismiss(None)
            self.show_comparison(carry_target(run.scene, before), after, (made.facts, made.facts))
        elif window:
            window.stop_waiting("the run is over: it had not what you wrote since")

    def list_again(self) -> None:
        """Called when a prompt was added to the library."""

    # ---- leaving -----------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Quit; ask first if changes would be lost."""
        lost = list(self._list_lost())
        if lost and not isinstance(self.screen, Leaving):
            self.push_screen(Leaving(lost), lambda leaves: self.exit() if leaves else None)
        else:
            self.exit()

    def _list_lost(self) -> Iterator[str]:
        """The changes that are stored nowhere."""
        open_texts = {one.prompt.id: one for one in self.screen_stack if isinstance(one, EditWindow) and one.is_changed}
        running = self.running.id if self.running else None
        for id in dict.fromkeys([*self.drafts, *open_texts]):
            runs = id == running and (id not in open_texts or open_texts[id].text == self.drafts.get(id))
            yield f"{one_line(id)}: {'its change is still running' if runs else 'a change that did not run'}"
        yield from (f"{one_line(one.id)}: it ran, and is in memory only" for one in self.library.made)
