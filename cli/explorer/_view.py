"""The right side: the question, the text with its salience, the strongest sources, and details of a clicked piece."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from promptlight.cli.explorer.page import Page
from promptlight.cli.explorer.scene import Scene, find_source
from promptlight.cli.views.heatmap import render_heading, render_legend
from promptlight.cli.views.palette import Look
from promptlight.cli.views.strongest import render_strongest
from promptlight.cli.views.text import render_page, render_text, wrap
from promptlight.cli.views.ways import describe_own_words, render_ways
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.text.printable import one_line, printable
from promptlight.salience.types import Way

ROOM = {36: 8, 28: 5, 24: 3}  # lines of the terminal, at least -> how many of the strongest sources to list
HINT = "←→ target  g cut  w way  c compare  e edit  / search, or click a piece"
HELP = " ? keys"
PART = "part of the target"
WAYS = {Way.DIRECT: "direct", Way.THROUGH: "through own words", Way.ALL: "in all"}


class View(Vertical):
    """Shows a scene. ``looked_at`` is a token of the piece in the line of details."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.looked_at: int | None = None
        self._chosen: tuple[int, int] | None = None  # the target's tokens
        self.page = Page(id="text")
        self._parts = {name: Static(id=name, markup=False) for name in ("heading", "legend", "strongest", "details")}
        self.status = Static(id="status", markup=False)
        self._message = ""

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        yield self._parts["heading"]
        yield self.page
        yield self._parts["legend"]
        yield self._parts["strongest"]
        yield self._parts["details"]

    def forget(self) -> None:
        """Reset the selection before another prompt is shown."""
        self.looked_at, self._chosen = None, None

    def show_message(self, message: str) -> None:
        """Show a message instead of a text."""
        for part in self._parts.values():
            part.update("")
        self.status.update(Text(HELP, "bold"))
        self._message = printable(message)
        self.lay_out()

    def lay_out(self) -> None:
        """Wrap a message for the page's width."""
        console = self.page.console(None)
        self.page.show_lines([row for line in self._message.split("\n") for row in wrap(Text(line), console)])

    def show_scene(self, scene: Scene, look: Look) -> None:
        """Draw a scene; if its target moves out of sight, scroll to it."""
        explanation, console = scene.explanation, self.page.console(look.color_system)
        width = console.width
        was_in_sight = self._chosen is not None and self.page.sees(*self._chosen)
        self.page.show_lines(list(render_page(render_text(explanation, look, scene.splits), console, look)))
        self._chosen = (scene.chosen[0].start, scene.chosen[-1].stop)
        if was_in_sight and not self.page.sees(*self._chosen):
            self.page.scroll_to_token(*self._chosen)
        parts = {
            "heading": render_heading(explanation, look, width),
            "legend": wrap(render_legend(look, explanation.way), console),
            "strongest": self._list_strongest(explanation, look, width),
            "details": self._describe_piece(scene, width),
        }
        for name, lines in parts.items():
            self._parts[name].update(Text("\n").join(lines))
        self.status.update(_describe_scene(scene, look, self.app.size.width))

    def _list_strongest(self, explanation: Explanation, look: Look, width: int) -> Iterator[Text]:
        """The strongest sources, as many as there is room for, and among them the strongest ways, if there are any."""
        n_top = next((n_top for height, n_top in ROOM.items() if self.app.size.height >= height), 0)
        n_ways = max(0, n_top // 2 - 1) if explanation.through and explanation.through.own else 0
        if strongest := explanation.strongest(n_top - n_ways - (n_ways > 0)):
            yield from render_strongest(explanation, strongest, look, width)
            yield from render_ways(explanation, width, n_ways) if n_ways else ()

    def _describe_piece(self, scene: Scene, width: int) -> Iterator[Text]:
        """The clicked source's text, line, share and score, in one line."""
        explanation = scene.explanation
        span = None if self.looked_at is None else find_source(explanation, self.looked_at)
        if span is None:
            line = Text(next(describe_own_words(explanation), HINT), "dim")
        else:
            text = one_line(span.text.strip() or span.text)
            line = Text.assemble(f"line {span.line}, {_spell_numbers(explanation, span.number)}: ", (text, "bold"))
        line.truncate(width, overflow="ellipsis")
        yield line


def _spell_numbers(explanation: Explanation, number: int) -> str:
    """A source's share and score, or its shares by each way."""
    through = explanation.through
    if through is not None and explanation.visible[number]:
        direct, own, total = (parts[number] for parts in (through.direct, through.through, through.total))
        return f"{direct:.1%} direct, {own:.1%} through own words, {total:.1%} in all"
    if explanation.visible[number]:
        return f"share {explanation.shares[number]:.1%}, score {explanation.scores[number]:.3g}"
    return f"{through.total[number]:.1%} came by way of it" if through and through.total[number] else PART


def _describe_scene(scene: Scene, look: Look, width: int) -> Text:
    """Describe all settings in one line."""
    numbers = [min(scene.anchor, scene.cursor) + 1, max(scene.anchor, scene.cursor) + 1]
    chosen = "all" if scene.takes_all else "-".join(map(str, dict.fromkeys(numbers)))
    settings = (
        f"by {scene.by}",
        f"target {scene.target_by} {chosen} of {len(scene.targets)}",
        WAYS[scene.way],
        str(scene.pooling),
        str(scene.method),
        f"intensity {look.taste.intensity:g}",
        str(look.marking),
        str(look.taste.spacing),
    )
    line = Text(" " + " · ".join(settings))
    line.truncate(max(0, width - len(HELP)), overflow="ellipsis", pad=True)
    return Text.assemble(line, (HELP, "bold"))
