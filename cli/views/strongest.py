"""The strongest sources of an explanation, each within its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from promptlight.cli.views.look import Marking
from promptlight.cli.views.palette import Look
from promptlight.cli.views.text import join_pieces, split_span
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.explain.through import Through
from promptlight.salience.text.printable import one_line, quote
from promptlight.salience.types import Cut, Granularity, Pattern, Role, Span, Way

PLAIN_SOURCE = ("‹", "›")
BOLD = Style(bold=True)
ADVICE_WIDTH = 60  # cells of a source's text in a sentence
OF_WHAT = {
    Way.DIRECT: "of all scores",
    Way.THROUGH: "of the target comes from there through the model's own words",
    Way.ALL: "of the target comes from there in all",
}


def render_strongest(explanation: Explanation, sources: Sequence[Span], look: Look, width: int) -> Iterator[Text]:
    """A heading, and for each source its line's number, its share and score, and its text within that line.

    If the scores were traced through the model's own words, a source has its shares by each way instead.
    """
    if explanation.through is not None:
        yield from _render_by_way(explanation, explanation.through, sources, look, width)
        return
    scores = ["score", *(_show_score(explanation, source) for source in sources)]
    column = max(map(len, scores))
    heading = f"line   share  {scores[0]:>{column}}  "
    yield Text(f"{heading}strongest {plural(explanation.by)}", "bold")
    for source, score in zip(sources, scores[1:], strict=True):
        number, shown = _render_in_line(explanation, source, look, max(10, width - len(heading)))
        yield Text.assemble(f"{number:>4}  {explanation.shares[source.number]:>6.1%}  {score:>{column}}  ", shown)


def _render_by_way(
    explanation: Explanation, through: Through, sources: Sequence[Span], look: Look, width: int
) -> Iterator[Text]:
    """The same with three columns: direct, through own words, in all."""
    heading = "line  direct  own words  in all  "
    way = "through own words" if explanation.way is Way.THROUGH else "in all"
    yield Text(f"{heading}strongest {plural(explanation.by)} {way}"[:width], "bold")
    for source in sources:
        number, shown = _render_in_line(explanation, source, look, max(10, width - len(heading)))
        parts = (shares[source.number] for shares in (through.direct, through.through, through.total))
        direct, own, total = (f"{part:.1%}" for part in parts)
        yield Text.assemble(f"{number:>4}  {direct:>6}  {own:>9}  {total:>6}  ", shown)


def spell_advice(explanation: Explanation) -> str:
    """Where in the prompt to look first, in a sentence; empty if nothing in it has a score."""
    source = find_first(explanation)
    if source is None:
        return ""
    shown = f"“{quote(source.text.strip(), ADVICE_WIDTH)}”"
    place = f"line {source.line} of the prompt"
    named = f"{place}, {shown}" if explanation.by is Granularity.LINE else f"{shown} in {place}"
    return f"Look first at {named}: {explanation.shares[source.number]:.1%} {OF_WHAT[explanation.way]}."


def find_first(explanation: Explanation) -> Span | None:
    """The strongest source of the prompt, if anything in it has a score.

    What the model wrote itself before the target is left out: users can change the prompt only.
    """
    strongest = explanation.strongest(len(explanation.spans))
    return next((source for source in strongest if source.role is Role.PROMPT), None)


def _show_score(explanation: Explanation, source: Span) -> str:
    """A score with three digits, and its standard error if that is known."""
    score, errors = f"{explanation.scores[source.number]:.3g}", explanation.errors
    return score if errors is None else f"{score} ±{errors[source.number]:.2g}"


def _render_in_line(explanation: Explanation, source: Span, look: Look, width: int) -> tuple[int, Text]:
    """The number of the line where a source begins, and the source with the rest of that line around it."""
    tokens, text = explanation.analysis.completion.tokens, explanation.analysis.completion.text
    lead, body, breaks = split_span(source.text, explanation.by)
    start = tokens[source.start].start + len(lead)
    stop = tokens[source.stop - 1].stop - len(breaks)
    name = f"{one_line(source.section)}  " if source.section and explanation.by is Granularity.SECTION else ""
    before, after = one_line(text[:start].rpartition("\n")[2]), one_line(text[stop:].partition("\n")[0])
    body = one_line(body)
    style = look.shade(float(explanation.levels[source.number]))
    if (not look.color_system or look.marking is Marking.UNDERLINE) and (before or after):
        body = body.join(PLAIN_SOURCE)
    room = max(width - cell_len(name) - cell_len(body) - cell_len(after), width // 3)
    pieces = [(name, BOLD), (keep_end(before.lstrip(" "), room), None), (body, style), (after, None)]
    shown = join_pieces(pieces)
    shown.truncate(width, overflow="ellipsis")
    return source.line, shown


def keep_end(text: str, width: int) -> str:
    """The end of a text that fits in this many cells, with an ellipsis for the rest."""
    if cell_len(text) <= width:
        return text
    kept = text[-width:]
    while cell_len(kept) >= width:
        kept = kept[1:]
    return f"…{kept}"


def plural(cut: Cut) -> str:
    """The plural name for spans of a cut."""
    return "parts" if isinstance(cut, Pattern) else f"{cut}s"
