"""The part of the explorer that asks about one prompt: which target, how it is cut, how it is drawn."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from promptlight.cli.explorer.page import Page
from promptlight.cli.explorer.scene import Scene, list_methods, step_from
from promptlight.cli.explorer.view import View
from promptlight.cli.views.look import Marking, Spacing, Taste
from promptlight.cli.views.palette import Look
from promptlight.salience.explain.explanation import Question
from promptlight.salience.types import Cut

INTENSITIES = 10  # steps from the least to the most
FEW_COLOURS = ("standard", "windows", None)


class Asking(App[None]):
    """A view of one scene and the keys that change it. ``question`` says how prompts are cut that are opened next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "the target before"),
        Binding("right", "move(1)", "the next target"),
        Binding("shift+left", "extend(-1)", "one target less, or more to the left"),
        Binding("shift+right", "extend(1)", "one target more"),
        Binding("home", "choose(0)", "the first target"),
        Binding("end", "choose(-1)", "the last target"),
        Binding("a", "choose_all", "all that the model wrote"),
        Binding("g", "cut_sources(1)", "sources: the next coarser cut"),
        Binding("G", "cut_sources(-1)", "sources: the next finer cut"),
        Binding("t", "cut_targets(1)", "targets: the next coarser cut"),
        Binding("T", "cut_targets(-1)", "targets: the next finer cut"),
        Binding("p", "pool", "pooling: sum, mean, max"),
        Binding("m", "method", "method: the next one that is stored"),
        Binding("plus,equals_sign", "intensify(1)", "show more of the faint"),
        Binding("minus", "intensify(-1)", "show less of the faint"),
        Binding("u", "marking", "shades or bars"),
        Binding("s", "spacing", "dense or airy"),
    ]

    def __init__(self, *, question: Question, color_system: str | None = "auto") -> None:
        if not os.environ.get("NO_COLOR"):
            os.environ.pop("NO_COLOR", None)  # set but empty asks for nothing; Textual would obey all the same
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        found = None if self.no_color else self.console.color_system
        self.color_system = found if color_system == "auto" else color_system
        if self.color_system in FEW_COLOURS:
            self.theme = "ansi-dark"  # the terminal's own colours, as `show` uses them
        self.question = question
        self._own = question.by  # a pattern of the user's is one more cut
        self.taste = Taste()
        self.view = View(id="view")
        self.scene: Scene | None = None

    @property
    def look(self) -> Look:
        """How salience is drawn now."""
        signed = self.scene is not None and self.scene.method.is_signed
        return Look(color_system=self.color_system, signed=signed, taste=self.taste)

    def show(self, scene: Scene | None = None) -> None:
        """Draw, after a change if there is one."""
        self.scene = scene or self.scene
        if self.scene and self.view.page.size.width:  # else before the first layout, which is followed by a Resized
            self.view.show_scene(self.scene, self.look)

    def on_page_resized(self) -> None:
        """Lay out for this width."""
        self.view.lay_out()
        self.show()

    def on_page_clicked(self, event: Page.Clicked) -> None:
        """What the model wrote becomes the target; any other piece says its score."""
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
        """Another target."""
        self._change(lambda scene: scene.move(step))

    def action_extend(self, step: int) -> None:
        """More targets, or fewer."""
        self._change(lambda scene: scene.extend(step))

    def action_choose(self, number: int) -> None:
        """The target of that number."""
        self._change(lambda scene: scene.choose(number))

    def action_choose_all(self) -> None:
        """The whole completion."""
        self._change(lambda scene: scene.choose_all())

    # ---- how it is cut and summed ------------------------------------------------------------------------------------

    def action_cut_sources(self, step: int) -> None:
        """Coarser or finer sources."""
        self._change(lambda scene: scene.cut_sources(step, self._own))
        if self.scene:
            self.question = replace(self.question, by=self.scene.by)

    def action_cut_targets(self, step: int) -> None:
        """Coarser or finer targets."""
        self._change(lambda scene: scene.cut_targets(step, self._own_target))
        if self.scene:
            self.question = replace(self.question, target_by=self.scene.target_by)

    @property
    def _own_target(self) -> Cut:
        return self.question.target_by or self._own

    def action_pool(self) -> None:
        """Another way to make one score of a source's tokens."""
        self._change(lambda scene: scene.pool_next())
        if self.scene:
            self.question = replace(self.question, pooling=self.scene.pooling)

    def action_method(self) -> None:
        """The next method whose scores are stored."""
        if self.scene and len(list_methods(self.scene.analysis)) == 1:
            self.notify(f"{self.scene.method} is the only method that these results hold", markup=False)
            return
        self._change(lambda scene: scene.view_next_method())

    # ---- how it is drawn ---------------------------------------------------------------------------------------------

    def action_intensify(self, step: int) -> None:
        """More or less of the faint."""
        tenths = round(self.taste.intensity * INTENSITIES) + step
        self.taste = replace(self.taste, intensity=min(max(tenths, 1), INTENSITIES) / INTENSITIES)
        self.show()

    def action_marking(self) -> None:
        """Shades or bars."""
        self.taste = replace(self.taste, marking=step_from(list(Marking), self.taste.marking, 1))
        self.show()

    def action_spacing(self) -> None:
        """Dense or airy."""
        self.taste = replace(self.taste, spacing=step_from(list(Spacing), self.taste.spacing, 1))
        self.show()
