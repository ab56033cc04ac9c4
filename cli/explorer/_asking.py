"""The part of the explorer for the question about the open prompt: which target, which cuts, which scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType

from promptlight.cli.explorer._showing import Showing
from promptlight.cli.explorer.scene import Scene, list_methods, step_from
from promptlight.salience.types import Cut, Granularity, Way


class Asking(Showing):
    """A scene and the keys that change what it explains."""

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
    ]

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
