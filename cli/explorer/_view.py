"""The right side: the question, the prompt with its salience, what the model wrote, the strongest sources, and details
of a clicked piece.

What the model wrote has a pane of its own, so that the target is in sight wherever the prompt is read.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from promptlight.cli.explorer._bar import Bar, describe_settings
from promptlight.cli.explorer.page import Page
from promptlight.cli.explorer.scene import Scene, find_source
from promptlight.cli.views.folding import find_folds
from promptlight.cli.views.heatmap import render_heading, render_legend
from promptlight.cli.views.palette import Look
from promptlight.cli.views.strongest import find_first, render_strongest
from promptlight.cli.views.text import TOKEN, Seam, find_seam, part_text, render_page, render_text, wrap
from promptlight.cli.views.ways import describe_own_words, render_ways
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.text.printable import one_line, printable
from promptlight.salience.types import Span

ROOM = {36: 8, 28: 5, 24: 3}  # lines of the terminal, at least -> how many of the strongest sources to list
N_KEPT = 8  # the strongest sources whose lines are never folded, in a terminal of any height
CLICK = "click a part of the prompt for its line, share and score"
PART = "part of the target"


class Written(Page):
    """The completion. A click in it chooses a target; the keys that scroll stay with the prompt."""

    FOCUS_ON_CLICK: ClassVar[bool] = False


class View(Vertical):
    """Shows a scene. ``looked_at`` is a token of the piece in the line of details."""

    class Looked(Message):
        """One of the strongest sources was clicked, by its first token."""

        def __init__(self, token: int) -> None:
            super().__init__()
            self.token = token

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.looked_at: int | None = None
        self._strongest: tuple[int, int] | None = None  # tokens of the prompt's strongest source, as drawn last
        self._chosen: tuple[int, int] | None = None  # the target's tokens
        self.page, self.written = Page(id="text"), Written(id="written")
        self._parts = {name: Static(id=name, markup=False) for name in ("heading", "legend", "strongest", "details")}
        self.bar = Bar()
        self._message = ""

    def compose(self) -> ComposeResult:
        """Textual calls it."""
        yield self._parts["heading"]
        yield self.page
        yield self.written
        yield self._parts["legend"]
        yield self._parts["strongest"]
        yield self._parts["details"]

    def on_resize(self) -> None:
        """Share the rows anew, with the target in sight."""
        self._chosen = None
        self.post_message(Page.Resized())

    def on_click(self, event: Click) -> None:
        """Tell which of the strongest sources was clicked; the pages tell by themselves."""
        token = event.style.meta.get(TOKEN)
        if token is not None and event.widget is self._parts["strongest"]:
            self.post_message(self.Looked(token))

    def reveal(self, span: Span) -> None:
        """Scroll to a source, in the prompt or in what the model wrote."""
        for page in (self.page, self.written):
            page.reveal(span.start, span.stop, centred=True)

    def forget(self) -> None:
        """Reset the selection before another prompt is shown."""
        self.looked_at, self._strongest, self._chosen = None, None, None

    def show_message(self, message: str) -> None:
        """Show a message instead of a text."""
        for part in self._parts.values():
            part.update("")
        self.written.display = False
        self.bar.show_settings(Text())
        self._message = printable(message)
        self.lay_out()
        self.page.scroll_home(animate=False)

    def lay_out(self) -> None:
        """Wrap a message for the page's width."""
        console = self.page.console(None)
        self.page.show_lines([row for line in self._message.split("\n") for row in wrap(Text(line), console)])

    def show_scene(self, scene: Scene, look: Look, *, fold: bool) -> None:
        """Draw a scene, with its target in sight.

        A prompt opens at its strongest source; after that, the strongest is followed as long as it is in sight.
        """
        explanation, console = scene.explanation, self.page.console(look.color_system)
        text = render_text(explanation, look, scene.splits)
        seam = find_seam(text, explanation) or Seam(len(text), "")
        read, wrote, first = part_text(text, seam)
        follows = self._strongest is None or self.page.sees(*self._strongest)
        folds = find_folds(explanation, N_KEPT) if fold else ()
        self.page.show_lines(list(render_page(read, console, look, folds)))
        self.written.show_lines(list(render_page(wrote, console, look, first=first)))
        heading = render_heading(explanation, look, console.width)
        parts = {
            "heading": [row for line in heading for row in line.wrap(console, console.width)],
            "legend": list(wrap(render_legend(look, explanation.way), console)),
            "strongest": list(self._list_strongest(explanation, look, console.width)),
            "details": [self._describe_piece(scene, console.width)],
        }
        for name, lines in parts.items():
            self._parts[name].update(Text("\n").join(lines))
        self._share_room({name: len(lines) for name, lines in parts.items()})
        self.written.border_title = f" {seam.label} "
        self.bar.show_settings(describe_settings(scene, look, n_folded=sum(one.stop - one.start for one in folds)))
        self.call_after_refresh(self._follow, scene, follows)

    def _share_room(self, taken: Mapping[str, int]) -> None:
        """Give the completion what the prompt leaves of the rows that the parts don't take, and at least two fifths."""
        shown = [part for part in self._parts.values() if part.display]
        room = self.size.height - sum(taken[part.id or ""] + part.styles.gutter.height for part in shown)
        self.written.display = True
        self.written.styles.max_height = max(room * 2 // 5, room - len(self.page.lines), 2)

    def _follow(self, scene: Scene, follows: bool) -> None:
        """Scroll to the target if it is another one, and to the strongest source of the prompt if that is followed."""
        opens, strongest = self._strongest is None, find_first(scene.explanation)
        chosen, cursor = _find_range(scene.chosen[0], scene.chosen[-1]), scene.targets[scene.cursor]
        if chosen != self._chosen:
            self.written.reveal(*(chosen if scene.takes_all else _find_range(cursor, cursor)))
        if opens:
            self.page.scroll_home(animate=False)
        if strongest and follows:
            self.page.reveal(strongest.start, strongest.stop, centred=True)
        self._chosen, self._strongest = chosen, _find_range(strongest, strongest) if strongest else (-1, -1)

    def _list_strongest(self, explanation: Explanation, look: Look, width: int) -> Iterator[Text]:
        """The strongest sources, as many as there is room for, and among them the strongest ways, if there are any."""
        n_top = next((n_top for height, n_top in ROOM.items() if self.app.size.height >= height), 0)
        n_ways = max(0, n_top // 2 - 1) if explanation.through and explanation.through.own else 0
        if strongest := explanation.strongest(n_top - n_ways - (n_ways > 0)):
            heading, *rows = render_strongest(explanation, strongest, look, width)
            yield heading
            for row, source in zip(rows, strongest, strict=True):
                row.stylize(Style(meta={TOKEN: source.start}))
                yield row
            yield from render_ways(explanation, width, n_ways) if n_ways else ()

    def _describe_piece(self, scene: Scene, width: int) -> Text:
        """The clicked source's text, line, share and score, in one line."""
        explanation = scene.explanation
        span = None if self.looked_at is None else find_source(explanation, self.looked_at)
        if span is None:
            line = Text(next(describe_own_words(explanation), CLICK), "dim")
        else:
            text = one_line(span.text.strip() or span.text)
            line = Text.assemble(f"line {span.line}, {_spell_numbers(explanation, span.number)}: ", (text, "bold"))
        line.truncate(width, overflow="ellipsis")
        return line


def _find_range(first: Span, last: Span) -> tuple[int, int]:
    return first.start, last.stop


def _spell_numbers(explanation: Explanation, number: int) -> str:
    """A source's share and score, or its shares by each way."""
    through = explanation.through
    if through is not None and explanation.visible[number]:
        direct, own, total = (parts[number] for parts in (through.direct, through.through, through.total))
        return f"{direct:.1%} direct, {own:.1%} through own words, {total:.1%} in all"
    if explanation.visible[number]:
        return f"share {explanation.shares[number]:.1%}, score {explanation.scores[number]:.3g}"
    return f"{through.total[number]:.1%} came by way of it" if through and through.total[number] else PART
