"""A text with its salience: sources shaded, the target marked, lines numbered."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import regex
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from promptlight.cli.views.look import Marking, Spacing
from promptlight.cli.views.palette import LEVEL, Look
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.text.printable import printable_within
from promptlight.salience.types import Cut, Granularity, Role, Span, StopReason

PLAIN_TARGET = ("»", "«")
ASIDE = Style(dim=True)
OWN_WORDS = Style(italic=True)  # of the model before the target, where they are followed back to the prompt
TOKEN = "token"  # its key in a style's meta data: the piece's first token
LONGEST_CHARACTER = 16  # code points, of all emoji that there are
MARGIN = 6  # cells for a line's number and two blanks


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Lines ``start`` to ``stop`` of a text, from 0, and their part of all scores, whatever their signs."""

    start: int
    stop: int
    share: float

    @property
    def label(self) -> str:
        """The numbers of the first and the last line, from 1."""
        return f"{self.start + 1}-{self.stop}"

    @property
    def summary(self) -> str:
        """What the fold shows instead of its lines."""
        return f"… {self.stop - self.start} lines, {self.share:.1%} together"


@dataclass(frozen=True)
class Seam:
    """The character of a text, from 0, at which the completion begins; ``label`` says who wrote it."""

    at: int
    label: str


def find_seam(text: Text, explanation: Explanation) -> Seam | None:
    """Where the completion begins in a text of ``render_text``; None if it has no text."""
    completion = explanation.analysis.completion
    starts = (span.start for span in text.spans if find_token(span.style) >= completion.n_prompt_tokens)
    start = min(starts, default=None)
    given = completion.stop_reason is StopReason.GIVEN
    return None if start is None else Seam(start, "given in the record" if given else "the model wrote")


def part_text(text: Text, seam: Seam) -> tuple[Text, Text, int]:
    """What the model read, what it wrote, and the number of the line where that begins.

    A completion that goes on with the prompt's last line has that line's number.
    """
    read, written = text.divide([seam.at])
    return read[: len(read.plain.rstrip("\n"))], written, read.plain.count("\n") + 1


def find_token(style: str | Style) -> int:
    """The first token of the piece with this style; -1 if there is none."""
    return -1 if isinstance(style, str) else style.meta.get(TOKEN, -1)


def split_lines(text: Text, seam: Seam | None) -> Iterator[tuple[Text, Seam | None]]:
    """The lines of a text; the one in which the completion begins has the seam, which then counts from its start."""
    start = 0
    for line in text.split(allow_blank=True):
        at = max(0, seam.at - start) if seam else 0
        if seam and at < max(1, len(line)):
            yield line, Seam(at, seam.label)
            seam = None
        else:
            yield line, None
        start += len(line) + 1


def render_page(
    text: Text, console: Console, look: Look, folds: Sequence[Fold] = (), seam: Seam | None = None, *, first: int = 1
) -> Iterator[Text]:
    """The text wrapped like prose, with line numbers from ``first``, and bars and blank lines as the look requires.

    A row stands for the lines of each fold; a rule shows where the completion begins.
    """
    starts = {fold.start: fold for fold in folds}
    folded = {at for fold in folds for at in range(fold.start, fold.stop)}
    for number, (line, begins) in enumerate(split_lines(text, seam), first):
        if fold := starts.get(number - 1):
            yield from wrap(Text(fold.summary, ASIDE), console, fold.label)
        if number - 1 in folded:
            continue
        for row in wrap(line, console, str(number), seam=begins):
            yield row
            if bars := render_bars(row, console, look):
                yield bars
            if look.taste.spacing is Spacing.AIRY:
                yield Text()


def wrap(
    text: Text, console: Console, label: str = "", *, width: int | None = None, seam: Seam | None = None
) -> Iterator[Text]:
    """Wrap a line for the terminal, or for ``width`` cells; the first part has a label in the margin.

    At the seam a rule stands in a row of its own. What follows it in the line begins a new row.
    """
    margin = max(MARGIN, len(label) + 2)
    room = max(1, (width or console.width) - margin)
    if seam:
        before, text = text.divide([seam.at])
        if before.plain.strip():
            yield from wrap(before, console, label, width=width)
            label, text = "", text[len(text.plain) - len(text.plain.lstrip(" ")) :]
        yield Text.assemble(" " * margin, (_draw_rule(seam.label, room), ASIDE))
    for part in text.wrap(console, room):
        yield Text.assemble((f"{label:>{margin - 2}}  ", ASIDE), part)
        label = ""


def _draw_rule(label: str, width: int) -> str:
    """A thin rule of this many cells with a label near its beginning."""
    return f"── {label} {'─' * width}"[:width]


