"""One prompt as text shaded by its salience for a target, with a legend and the strongest sources.

From top to bottom: the question, the text with its lines numbered, the legend, the list of sources in their lines.

    Why did the model write “Recommendation: You have to try it.”?
    probability 0.998; stopped: end of text

       1  Analyze a menu item in a restaurant.
      ...
      29  Recommendation: You have to try it.

           0  25  50  75  100  % of the strongest   target

    line   share   score  strongest lines
       9   20.2%  0.0119  Recommendation: You have to try it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import regex
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.text import Text

from promptlight.cli.palette import SMALLEST_MARK, mark, shade, target_style
from promptlight.cli.printable import one_line, printable, quote
from promptlight.cli.remarks import describe_sum, name_foil
from promptlight.salience.aggregation import choose_targets, combine_targets, find_segmentation, find_touched, share
from promptlight.salience.spans import describe_spans
from promptlight.salience.targets import find_target_spans
from promptlight.salience.types import (
    Analysis,
    Compat,
    Cut,
    FloatArray,
    Granularity,
    Objective,
    Pattern,
    Pooling,
    Role,
    Span,
    StopReason,
)

PLAIN_TARGET = ("»", "«")
PLAIN_SOURCE = ("‹", "›")
ASIDE = Style(dim=True)
BOLD = Style(bold=True)
MARGIN = 6  # cells: a line's number and two blanks


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """What is drawn: all spans of the text, which of them are the target, and each span's score and share.

    ``levels`` are scores relative to the strongest visible source, 0 to 1; special tokens and the target are at 0.
    """

    analysis: Analysis
    granularity: Cut
    target_granularity: Cut
    pooling: Pooling
    spans: Sequence[Span]
    targets: Sequence[Span]
    scores: FloatArray
    shares: FloatArray
    levels: FloatArray
    exact: bool


def build_heatmap(
    analysis: Analysis,
    by: Cut,
    target: str | None,
    target_by: Cut | None = None,
    pooling: Pooling = Pooling.SUM,
) -> Heatmap:
    """Choose the target among the spans of its granularity, and score every span of the text for it."""
    target_by = target_by or choose_targets(analysis, by)
    sources = find_segmentation(analysis, by)
    spans = describe_spans(analysis.completion, sources)
    targets = find_target_spans(describe_spans(analysis.completion, find_segmentation(analysis, target_by)), target)
    scores, exact = combine_targets(analysis, targets, granularity=target_by, sources=by, pooling=pooling)
    touched = find_touched(sources, targets)
    visible = np.array([span.role is not Role.SPECIAL for span in spans]) & ~touched
    strongest = np.abs(scores[visible]).max(initial=0.0)
    levels = np.where(visible, np.abs(scores) / max(strongest, 1e-30), 0.0).astype(np.float32)
    return Heatmap(
        analysis=analysis,
        granularity=by,
        target_granularity=target_by,
        pooling=pooling,
        spans=spans,
        targets=targets,
        scores=scores,
        shares=share(scores, visible),
        levels=levels,
        exact=exact,
    )


def render_heatmap(heatmap: Heatmap, console: Console, *, n_top: int = 8) -> RenderableType:
    """Everything that ``show`` prints about one prompt."""
    color_system, width = console.color_system, console.width
    blocks = [render_page(render_text(heatmap, color_system), console), wrap(render_legend(color_system), console)]
    if sources := find_top_sources(heatmap, n_top):
        blocks.append(render_top_sources(heatmap, sources, color_system, width))
        blocks.append(line for note in describe_scores(heatmap) for line in wrap(note, console))
    heading = render_heading(heatmap, color_system, width)
    return Group(*heading, *(line for block in blocks for line in (Text(), *block)))


def render_heading(heatmap: Heatmap, color_system: str | None, width: int) -> Iterator[Text]:
    """Which prompt, what is asked about it, and how likely the target was."""
    completion = heatmap.analysis.completion
    label = f" ({one_line(completion.prompt.source)})" if completion.prompt.source else ""
    yield Text.assemble((one_line(completion.prompt.id), "bold"), label)
    given = completion.stop_reason is StopReason.GIVEN
    question = f"Why {'would' if given else 'did'} the model write "
    target = "".join(span.text for span in heatmap.targets)
    shown = f"“{quote(target, min(60, max(10, width - len(question) - 3)))}”"
    foil = name_foil(heatmap.analysis, heatmap.targets)
    yield Text.assemble(question, (shown, target_style(color_system) if color_system else ""), f"{foil}?")
    origin = "given in the record" if given else f"stopped: {completion.stop_reason}"
    yield Text(f"probability {target_probability(heatmap):.3g}; {origin}")


def target_probability(heatmap: Heatmap) -> float:
    """The model's probability of the whole target given all before it: the product over its tokens."""
    tokens = heatmap.analysis.completion.tokens
    return math.exp(sum(tokens[at].log_prob or 0.0 for span in heatmap.targets for at in range(span.start, span.stop)))


