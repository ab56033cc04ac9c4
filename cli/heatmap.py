"""One prompt as text shaded by its salience for a target, with a legend and the strongest sources."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from promptlight.cli.palette import SMALLEST_MARK, mark, shade, target_style
from promptlight.cli.printable import printable, quote
from promptlight.salience.aggregation import choose_targets, combine_targets, share
from promptlight.salience.spans import describe_spans, find_target_spans
from promptlight.salience.types import Analysis, FloatArray, Granularity, Objective, Role, Span

PLAIN_TARGET = ("»", "«")
FORMAT_STYLE = Style(dim=True)


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """What is drawn: all spans of the text, which of them are the target, and each span's score and share.

    ``levels`` are scores relative to the strongest visible source, 0 to 1; special tokens and the target are at 0.
    """

    analysis: Analysis
    granularity: Granularity
    target_granularity: Granularity
    spans: Sequence[Span]
    targets: Sequence[Span]
    chosen: frozenset[int]  # numbers of the spans that the targets touch
    scores: FloatArray
    shares: FloatArray
    levels: FloatArray
    exact: bool


def build_heatmap(
    analysis: Analysis, by: Granularity, target: str | None, target_by: Granularity | None = None
) -> Heatmap:
    """Choose the target among the spans of its granularity, and score every span of the text for it."""
    target_by = target_by or choose_targets(analysis, by)
    spans = describe_spans(analysis.completion, analysis.segmentations[by])
    targets = find_target_spans(describe_spans(analysis.completion, analysis.segmentations[target_by]), target)
    scores, exact = combine_targets(analysis, targets, granularity=target_by, sources=by)
    explained = np.zeros(len(analysis.completion.tokens), dtype=bool)
    for span in targets:
        explained[span.start : span.stop] = True
    chosen = {span.number for span in spans if explained[span.start : span.stop].any()}
    visible = np.array([span.role is not Role.SPECIAL and span.number not in chosen for span in spans])
    strongest = np.abs(scores[visible]).max(initial=0.0)
    levels = np.where(visible, np.abs(scores) / max(strongest, 1e-30), 0.0).astype(np.float32)
    return Heatmap(
        analysis=analysis,
        granularity=by,
        target_granularity=target_by,
        spans=spans,
        targets=targets,
        chosen=frozenset(chosen),
        scores=scores,
        shares=share(scores, visible),
        levels=levels,
        exact=exact,
    )


def render_heatmap(heatmap: Heatmap, console: Console, *, n_top: int = 8) -> RenderableType:
    """Everything that ``show`` prints about one prompt."""
    color_system = console.color_system
    return Group(
        render_heading(heatmap),
        Padding(render_text(heatmap, color_system), (1, 2), expand=False),
        render_legend(heatmap, color_system),
        Padding(render_top_sources(heatmap, color_system, console.width, n_top), (1, 0, 0, 0), expand=False),
    )


def render_heading(heatmap: Heatmap) -> Text:
    """Which prompt, and what is explained."""
    completion = heatmap.analysis.completion
    label = f" ({completion.prompt.source})" if completion.prompt.source else ""
    shown = quote("".join(span.text for span in heatmap.targets), 60)
    return Text.assemble(
        (printable(completion.prompt.id), "bold"),
        printable(label),
        f"\nwhy “{shown}”?  ",
        (f"probability {target_probability(heatmap):.3g}; stopped at {completion.stop_reason}", "dim"),
    )


def target_probability(heatmap: Heatmap) -> float:
    """The model's probability of the whole target given all before it: the product over its tokens."""
    tokens = heatmap.analysis.completion.tokens
    return math.exp(sum(tokens[at].log_prob or 0.0 for span in heatmap.targets for at in range(span.start, span.stop)))


def render_text(heatmap: Heatmap, color_system: str | None) -> Text:
    """The text itself, wrapped as text: sources shaded, the target marked."""
    pieces: list[tuple[str, Style | None]] = []
    chosen, tokens = heatmap.chosen, heatmap.analysis.completion.tokens
    for span in heatmap.spans:
        if span.role is Role.SPECIAL:
            if tokens[span.start].start < tokens[span.start].stop:  # a chat's own words
                pieces.append((printable(span.text), FORMAT_STYLE if color_system else None))
            continue
        body, breaks = split_breaks(span.text)
        level = float(heatmap.levels[span.number])
        if span.number in chosen:
            opening, closing = ("", "") if color_system else PLAIN_TARGET
            before = opening if span.number - 1 not in chosen else ""
            after = closing if span.number + 1 not in chosen else ""
            pieces.append((f"{before}{body}{after}", target_style(color_system) if color_system else None))
        elif color_system:
            pieces.append((body, shade(level, color_system)))
        else:
            pieces.append((body + mark(level), None))
        pieces.append((breaks, None))
    text = join_pieces(pieces)
    text.rstrip()
    return text


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


def split_breaks(text: str) -> tuple[str, str]:
    """A span's visible part and the line feeds that end it; one that is all line feeds shows an arrow."""
    shown = printable(text)
    body = shown.rstrip("\n")
    return (body or "↵"), shown[len(body) :]


def render_legend(heatmap: Heatmap, color_system: str | None) -> Text:
    """What the colours or the numbers mean."""
    strongest = float(np.abs(heatmap.scores[heatmap.levels > 0]).max(initial=0.0))
    salience = heatmap.analysis.salience
    method = salience.method.value
    if salience.objective is not Objective.LOGPROB:
        method += f" of the {salience.objective}"
    if not heatmap.exact:
        method += f", summed over the tokens of {len(heatmap.targets)} {heatmap.target_granularity}s"
    if color_system:
        bar = Text.assemble(*((" ", shade(step / 15, color_system)) for step in range(16)))
        target = Text(" target ", target_style(color_system))
        return Text.assemble("  0 ", bar, f" {strongest:.3g}   salience ({method})   ", target)
    low, high = PLAIN_TARGET
    return Text(
        f"  ¹⁰⁰ = the strongest, {strongest:.3g} ({method}); below {SMALLEST_MARK} is not marked;  {low}target{high}"
    )


def render_top_sources(heatmap: Heatmap, color_system: str | None, width: int, n_top: int) -> Table:
    """The strongest sources with their share of all salience."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column("  share", justify="right")
    table.add_column("score", justify="right")
    table.add_column(f"strongest {heatmap.granularity}s", no_wrap=True, overflow="ellipsis")
    for number in np.argsort(-heatmap.levels, kind="stable")[:n_top]:
        level = float(heatmap.levels[number])
        if level == 0:
            break
        shown = Text(quote(heatmap.spans[number].text, max(10, width - 24)))
        if color_system:
            shown.stylize(shade(level, color_system))
        table.add_row(f"{heatmap.shares[number]:.1%}", f"{heatmap.scores[number]:.3g}", shown)
    return table
