"""Two prompts side by side: what the model wrote, the texts with their salience, and what moved.

before  dish-mistake
after   dish-fixed

What the model wrote
Recommendation: [-You have to try it-]{+Avoid+}.

   9  Recommendation: You have to try it.     ~    9  Recommendation: Avoid.

before   after    moved  line   what moved most, of all lines
 11.2%   24.9%   +13.7%     9  Recommendation: You have to try it.
                            9  → Recommendation: Avoid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.text import Text

from promptlight.cli.views._as_json import describe_comparison
from promptlight.cli.views.facts import describe_origin, spell_both_facts
from promptlight.cli.views.heatmap import describe_method, render_heading, render_legend
from promptlight.cli.views.output import View
from promptlight.cli.views.palette import Look
from promptlight.cli.views.strongest import plural
from promptlight.cli.views.text import ASIDE, Seam, find_seam, render_bars, render_text, split_lines, wrap
from promptlight.salience.explain.comparison import (
    Change,
    Pair,
    PairedSpan,
    align,
    compare_explanations,
    diff_words,
    find_moved,
    name_change,
)
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.text.printable import one_line, printable
from promptlight.salience.types import Way

if TYPE_CHECKING:
    from promptlight.io.results.facts import RunFacts

SIDE_BY_SIDE = 100  # cells, at least, to show both texts beside each other
SIGNS = {Change.SAME: " ", Change.EDITED: "~", Change.GONE: "-", Change.NEW: "+"}
GONE, NEW = Style(strike=True, color="red"), Style(underline=True, bold=True, color="green")
PLAIN = {Change.GONE: ("[-", "-]"), Change.NEW: ("{+", "+}"), Change.SAME: ("", "")}
BOLD = Style(bold=True)
SHARES = {
    Way.DIRECT: "a source's part of all scores of its target",
    Way.THROUGH: "the part of the target that came from a source through the model's own words",
    Way.ALL: "the part of the target that comes from a source in all",
}


def view_comparison(
    before: Explanation, after: Explanation, facts: Sequence[RunFacts | None], *, n_top: int, title: str
) -> View:
    """Two explanations side by side; ``facts`` are where each comes from, if that is known."""

    def describe() -> dict[str, Any]:
        described = describe_comparison(before, after, n_top)
        for name, one in zip(("before", "after"), facts, strict=True):
            described[name]["facts"] = describe_origin(one)
        return described

    origins = list(spell_both_facts(*facts))
    return View(
        paint=lambda console, look: render_comparison(before, after, console, look, n_top=n_top, origins=origins),
        describe=describe,
        signed=before.is_signed or after.is_signed,
        by=before.by,
        title=title,
    )


def render_comparison(
    before: Explanation,
    after: Explanation,
    console: Console,
    look: Look,
    *,
    n_top: int = 8,
    origins: Sequence[str] = (),
) -> RenderableType:
    """Everything that ``compare`` and ``try`` print about two prompts; ``origins`` are the last lines."""
    paired = compare_explanations(before, after)
    blocks = [
        _render_headings(before, after, look, console.width),
        _render_diff(before, after, look, console),
        _render_texts(before, after, look, console),
        wrap(render_legend(look, before.way), console),
        _render_moved(paired, before, look, console.width, n_top),
        (line for note in _describe_moved(paired, before) for line in wrap(note, console)),
    ]
    if origins:
        blocks.append(line for origin in origins for line in wrap(Text(origin, ASIDE), console))
    lines = [line for block in blocks for line in (*block, Text())]
    return Group(*lines[:-1])


def _render_headings(before: Explanation, after: Explanation, look: Look, width: int) -> Iterator[Text]:
    """The two prompts, and the question about each."""
    for name, one in (("before", before), ("after", after)):
        head, *others = render_heading(one, look, width - 8)
        yield Text.assemble((f"{name:<8}", ASIDE), head)
        yield from (Text.assemble(" " * 8, other) for other in others)


def _render_diff(before: Explanation, after: Explanation, look: Look, console: Console) -> Iterator[Text]:
    """The two completions as one text, word by word."""
    texts = [printable(one.analysis.completion.completion_text.strip("\n")) for one in (before, after)]
    if texts[0] == texts[1]:
        yield Text("The model wrote the same", BOLD)
    else:
        yield Text("What the model wrote, before and after", BOLD)
    shown = Text()
    for change, piece in diff_words(*texts):
        if look.color_system:
            shown.append(piece, {Change.GONE: GONE, Change.NEW: NEW}.get(change))
        else:
            shown.append(piece.join(PLAIN[change]))
    for line in shown.split(allow_blank=True):
        yield from wrap(line, console)


# ---- the texts ------------------------------------------------------------------------------------------------------


def _render_texts(before: Explanation, after: Explanation, look: Look, console: Console) -> Iterator[Text]:
    """Both texts, shaded: beside each other with matching lines aligned, or one after the other."""
    drawn = [(one, render_text(one, look)) for one in (before, after)]
    sides = [list(split_lines(text, find_seam(text, one))) for one, text in drawn]
    texts = [_read_lines(one, len(side)) for one, side in zip((before, after), sides, strict=True)]
    rows = [
        (name_change(None if i is None else texts[0][i], None if j is None else texts[1][j]), (i, j))
        for i, j in align(*texts)
    ]
    if console.width >= SIDE_BY_SIDE:
        yield from _render_columns(sides, rows, console, look)
        return
    for name, side in (("before", 0), ("after", 1)):
        yield Text(name, BOLD)
        for change, pair in rows:
            if (at := pair[side]) is not None:
                for row, bars in _mark(*sides[side][at], f"{SIGNS[change]} {at + 1}", console, look, console.width):
                    yield row
                    if bars:
                        yield bars


def _read_lines(explanation: Explanation, n_lines: int) -> list[str]:
    """The first lines of a text without its salience."""
    lines = [line.strip() for line in printable(explanation.analysis.completion.text).split("\n")]
    return [*lines, *[""] * n_lines][:n_lines]


def _mark(
    line: Text, seam: Seam | None, label: str, console: Console, look: Look, width: int
) -> Iterator[tuple[Text, Text]]:
    """The rows of a line wrapped behind its label, at most ``width`` cells wide, and the bars below each."""
    for row in wrap(line, console, label, width=width, seam=seam):
        yield row, render_bars(row, console, look)


def _render_columns(
    sides: Sequence[Sequence[tuple[Text, Seam | None]]],
    rows: Sequence[tuple[Change, Pair]],
    console: Console,
    look: Look,
) -> Iterator[Text]:
    """Two columns with a sign between them where a line was edited, is gone or is new."""
    half = (console.width - 3) // 2
    for change, pair in rows:
        columns = [
            [] if at is None else list(_mark(*sides[side][at], str(at + 1), console, look, half))
            for side, at in enumerate(pair)
        ]
        sign = SIGNS[change]
        for both in zip_longest(*columns, fillvalue=(Text(), Text())):
            for left, right in zip(*both, strict=True):  # the texts, then the bars
                if left or right or sign.strip():
                    yield Text.assemble(left, " " * (half - left.cell_len), (f" {sign} ", BOLD), right)
                sign = " "


# ---- what moved -----------------------------------------------------------------------------------------------------


def _render_moved(
    paired: Sequence[PairedSpan], before: Explanation, look: Look, width: int, n_top: int
) -> Iterator[Text]:
    """The sources whose shares moved most: their shares before and after, and their texts."""
    moved = sorted((pair for pair in paired if abs(pair.moved) >= 5e-4), key=lambda pair: -abs(pair.moved))[:n_top]
    if not moved:
        yield Text("No share moved", BOLD)
        return
    heading = Text(f" before    after    moved  line  {plural(before.by)} whose shares moved most", BOLD)
    heading.truncate(width, overflow="ellipsis")
    yield heading
    for pair in moved:
        numbers = f"{show_share(pair.share_before):>7}  {show_share(pair.share_after):>7}  {pair.moved:>+7.1%}"
        for number, (span, shown) in enumerate(_describe_pair(pair, look)):
            line = Text.assemble(f"{numbers if not number else '':<25}  {span:>4}  ", shown)
            line.truncate(width, overflow="ellipsis")
            yield line


def show_share(share: float | None) -> str:
    """A share in percent; a dash if the source is missing or part of the target."""
    return "-" if share is None else f"{share:.1%}"


def _describe_pair(pair: PairedSpan, look: Look) -> Iterator[tuple[int, Text]]:
    """The line and the text of a source; of an edited one, both texts."""
    texts = [(span.line, one_line(span.text.strip() or span.text)) for span in (pair.before, pair.after) if span]
    if pair.change is Change.EDITED:
        (line, text), (other_line, other) = texts
        yield line, Text(text)
        yield other_line, Text(f"→ {other}")
        return
    line, text = texts[-1]
    note = {Change.GONE: " (gone)", Change.NEW: " (new)"}.get(pair.change, "")
    yield line, Text.assemble(text, (note, ASIDE))


def _describe_moved(paired: Sequence[PairedSpan], before: Explanation) -> Iterator[Text]:
    """Explain the columns, and say how much moved in all."""
    yield Text(f"{find_moved(paired):.0%} of all shares moved; share: {SHARES[before.way]}")
    yield from describe_method(before)