# ---- the text -------------------------------------------------------------------------------------------------------


def render_page(text: Text, console: Console) -> Iterator[Text]:
    """The text wrapped as text, each of its own lines behind its number."""
    for number, line in enumerate(text.split(allow_blank=True), 1):
        yield from wrap(line, console, str(number))


def wrap(text: Text, console: Console, label: str = "") -> Iterator[Text]:
    """One line as lines of the terminal, the first of them behind a label in the margin."""
    margin = max(MARGIN, len(label) + 2)
    for part in text.wrap(console, max(1, console.width - margin)):
        yield Text.assemble((f"{label:>{margin - 2}}  ", ASIDE), part)
        label = ""


def render_text(heatmap: Heatmap, color_system: str | None) -> Text:
    """The text itself: sources shaded, the target marked."""
    explained = {at for target in heatmap.targets for at in range(target.start, target.stop)}
    parts = (part for span in heatmap.spans for part in split_by_target(heatmap, span, explained))
    text = join_pieces([piece for part in parts for piece in render_span(heatmap, part, explained, color_system)])
    return text[: len(text.plain.rstrip("\n"))]


def split_by_target(heatmap: Heatmap, span: Span, explained: Container[int]) -> Iterator[Span]:
    """A span in parts, each all target or none of it: a source can be larger than the target that it touches."""
    completion = heatmap.analysis.completion
    for _, positions in groupby(range(span.start, span.stop), lambda at: at in explained):
        part = list(positions)
        text = completion.text[completion.tokens[part[0]].start : completion.tokens[part[-1]].stop]
        yield replace(span, start=part[0], stop=part[-1] + 1, text=text or span.text)


def render_span(
    heatmap: Heatmap, span: Span, explained: Container[int], color_system: str | None
) -> Iterator[tuple[str, Style | None]]:
    """The pieces of one span. What comes after the target can't matter to it, and is dim like a chat's own words."""
    if span.role is Role.SPECIAL or span.start >= heatmap.targets[-1].stop:
        first = heatmap.analysis.completion.tokens[span.start]
        if first.start < first.stop:  # else a mark such as <bos>, which is no text
            yield printable(span.text), ASIDE
        return
    lead, body, breaks = split_span(span.text, heatmap.granularity)
    if set(body) == {"\n"}:
        body, breaks = "\n".join("↵" * len(body)), "\n"
    level, body = float(heatmap.levels[span.number]), printable(body)
    chosen, goes_on, ends = (at in explained for at in (span.start, span.start - 1, span.stop))
    if color_system:
        yield lead, target_style(color_system) if chosen and goes_on else shade(0, color_system)
        yield body, target_style(color_system) if chosen else shade(level, color_system)
    elif chosen:
        yield f"{lead}{'' if goes_on else PLAIN_TARGET[0]}{body}{'' if ends else PLAIN_TARGET[1]}", None
    else:
        yield lead + body + mark(level), None
    yield breaks, None


def split_span(text: str, granularity: Cut) -> tuple[str, str, str]:
    """The blanks before a span, the span itself, and the line feeds that end it; a token's blanks are part of it."""
    body = text.rstrip("\n") or text
    shown = body if granularity is Granularity.TOKEN else body.lstrip(" ") or body
    return body[: len(body) - len(shown)], shown, text[len(body) :]


