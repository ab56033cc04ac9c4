"""The two lines at the foot of the app: the settings, and the main keys that fit."""

# pyright: standard

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from promptlight.cli.explorer._keys import Place, name_main_keys
from promptlight.cli.explorer.scene import Scene
from promptlight.cli.views.palette import Look
from promptlight.salience.types import Way

WAYS = {Way.DIRECT: "direct", Way.THROUGH: "through own words", Way.ALL: "in all"}


class Bar(Static):
    """Both lines, cut to the width of the app."""

    def __init__(self) -> None:
        super().__init__(id="bar", markup=False)
        self._settings = Text()
        self._place = Place.TEXT

    def show_settings(self, settings: Text) -> None:
        """Say how the open prompt is explained and drawn; empty if there is nothing to explain."""
        self._settings = settings
        self.on_resize()

    def show_place(self, place: Place) -> None:
        """Name the keys of another place."""
        self._place = place
        self.on_resize()

    def on_resize(self) -> None:
        """Fit both lines into the width."""
        width, settings = self.app.size.width, self._settings.copy()
        settings.truncate(width, overflow="ellipsis")
        place = Place.NOTHING if self._place is Place.TEXT and not settings else self._place
        self.update(Text("\n").join([settings, Text(name_main_keys(place, width), "bold")]))


def describe_settings(scene: Scene, look: Look, *, n_folded: int) -> Text:
    """All settings in one line."""
    numbers = [min(scene.anchor, scene.cursor) + 1, max(scene.anchor, scene.cursor) + 1]
    chosen = "all" if scene.takes_all else "-".join(map(str, dict.fromkeys(numbers)))
    settings = (
        f"by {scene.by}",
        f"target {scene.target_by} {chosen} of {len(scene.targets)}",
        *([f"{n_folded} lines folded"] if n_folded else []),
        WAYS[scene.way],
        str(scene.pooling),
        str(scene.method),
        f"intensity {look.taste.intensity:g}",
        str(look.marking),
        str(look.taste.spacing),
    )
    return Text(" " + " · ".join(settings))