def render_bars(row: Text, console: Console, look: Look) -> Text:
    """The bars below a row, as high as the levels of its pieces; empty if it has none."""
    if look.marking is Marking.HIGHLIGHT:
        return Text()
    bars = Text()
    for piece in row.render(console):
        level = piece.style.meta.get(LEVEL, 0.0) if piece.style else 0.0
        bar, ink = look.bar(level) if look.is_marked(level) else (" ", None)
        bars.append(bar * cell_len(piece.text), ink)
    bars.rstrip()
    return bars


def render_text(explanation: Explanation, look: Look, splits: Sequence[int] = ()) -> Text:
    """The text itself: sources shaded, the target marked. No piece crosses one of the token positions ``splits``.

    The style of each piece carries its first token: ``meta["token"]``.
    """
    explained = {at for target in explanation.targets for at in range(target.start, target.stop)}
    parts = (part for span in explanation.spans for part in _split_further(explanation, span, explained, splits))
    text = join_pieces([piece for part in parts for piece in _render_part(explanation, part, explained, look)])
    return text[: len(text.plain.rstrip("\n"))]


def _split_further(
    explanation: Explanation, span: Span, explained: Container[int], splits: Sequence[int]
) -> Iterator[Span]:
    """Split a span where the target begins or ends: a source can be larger than the target that it touches."""
    completion = explanation.analysis.completion
    keys = groupby(range(span.start, span.stop), lambda at: (at in explained, bisect_right(splits, at)))
    for _, positions in keys:
        part = list(positions)
        text = completion.text[completion.tokens[part[0]].start : completion.tokens[part[-1]].stop]
        yield replace(span, start=part[0], stop=part[-1] + 1, text=text or span.text)


def _render_part(
    explanation: Explanation, part: Span, explained: Container[int], look: Look
) -> Iterator[tuple[str, Style | None]]:
    """The pieces of a part. Text after the target can't matter for it, and is dim like a chat's format."""
    place, completion = Style(meta={TOKEN: part.start}), explanation.analysis.completion
    if part.role is Role.SPECIAL or part.start >= explanation.targets[-1].stop:
        first = completion.tokens[part.start]
        if first.start < first.stop:  # else a mark such as <bos>, which has no text
            yield printable_within(part.text, completion.text, first.start), ASIDE + place
        return
    lead, body, breaks = split_span(part.text, explanation.by)
    if set(body) == {"\n"}:
        body, breaks = "\n".join("↵" * len(body)), "\n"
    level, whole = float(explanation.levels[part.number]), explanation.spans[part.number]
    body = printable_within(body, completion.text, completion.tokens[part.start].start + len(lead))
    chosen, goes_on, ends = (at in explained for at in (part.start, part.start - 1, part.stop))
    is_own = explanation.through is not None and part.role is Role.COMPLETION
    faint = OWN_WORDS if is_own else look.shade(0)
    painted = place + (look.target if chosen else faint if is_own else look.shade(level))
    inside = goes_on if chosen else part.start > whole.start and not goes_on
    if chosen and look.target is None:
        yield f"{lead}{'' if goes_on else PLAIN_TARGET[0]}{body}{'' if ends else PLAIN_TARGET[1]}", place
    else:
        if lead:
            yield lead, painted if inside else place + faint
        mark = look.mark(level) if not chosen and part.stop == whole.stop else ""
        yield body + ("" if mark and _is_within_character(explanation, part.stop) else mark), painted
    yield breaks, None


def _is_within_character(explanation: Explanation, stop: int) -> bool:
    """Whether a character of several code points, such as a family emoji, goes on after the token before ``stop``."""
    completion = explanation.analysis.completion
    place = completion.tokens[stop - 1].stop
    start = max(0, place - LONGEST_CHARACTER)
    nearby = completion.text[start : place + 1]
    return any(found.start() < place - start < found.end() for found in regex.finditer(r"\X", nearby))


def split_span(text: str, granularity: Cut) -> tuple[str, str, str]:
    """The blanks before a span, the span itself, and the line feeds that end it; a token's blanks are part of it."""
    body = text.rstrip("\n") or text
    shown = body if granularity is Granularity.TOKEN else body.lstrip(" ") or body
    return body[: len(body) - len(shown)], shown, text[len(body) :]


def join_pieces(pieces: Sequence[tuple[str, Style | None]]) -> Text:
    """Join pieces into one text; a character of several code points (say a family emoji) gets its first one's style.

    If its parts had different styles, Rich would count them as wider than the whole and cut off the end of the line.
    """
    text = Text("".join(body for body, _ in pieces))
    ends = [0, *(character.end() for character in regex.finditer(r"\X", text.plain))]
    start = place = 0
    for body, style in pieces:
        place += len(body)
        stop = ends[bisect_left(ends, place)]
        if style:
            text.stylize(style, start, stop)
        start = stop
    return text
