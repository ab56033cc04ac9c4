"""Which parts of a prompt change the answer: a sentence, the prompt as a heatmap, and a table.

The colour of a part is how much less likely the old text became without it; a ◆ marks those that change the answer.

1 of 24 lines, each taken away alone, changes “Recommendation: Avoid.”: without line 9, “Recommendation: Avoid.”, it
writes “Recommendation: You have to try it.”

     9  ◆ Recommendation: Avoid.
    ...
line  answer     all  edits  taken away                then it writes
   9    -3.1    -4.0     23  Recommendation: Avoid.    Recommendation: You have to try it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.text import Text

from promptlight.cli.views._rewritten import (
    BOLD,
    NARROWEST,
    QUOTED,
    end_sentence,
    join_row,
    quote_text,
    say_answer,
    spell_answer,
)
from promptlight.cli.views.facts import describe_origin, spell_facts
from promptlight.cli.views.look import Marking
from promptlight.cli.views.output import View
from promptlight.cli.views.palette import Look
from promptlight.cli.views.strongest import plural
from promptlight.cli.views.text import ASIDE, PLAIN_TARGET, Seam, join_pieces, render_page, split_span, wrap
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.regeneration.parts import PartOutcome, PartsFound
from promptlight.salience.text.printable import one_line, printable
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import Granularity, Role, Span

if TYPE_CHECKING:
    from promptlight.io.results.facts import RunFacts

TITLE = "promptlight try"
MARK = "◆"
MOST_NAMED = 8  # parts in a sentence
SMALLEST = 0.05  # nats that a row shows
CHANGES_ANSWER = Style(bold=True)


def view_parts(found: PartsFound, sampling: Sampling, facts: RunFacts | None, *, n_top: int) -> View:
    """The sentence, the heatmap and the table, with ``n_top`` of the parts that don't change the answer.

    ``sampling`` is how the model wrote, ``facts`` which model did, if that is known.
    """
    remarks = list(_list_remarks(found, sampling, facts.quantised if facts else None))
    return View(
        paint=partial(_render_parts, found, [*remarks, *filter(None, [spell_facts(facts)])], n_top),
        describe=lambda: _describe_parts(found) | {"remarks": remarks, "facts": describe_origin(facts)},
        signed=True,
        by=found.cut,
        title=TITLE,
    )


def _describe_parts(found: PartsFound) -> dict[str, Any]:
    """The sentence and the outcomes as plain data, with unchanged texts."""
    return {
        "id": found.now.completion.prompt.id,
        "sentence": _say_found(found, width=None),
        "target": found.target.text,
        "target_by": str(found.target.cut),
        "by": str(found.cut),
        "answer": found.answer,
        "completion": found.now.completion.completion_text,
        "reproduced": found.is_reproduced,
        "log_prob": found.log_prob,
        "text_log_prob": found.text_log_prob,
        "n_changed": len(found.causes),
        "parts": [_describe_outcome(outcome) for outcome in found.outcomes],
    }


def _describe_outcome(outcome: PartOutcome) -> dict[str, Any]:
    source = outcome.part.source
    return {
        "line": source.line,
        "section": source.section,
        "text": source.text,
        "replacement": outcome.part.replacement,
        "changed": outcome.is_changed,
        "answer": outcome.answer,
        "distance": outcome.distance,
        "relative_distance": outcome.relative_distance,
        "log_prob": outcome.log_prob,
        "text_log_prob": outcome.text_log_prob,
        "completion": outcome.completion,
    }


# ---- the sentence ---------------------------------------------------------------------------------------------------


def _say_found(found: PartsFound, width: int | None = QUOTED) -> str:
    """How many parts change the answer, which, and what the model writes without the first of them."""
    n_all, causes, wrote = len(found.outcomes), found.causes, quote_text(found.answer, width)
    first = (causes or found.outcomes)[0]
    change = _say_change(first, found, width)
    begun = change[0].upper() + change[1:]
    if n_all == 1:
        return end_sentence(f"{begun}, {say_answer(first, width) if causes else f'it still writes {wrote}'}")
    tried = f"{n_all:,} {plural(found.cut)}, each {_name_change(found)} alone,"
    if not causes:
        return f"None of {tried} changes {wrote}."
    if len(causes) == 1:
        return end_sentence(f"1 of {tried} changes {wrote}: {change}, {say_answer(first, width)}")
    said = f"{len(causes):,} of {tried} change {wrote}: {_list_places(causes)}. {begun}, {say_answer(first, width)}"
    return end_sentence(said)


def _name_change(found: PartsFound) -> str:
    return "replaced" if any(one.part.replacement is not None for one in found.outcomes) else "taken away"


def _say_change(outcome: PartOutcome, found: PartsFound, width: int | None) -> str:
    named = _name_part(outcome.part.source, found, width)
    if outcome.part.replacement is None:
        return f"without {named}"
    return f"with {quote_text(outcome.part.replacement, width)} in place of {named}"


def _name_part(span: Span, found: PartsFound, width: int | None) -> str:
    if found.cut is Granularity.LINE:
        return f"line {span.line}, {quote_text(span.text, width)}"
    if found.cut is Granularity.SECTION and span.section:
        return f"section {one_line(span.section)}"
    return f"{quote_text(span.text, width)} in line {span.line}"


def _list_places(outcomes: Sequence[PartOutcome]) -> str:
    """``lines 9, 12 and 14``, each line once."""
    lines = [f"{line}" for line in dict.fromkeys(one.part.source.line for one in outcomes)]
    if len(lines) == 1:
        return f"in line {lines[0]}"
    if len(lines) > MOST_NAMED:
        return f"lines {', '.join(lines[:MOST_NAMED])} and {len(lines) - MOST_NAMED:,} more"
    return f"lines {', '.join(lines[:-1])} and {lines[-1]}"


def _list_remarks(found: PartsFound, sampling: Sampling, quantised: str | None) -> Iterator[str]:
    """What to keep in mind."""
    yield (
        f"each part was {_name_change(found)} alone, and the model wrote everything again, its own words before the"
        " answer too; if an answer stays, its part may still matter: another may say the same"
    )
    if len(found.outcomes) > 1 and 2 * len(found.causes) > len(found.outcomes):
        yield "more than half of the parts change the answer: it changes easily, and a single change proves little"
    if not found.is_reproduced:
        target = quote_text(found.target.text)
        yield f"the stored completion has {target} there; the parts are compared with what the model writes now"
    if sampling.temperature:
        drawn = f"a temperature of {sampling.temperature:g}"
        yield f"the texts were drawn with {drawn}: they differ by chance, too; with --seed the run draws others"
    if quantised:
        yield f"the quantised model ({quantised}) wrote them"


# ---- the picture ----------------------------------------------------------------------------------------------------


def _render_parts(
    found: PartsFound, remarks: Sequence[str], n_top: int, console: Console, look: Look
) -> RenderableType:
    """Everything, from top to bottom."""
    heading = Text(one_line(found.now.completion.prompt.id), BOLD)
    sentence = Text(_say_found(found)).wrap(console, console.width)
    text, seam = _render_text(found, look)
    page = render_page(text, console, look, seam=seam)
    legend = wrap(_render_legend(found, look), console)
    notes = [*_explain_columns(), *map(one_line, remarks)]
    shown = (line for note in notes for line in Text(note, ASIDE).wrap(console, console.width))
    rows = _render_table(found, n_top, console.width)
    return Group(heading, *sentence, Text(), *page, Text(), *legend, Text(), *rows, Text(), *shown)


def _find_drop(outcome: PartOutcome, found: PartsFound) -> float:
    """How much less likely the old text became, in nats."""
    return (found.text_log_prob or 0.0) - (outcome.text_log_prob or 0.0)


def _find_largest(found: PartsFound) -> float:
    return max((abs(_find_drop(one, found)) for one in found.outcomes), default=0.0)


def _render_text(found: PartsFound, look: Look) -> tuple[Text, Seam]:
    """The prompt with its parts shaded, and the completion with the answer marked; where that begins."""
    completion, largest = found.now.completion, max(_find_largest(found), 1e-30)
    by_span: dict[int, list[PartOutcome]] = {}
    for one in found.outcomes:
        by_span.setdefault(one.part.source.start, []).append(one)
    pieces: list[tuple[str, Style | None]] = []
    for span in describe_spans(completion, segment(completion, found.cut, found.target.compat)):
        if span.role is Role.PROMPT:
            tried = by_span.get(span.start, [])
            level = max((_find_drop(one, found) / largest for one in tried), key=abs, default=0.0)
            pieces += _render_part(span, level, tried, found, look)
        elif span.start < completion.n_prompt_tokens and completion.tokens[span.start].stop > (
            completion.tokens[span.start].start
        ):
            pieces.append((printable(span.text), ASIDE))
    text = join_pieces([*pieces, *_render_completion(found, look)])
    seam = Seam(sum(len(body) for body, _ in pieces), "the model wrote")
    return text[: len(text.plain.rstrip("\n"))], seam


def _render_part(
    span: Span, level: float, tried: Sequence[PartOutcome], found: PartsFound, look: Look
) -> Iterator[tuple[str, Style | None]]:
    """A part of the prompt: a mark if it changes the answer, its shade, and without colours its number."""
    lead, body, breaks = split_span(span.text, found.cut)
    if lead:
        yield lead, look.shade(0)
    if any(one.is_changed for one in tried):
        yield f"{MARK} " if found.cut is not Granularity.WORD else MARK, CHANGES_ANSWER
    yield printable(body) + (look.mark(level) if tried else ""), look.shade(level) if tried else None
    yield breaks, None


def _render_completion(found: PartsFound, look: Look) -> Iterator[tuple[str, Style | None]]:
    """What the model wrote, dim, and the answer as targets are marked."""
    completion = found.now.completion
    start = completion.tokens[found.now.spans[0].start].start
    stop = completion.tokens[found.now.spans[-1].stop - 1].stop
    lead, body, breaks = split_span(completion.text[start:stop], found.target.cut)
    yield printable(completion.text[completion.prompt_stop : start]), ASIDE
    yield lead, None
    yield (printable(body), look.target) if look.target else (printable(body).join(PLAIN_TARGET), None)
    yield breaks, None
    yield printable(completion.text[stop:]), ASIDE


def _render_legend(found: PartsFound, look: Look) -> Text:
    """Explain the mark and the colours, bars or numbers."""
    mark = Text.assemble((MARK, CHANGES_ANSWER), " changes the answer   ")
    raises = any(_find_drop(one, found) <= -SMALLEST for one in found.outcomes)
    levels = [level for level in look.steps if level >= 0 or raises]
    scale = f"% of the largest change, {_find_largest(found):.1f} nats; above 0 the old text became less likely"
    scale += ", below 0 likelier" if raises else ""
    target = Text.assemble((" old answer ", look.target)) if look.target else Text("old answer".join(PLAIN_TARGET))
    if look.marking is Marking.UNDERLINE:
        steps = ((look.bar(level), round(100 * level)) for level in levels if level)
        shown = Text.assemble(
            *(part for (bar, ink), number in steps for part in ((bar * 2, ink or ""), f" {number}  "))
        )
    elif look.color_system is None:
        shown, scale = Text(look.mark(1) + " "), scale.removeprefix("% of ")
    else:
        shown = Text.assemble(*((f" {round(100 * level)} ", look.shade(level) or "") for level in levels), "  ")
    return Text.assemble(mark, shown, scale, "   ", target)


def _render_table(found: PartsFound, n_top: int, width: int) -> Iterator[Text]:
    """A row for each part that changes the answer, and for those others that made the old text least likely."""
    others = [one for one in found.outcomes if not one.is_changed and abs(_find_drop(one, found)) >= SMALLEST]
    others.sort(key=lambda one: -_find_drop(one, found))
    kept = {id(one) for one in (*found.causes, *others[:n_top])}
    room = max(NARROWEST, (width - len("line  answer     all  edits  ") - 2) // 2)
    left = "put in its place" if _name_change(found) == "replaced" else "taken away"
    heading = join_row("line  answer     all  edits  ", left, "then it writes", room, BOLD)
    heading.stylize(BOLD)
    yield heading
    yield from (_render_row(one, found, room) for one in found.outcomes if id(one) in kept)
    if n_left := len(found.outcomes) - len(kept):
        hint = "; --top lists more of them" if len(others) > n_top else ""
        yield Text(f"{n_left:,} more leave{'s' * (n_left == 1)} the answer as it is{hint}", ASIDE)


def _render_row(outcome: PartOutcome, found: PartsFound, room: int) -> Text:
    answer = (outcome.log_prob or 0.0) - (found.log_prob or 0.0)
    line, text = outcome.part.source.line, outcome.part.replacement
    return join_row(
        f"{line:>4}  {_spell(answer):>6}  {_spell(-_find_drop(outcome, found)):>6}  {outcome.distance:>5}  ",
        one_line((outcome.part.source.text if text is None else text).strip()) or "(nothing)",
        spell_answer(outcome),
        room,
        BOLD if outcome.is_changed else Style(),
    )


def _spell(change: float) -> str:
    """``-12.7``, ``+0.3``, and ``0.0`` of either sign."""
    return f"{change:+.1f}" if abs(change) >= SMALLEST else "0.0"


def _explain_columns() -> Iterator[str]:
    yield (
        "answer: change of the old answer's log-probability, in nats, with the old own words before it; all: the same"
        " of everything from the completion's start to the answer's end; edits: characters between the old answer and"
        " the new one"
    )
