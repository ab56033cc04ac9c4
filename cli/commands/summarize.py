"""``promptlight summarize``: which source spans matter, over many prompts.

What it draws, in a wide terminal:

    Which lines mattered for “Recommendation”?
    4 prompts; 8 without that target left out

    share  95% interval  prompts  top  line                             strongest words
    16.1%   3.4 to 28.8        2    1  Recommendation: Avoid.           Avoid.  Recommendation:
    12.3%   6.3 to 18.2        3    1  Taste-likes: I've a sweet-tooth  Taste-likes:  sweet-tooth  I've
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlight.cli.options.shared import (
    ByOption,
    FormatOption,
    IdsOption,
    JsonOption,
    OverwriteOption,
    SectionsOption,
    StoredMethodOption,
    TargetByOption,
    WhereOption,
)
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.salience.explain.summary import Grouping, GroupQuestion, GroupSummary, Summary
from promptlight.salience.text.printable import one_line, printable_json
from promptlight.salience.types import Pattern

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

WIDE = 100  # cells from which on the words have a column of their own
MIN_ROOM = 20  # cells for a name, however narrow the terminal


def summarize(
    results: Annotated[Path, typer.Argument(help="A results folder that `promptlight run` made.")],
    by: ByOption = "line",
    group: Annotated[
        Grouping, typer.Option(help="Sources that count as one: with the same text, line, section or role.")
    ] = Grouping.TEXT,
    target_by: TargetByOption = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", "-t", help="What is explained in each prompt: a span's number, some of its text, or a pattern."
        ),
    ] = None,
    sections: SectionsOption = None,
    method: StoredMethodOption = None,
    id: IdsOption = None,
    where: WhereOption = None,
    top: Annotated[int, typer.Option(min=1, help="How many groups are shown; --output has all.")] = 15,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write all groups to this file; an existing one is kept.")
    ] = None,
    format: FormatOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show which lines, sections or words of many prompts mattered for their completions, and how sure that is."""
    from rich.console import Console

    from promptlight.io.tables.tidy import check_output, write_summary
    from promptlight.salience.explain.summary import summarize_shares
    from promptlight.salience.text.spans import parse_cut

    question = GroupQuestion(
        by=parse_cut(by),
        group=group,
        target=target,
        target_by=parse_cut(target_by) if target_by else None,
        method=method,
    )
    chosen = ChosenResults(results, ids=id, where=where, sections=sections)
    if output:
        check_output(output, format, overwrite=overwrite)

    summary = summarize_shares(chosen, question)
    if as_json:
        print(printable_json(asdict(summary)))
    else:
        console = Console(highlight=False)
        console.print(render_summary(summary, question, console.width, n_top=top))
    if output:
        n_rows = write_summary(output, map(to_row, summary.groups), format=format, overwrite=overwrite)
        if not as_json:
            print(f"\n{n_rows:,} rows in {one_line(str(output))}")
    chosen.raise_damage()


def to_row(group: GroupSummary) -> dict[str, Any]:
    """A group as a row of the file."""
    return asdict(group) | {"top_words": " ".join(group.top_words)}


def render_summary(summary: Summary, question: GroupQuestion, width: int, *, n_top: int) -> RenderableType:
    """The question, the strongest groups, and what the columns are."""
    from rich.console import Group
    from rich.text import Text

    return Group(
        *(Text(line, style="bold" if number == 0 else "") for number, line in enumerate(describe(summary, question))),
        Text(),
        *render_groups(summary.groups[:n_top], question, width),
        Text(),
        *map(Text, describe_columns(summary, n_top)),
    )


def describe(summary: Summary, question: GroupQuestion) -> Iterator[str]:
    """What was asked, and of how many prompts."""
    target = "the completion" if question.target is None else f"“{one_line(question.target)}”"
    yield f"Which {name_groups(question)}s mattered for {target}?"
    prompts = "1 prompt" if summary.n_prompts == 1 else f"{summary.n_prompts:,} prompts"
    skipped = f"; {summary.n_skipped:,} without that target left out" if summary.n_skipped else ""
    yield f"{prompts}{skipped}"


def name_groups(question: GroupQuestion) -> str:
    """What one group is called."""
    if question.group is not Grouping.TEXT:
        return question.group.value
    return "part" if isinstance(question.by, Pattern) else question.by.value


def render_groups(groups: Sequence[GroupSummary], question: GroupQuestion, width: int) -> Iterator[Text]:
    """A heading, and for each group its numbers, its name and its words: beside it where there is room, else below."""
    from rich.cells import cell_len
    from rich.text import Text

    numbers = [
        ("share", "95% interval", "prompts", "top"),
        *((f"{one.mean_share:.1%}", show_interval(one), f"{one.n_prompts:,}", f"{one.n_top:,}") for one in groups),
    ]
    columns = [max(map(len, column)) for column in zip(*numbers, strict=True)]
    rows = ["  ".join(f"{cell:>{column}}" for cell, column in zip(row, columns, strict=True)) for row in numbers]
    names = [name_groups(question), *(one_line(group.name) for group in groups)]
    words = ["strongest words", *(one_line("  ".join(group.top_words)) for group in groups)]
    beside = question.has_words and width >= WIDE
    room = max(MIN_ROOM, width - len(rows[0]) - 2)
    of_name = min(max(map(cell_len, names)), room * 3 // 5) if beside else room
    for number, (row, name, words_of) in enumerate(zip(rows, names, words, strict=True)):
        shown = cut(name, of_name)
        line = Text.assemble(row, "  ", shown, style="bold" if number == 0 else "")
        if beside:
            line.append(" " * (of_name - cell_len(shown) + 2))
            line.append(cut(words_of, room - of_name - 2), style="" if number == 0 else "dim")
        yield line
        if question.has_words and not beside and number and words_of:
            yield Text(" " * (len(row) + 4) + cut(words_of, room - 2), style="dim")


def cut(text: str, width: int) -> str:
    """A text's start, with an ellipsis where the rest doesn't fit into a number of cells."""
    from rich.text import Text

    shown = Text(text)
    shown.truncate(width, overflow="ellipsis")
    return shown.plain


def show_interval(group: GroupSummary) -> str:
    """In percent."""
    if group.share_low is None or group.share_high is None:
        return ""
    return f"{100 * group.share_low:.1f} to {100 * group.share_high:.1f}"


def describe_columns(summary: Summary, n_top: int) -> Iterator[str]:
    """What stands in the columns, and what is not shown."""
    yield "share: its part of all scores in a prompt, averaged over the prompts it is in"
    yield "95% interval: of that average, had other prompts been drawn (bootstrap)"
    yield "top: in how many prompts its share is the largest"
    if len(summary.groups) > n_top:
        yield f"{len(summary.groups) - n_top:,} more: see them with --top, or write all with -o FILE"
