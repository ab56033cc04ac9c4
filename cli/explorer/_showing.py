"""The part of the explorer that draws the open prompt, and the keys and clicks for how it is drawn."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from promptlight.cli.explorer._view import View
from promptlight.cli.explorer.page import Page
from promptlight.cli.explorer.scene import Scene, find_source, step_from
from promptlight.cli.views.look import Marking, Paper, Spacing, Taste
from promptlight.cli.views.palette import FEW_COLOURS, Look
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Way

INTENSITIES = 10  # steps from lowest to highest


class Showing(App[None]):
    """A view of one scene. ``question`` holds the cuts for the prompts opened next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("full_stop", "look(1)", "go to the next strongest source, and back"),
        Binding("comma", "look(-1)", "go to the next strongest source, and back"),
        Binding("plus,equals_sign", "intensify(1)", "show faint parts more, less strongly"),
        Binding("minus", "intensify(-1)", "show faint parts more, less strongly"),
        Binding("u", "marking", "switch between shades and bars"),
        Binding("s", "spacing", "switch between dense and airy lines"),
        Binding("f", "fold", "fold lines of the prompt that matter little, or unfold them"),
    ]

    def __init__(
        self,
        *,
        question: Question,
        taste: Taste | None = None,
        fold: bool = False,
        color_system: str | None = "auto",
    ) -> None:
        if not os.environ.get("NO_COLOR"):
            os.environ.pop("NO_COLOR", None)  # empty means unset, but Textual takes it as set
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        found = None if self.no_color else self.console.color_system
        self.color_system = found if color_system == "auto" else color_system
        taste = taste or Taste()
        self.taste = replace(taste, paper=Paper.LIGHT if taste.paper is Paper.LIGHT else Paper.DARK)
        if self.color_system in (*FEW_COLOURS, None):
            self.theme = "ansi-dark"  # the terminal's own colours, as `show` uses them
        elif self.taste.paper is Paper.LIGHT:
            self.theme = "textual-light"
        self.question = question
        self._own = question.by  # the user's pattern is one more cut to choose from
        self.fold = fold
        self.view = View(id="view")
        self.scene: Scene | None = None

    @property
    def look(self) -> Look:
        """How salience is drawn at the moment."""
        signed = self.scene is not None and self.scene.explanation.is_signed
        by = self.scene.by if self.scene else None
        return Look(color_system=self.color_system, signed=signed, by=by, taste=self.taste)

    def show(self, scene: Scene | None = None) -> None:
        """Draw the scene, or a new one in its place. One whose way can't be followed is refused with a message.

        The first scene of a prompt is then drawn directly.
        """
        if scene and (reason := _find_refusal(scene)):
            self.notify(one_line(reason), severity="warning", markup=False)
            scene = None if self.scene else replace(scene, way=Way.DIRECT)
        self.scene = scene or self.scene
        if self.scene and self.view.page.size.width:  # else not laid out yet: a Resized will follow
            self.view.show_scene(self.scene, self.look, fold=self.fold)

    def on_page_resized(self) -> None:
        """Lay out again for the new width."""
        self.view.lay_out()
        self.show()

    def on_page_clicked(self, event: Page.Clicked) -> None:
        """A click on the completion chooses the target; any other click shows the piece's score."""
        if self.scene is None:
            return
        number = self.scene.find_target(event.token)
        if number is None:
            self.view.looked_at = event.token
            self.show()
        else:
            self.show(self.scene.extend_to(number) if event.extending else self.scene.choose(number))

    def on_view_looked(self, event: View.Looked) -> None:
        """A click on one of the strongest sources goes there."""
        self._look_at(event.token)

    def action_look(self, step: int) -> None:
        """Go to the strongest source, or on to the next."""
        if self.scene is None:
            return
        strongest = self.scene.explanation.strongest(len(self.scene.explanation.spans))
        found = None if self.view.looked_at is None else find_source(self.scene.explanation, self.view.looked_at)
        rank = strongest.index(found) + step if found in strongest else 0
        if strongest:
            self._look_at(strongest[min(max(rank, 0), len(strongest) - 1)].start)

    def _look_at(self, token: int) -> None:
        """Show a source's details, and the source."""
        self.view.looked_at = token
        self.show()
        if self.scene and (span := find_source(self.scene.explanation, token)):
            self.view.call_after_refresh(self.view.reveal, span)

    # ---- how it is drawn ---------------------------------------------------------------------------------------------

    def action_intensify(self, step: int) -> None:
        """Show faint pieces more or less strongly."""
        tenths = round(self.taste.intensity * INTENSITIES) + step
        self.taste = replace(self.taste, intensity=min(max(tenths, 1), INTENSITIES) / INTENSITIES)
        self.show()

    def action_marking(self) -> None:
        """Switch between shades and bars."""
        self.taste = replace(self.taste, marking=step_from(list(Marking), self.look.marking, 1))
        self.show()

    def action_spacing(self) -> None:
        """Switch between dense and airy lines."""
        self.taste = replace(self.taste, spacing=step_from(list(Spacing), self.taste.spacing, 1))
        self.show()

    def action_fold(self) -> None:
        """Fold lines that matter little, or unfold them."""
        self.fold = not self.fold
        self.show()


def _find_refusal(scene: Scene) -> str:
    """Why a scene's way can't be followed; empty if it can."""
    if scene.way is Way.DIRECT:
        return ""
    try:
        _ = scene.explanation
    except UsageError as error:
        return str(error)
    return ""
