"""The output of ``summarize``, in a wide terminal:

Which lines mattered for “Recommendation”?
4 prompts; 8 skipped (no such target)

share  95% interval  prompts  top  line                             strongest words
16.1%   3.4 to 28.8        2    1  Recommendation: Avoid.           Avoid.  Recommendation:
12.3%   6.3 to 18.2        3    1  Taste-likes: I've a sweet-tooth  Taste-likes:  sweet-tooth  I've
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from promptlight.cli.views.estimate import count
from promptlight.cli.views.facts import describe_origin, describe_quantised, spell_facts
from promptlight.cli.views.output import View
from promptlight.salience.explain.summary import Grouping, GroupQuestion, GroupSummary, Summary
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Pattern, Way

if TYPE_CHECKING:
    from promptlight.io.results.facts import RunFacts

WIDE = 100  # cells, at least, for a separate column of words
MIN_ROOM = 20  # cells, at least, for a name
LAST = "-1"
BY_WAY = {Way.DIRECT: "", Way.THROUGH: ", through the model's own words before it", Way.ALL: ", in all"}
OF_WHAT = {
    Way.DIRECT: "all scores",
    Way.THROUGH: "the target through the model's own words",
    Way.ALL: "the target in all, directly and through the model's own words,",
}


def view_summary(
    summary: Summary, question: GroupQuestion, facts: RunFacts | None, *, n_top: int, tried: Summary | None = None
) -> View:
    """The strongest groups; ``facts`` are where the results come from, if that is known.

    Prompts that were ``tried`` have groups of their own, below those of the run.
    """
    return View(
        paint=lambda console, _: _render(summary, tried, question, facts, console.width, n_top),
        describe=lambda: asdict(summary) | {"tried": asdict(tried) if tried else None, "facts": describe_origin(facts)},
        signed=False,
        title="promptlight summarize",
    )


def _render(
    summary: Summary, tried: Summary | None, question: GroupQuestion, facts: RunFacts | None, width: int, n_top: int
) -> RenderableType:
    """The question, the strongest groups, and an explanation of the columns."""
    parts = [summary] if tried is None else [tried] if not summary.n_prompts else [summary, tried]
    return Group(
        Text(_describe_question(question), "bold"),
        *(row for part in parts for row in _render_part(part, question, width, n_top, is_tried=part is tried)),
        *map(Text, _describe_columns(question)),
        *(Text(line) for part in parts for line in _describe_rest(part, n_top, is_tried=part is tried)),
        *map(Text, filter(None, [describe_quantised(facts)])),
        *(Text(line, "dim") for line in filter(None, [spell_facts(facts)])),
    )


def _render_part(
    summary: Summary, question: GroupQuestion, width: int, n_top: int, *, is_tried: bool
) -> Iterator[Text]:
    """The number of prompts, and their groups."""
    yield Text(_count_prompts(summary, question, is_tried=is_tried))
    yield Text()
    if summary.groups:
        yield from _render_groups(summary.groups[:n_top], question, width)
        yield Text()


def _describe_question(question: GroupQuestion) -> str:
    return f"Which {_name_groups(question)}s mattered for {_name_target(question)}{BY_WAY[question.way]}?"


def _count_prompts(summary: Summary, question: GroupQuestion, *, is_tried: bool) -> str:
    """The number of prompts with the target, and of those that were skipped."""
    prompts = count(summary.n_prompts, "tried prompt" if is_tried else "prompt")
    if not summary.n_skipped:
        return prompts
    if question.way is Way.DIRECT:
        return f"{prompts}; {summary.n_skipped:,} skipped (no such target)"
    return f"{prompts}; {summary.n_skipped:,} skipped, the first because of {one_line(summary.reason or '')}"


def _name_target(question: GroupQuestion) -> str:
    if question.target is None:
        return "the completion"
    if question.target == LAST:
        return f"the last {question.target_by or 'part'} of the completion"
    return f"“{one_line(question.target)}”"


def _name_groups(question: GroupQuestion) -> str:
    """The name for one group."""
    if question.group is not Grouping.TEXT:
        return question.group.value
    return "part" if isinstance(question.by, Pattern) else question.by.value


def _render_groups(groups: Sequence[GroupSummary], question: GroupQuestion, width: int) -> Iterator[Text]:
    """A heading, and for each group its numbers, its name and its words, next to the name or below it."""
    numbers = [
        ("share", "95% interval", "prompts", "top"),
        *((f"{one.mean_share:.1%}", _show_interval(one), f"{one.n_prompts:,}", f"{one.n_top:,}") for one in groups),
    ]
    columns = [max(map(len, column)) for column in zip(*numbers, strict=True)]
    rows = ["  ".join(f"{cell:>{column}}" for cell, column in zip(row, columns, strict=True)) for row in numbers]
    names = [_name_groups(question), *(one_line(group.name) for group in groups)]
    words = ["strongest words", *(one_line("  ".join(group.top_words)) for group in groups)]
    beside = question.has_words and width >= WIDE
    room = max(MIN_ROOM, width - len(rows[0]) - 2)
    of_name = min(max(map(cell_len, names)), room * 3 // 5) if beside else room
    for number, (row, name, words_of) in enumerate(zip(rows, names, words, strict=True)):
        shown = _cut(name, of_name)
        line = Text.assemble(row, "  ", shown, style="bold" if number == 0 else "")
        if beside:
            line.append(" " * (of_name - cell_len(shown) + 2))
            line.append(_cut(words_of, room - of_name - 2), style="" if number == 0 else "dim")
        yield line
        if question.has_words and not beside and number and words_of:
            yield Text(" " * (len(row) + 4) + _cut(words_of, room - 2), style="dim")


def _cut(text: str, width: int) -> str:
    """The start of a text that fits in this many cells, with an ellipsis for the rest."""
    shown = Text(text)
    shown.truncate(width, overflow="ellipsis")
    return shown.plain


def _show_interval(group: GroupSummary) -> str:
    """The interval in percent."""
    if group.share_low is None or group.share_high is None:
        return ""
    return f"{100 * group.share_low:.1f} to {100 * group.share_high:.1f}"


def _describe_columns(question: GroupQuestion) -> Iterator[str]:
    """Explain the columns."""
    yield f"share: its part of {OF_WHAT[question.way]} in a prompt, averaged over the prompts it is in"
    yield "95% interval: of that average over prompts (bootstrap)"
    yield "top: in how many prompts its share is the largest"


def _describe_rest(summary: Summary, n_top: int, *, is_tried: bool) -> Iterator[str]:
    """Say how many groups are not shown."""
    if (n_more := len(summary.groups) - n_top) > 0:
        kind = " of tried prompts" if is_tried else ""
        yield f"{n_more:,} more{kind}: see them with --top, or write all with -o FILE"
