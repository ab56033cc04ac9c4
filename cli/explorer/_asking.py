"""The part of the explorer for the open prompt: which target, which cuts, how to draw it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from promptlight.cli.explorer._view import View
from promptlight.cli.explorer.page import Page
from promptlight.cli.explorer.scene import Scene, list_methods, step_from
from promptlight.cli.views.look import Marking, Paper, Spacing, Taste
from promptlight.cli.views.palette import FEW_COLOURS, Look
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Cut, Granularity, Way

INTENSITIES = 10  # steps from lowest to highest


class Asking(App[None]):
    """A view of one scene and the keys that change it. ``question`` holds the cuts for the prompts opened next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "previous, next target"),
        Binding("right", "move(1)", "previous, next target"),
        Binding("shift+left", "extend(-1)", "extend or shrink the target"),
        Binding("shift+right", "extend(1)", "extend or shrink the target"),
        Binding("home", "choose(0)", "first, last target"),
        Binding("end", "choose(-1)", "first, last target"),
        Binding("a", "choose_all", "the whole completion"),
        Binding("g", "cut_sources(1)", "cut sources coarser, finer"),
        Binding("G", "cut_sources(-1)", "cut sources coarser, finer"),
        Binding("t", "cut_targets(1)", "cut targets coarser, finer"),
        Binding("T", "cut_targets(-1)", "cut targets coarser, finer"),
        Binding("p", "pool", "next pooling: sum, mean, max"),
        Binding("m", "method", "next stored method"),
        Binding("w", "way", "next way: direct, through the model's own words, in all"),
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

    # ---- which target ------------------------------------------------------------------------------------------------

    def _change(self, change: Callable[[Scene], Scene]) -> None:
        if self.scene:
            self.show(change(self.scene))

    def action_move(self, step: int) -> None:
        """Move to another target."""
        self._change(lambda scene: scene.move(step))

    def action_extend(self, step: int) -> None:
        """Extend or shrink the selection by a target."""
        self._change(lambda scene: scene.extend(step))

    def action_choose(self, number: int) -> None:
        """Choose the target with this number."""
        self._change(lambda scene: scene.choose(number))

    def action_choose_all(self) -> None:
        """Choose the whole completion."""
        self._change(lambda scene: scene.choose_all())

    # ---- how it is cut and summed ------------------------------------------------------------------------------------

    def action_cut_sources(self, step: int) -> None:
        """Cut sources coarser or finer."""
        self._change(lambda scene: scene.cut_sources(step, self._own))
        if self.scene:
            self.question = replace(self.question, by=self.scene.by)

    def action_cut_targets(self, step: int) -> None:
        """Cut targets coarser or finer."""
        self._change(lambda scene: scene.cut_targets(step, self._own_target))
        if self.scene:
            self.question = replace(self.question, target_by=self.scene.target_by)

    @property
    def _own_target(self) -> Cut:
        return self.question.target_by or Granularity.LINE

    def action_pool(self) -> None:
        """Switch to the next pooling of a source's tokens."""
        self._change(lambda scene: scene.pool_next())
        if self.scene:
            self.question = replace(self.question, pooling=self.scene.pooling, way=self.scene.way)

    def action_method(self) -> None:
        """Switch to the next method with stored scores."""
        if self.scene and len(list_methods(self.scene.analysis)) == 1:
            self.notify(f"{self.scene.method} is the only method that these results hold", markup=False)
            return
        self._change(lambda scene: scene.view_next_method())

    def action_way(self) -> None:
        """Look at sources by the next way that can be followed."""
        if self.scene is None:
            return
        before = self.scene
        for step in (1, 2):
            self.show(before.follow(step_from(list(Way), before.way, step)))
            if self.scene is not before:
                break
        self.question = replace(self.question, way=self.scene.way, pooling=self.scene.pooling)

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