def join_pieces(pieces: Sequence[tuple[str, Style | None]]) -> Text:
    """All pieces as one text; a character of several code points, an emoji of a family say, has its first one's style.

    Were it styled in parts, Rich would take the parts to be wider than the whole, and cut the end of the line off.
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


def render_legend(color_system: str | None) -> Text:
    """What the colours or the numbers mean."""
    if color_system is None:
        low, high = PLAIN_TARGET
        least = mark(SMALLEST_MARK / 100)
        return Text(f"{mark(1)} the strongest, {mark(0.5)} half of it, unmarked below {least}; {low}target{high}")
    steps = Text.assemble(*((f" {step} ", shade(step / 100, color_system)) for step in (0, 25, 50, 75, 100)))
    return Text.assemble(steps, " % of the strongest  ", (" target ", target_style(color_system)))


# ---- the strongest sources ------------------------------------------------------------------------------------------


def find_top_sources(heatmap: Heatmap, n_top: int) -> list[Span]:
    """The strongest sources, the strongest first; none that scores zero."""
    strongest = np.argsort(-heatmap.levels, kind="stable")[:n_top]
    return [heatmap.spans[number] for number in strongest if heatmap.levels[number] > 0]


def render_top_sources(
    heatmap: Heatmap, sources: Sequence[Span], color_system: str | None, width: int
) -> Iterator[Text]:
    """A heading, and for each source its line's number, its share and score, and itself within that line."""
    scores = ["score", *(f"{heatmap.scores[source.number]:.3g}" for source in sources)]
    column = max(map(len, scores))
    heading = f"line   share  {scores[0]:>{column}}  "
    yield Text(f"{heading}strongest {plural(heatmap.granularity)}", "bold")
    for source, score in zip(sources, scores[1:], strict=True):
        number, shown = render_in_line(heatmap, source, color_system, max(10, width - len(heading)))
        yield Text.assemble(f"{number:>4}  {heatmap.shares[source.number]:>6.1%}  {score:>{column}}  ", shown)


def render_in_line(heatmap: Heatmap, source: Span, color_system: str | None, width: int) -> tuple[int, Text]:
    """The number of the line in which a source begins, and the source with what stands beside it there."""
    tokens, text = heatmap.analysis.completion.tokens, heatmap.analysis.completion.text
    lead, body, breaks = split_span(source.text, heatmap.granularity)
    start = tokens[source.start].start + len(lead)
    stop = tokens[source.stop - 1].stop - len(breaks)
    name = f"{one_line(source.section)}  " if source.section and heatmap.granularity is Granularity.SECTION else ""
    before, after = one_line(text[:start].rpartition("\n")[2]), one_line(text[stop:].partition("\n")[0])
    body = one_line(body)
    if color_system:
        style = shade(float(heatmap.levels[source.number]), color_system)
    else:
        style, body = None, body.join(PLAIN_SOURCE) if before or after else body
    room = max(width - cell_len(name) - cell_len(body) - cell_len(after), width // 3)
    pieces = [(name, BOLD), (keep_end(before.lstrip(" "), room), None), (body, style), (after, None)]
    shown = join_pieces(pieces)
    shown.truncate(width, overflow="ellipsis")
    return source.line, shown


def keep_end(text: str, width: int) -> str:
    """The end of a text, with an ellipsis where its start doesn't fit into a number of cells."""
    if cell_len(text) <= width:
        return text
    kept = text[-width:]
    while cell_len(kept) >= width:
        kept = kept[1:]
    return f"…{kept}"


def describe_scores(heatmap: Heatmap) -> Iterator[Text]:
    """What the two columns of numbers are."""
    salience = heatmap.analysis.salience
    parts = "tokens" if salience.scores is not None else plural(heatmap.target_granularity)
    objective = "" if salience.objective is Objective.LOGPROB else f" of the {salience.objective}"
    pooled = "" if heatmap.exact else f", added up over the target's {parts}"
    yield Text("share: a source's part of all scores")
    if heatmap.analysis.compat is Compat.LIT:
        yield Text("cut, summed and signed as LIT does, <bos> within the first source")
    how = "" if heatmap.pooling is Pooling.SUM else f", the {heatmap.pooling} over a source's tokens"
    yield Text(f"score: {salience.method}{objective}{pooled}{how}")
    yield from map(Text, describe_sum(heatmap.analysis, heatmap.targets, heatmap.target_granularity))


def plural(cut: Cut) -> str:
    """What spans of a cut are called."""
    return "parts" if isinstance(cut, Pattern) else f"{cut}s"
