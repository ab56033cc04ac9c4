"""A table of two runs: a line for each prompt, those whose shares moved most first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.text import Text

from promptlight.cli.views._as_json import describe_differences
from promptlight.cli.views.comparison import show_share
from promptlight.cli.views.facts import describe_origin, spell_both_facts
from promptlight.cli.views.output import View
from promptlight.cli.views.palette import Look
from promptlight.cli.views.text import ASIDE
from promptlight.salience.explain.comparison import Difference
from promptlight.salience.text.printable import one_line

if TYPE_CHECKING:
    from promptlight.io.results.facts import RunFacts

BOLD = Style(bold=True)
WIDEST_ID = 24  # cells


def view_overview(
    differences: Sequence[Difference], n_missing: int, facts: Sequence[RunFacts | None], *, n_top: int, title: str
) -> View:
    """A line for each prompt; ``n_missing`` others are counted. ``facts`` are where both runs come from, if known."""
    before, after = facts

    def paint(console: Console, _: Look) -> RenderableType:
        origins = (Text(one, ASIDE) for one in spell_both_facts(before, after))
        return Group(render_overview(differences, n_missing, console.width, n_top=n_top), Text(), *origins)

    return View(
        paint=paint,
        describe=lambda: (
            describe_differences(differences, n_missing)
            | {"facts": {"before": describe_origin(before), "after": describe_origin(after)}}
        ),
        signed=False,
        title=title,
    )


def render_overview(differences: Sequence[Difference], n_missing: int, width: int, *, n_top: int) -> RenderableType:
    """How many prompts got another completion, and the prompts whose shares moved most."""
    ordered = sorted(differences, key=lambda one: (one.same_completion, -one.moved))
    return Group(*_render_counts(differences, n_missing), Text(), *_render_rows(ordered[:n_top], width))


def _render_counts(differences: Sequence[Difference], n_missing: int) -> Iterator[Text]:
    """Totals over all prompts."""
    n_changed = sum(not one.same_completion for one in differences)
    moved = sum(one.moved for one in differences) / len(differences)
    yield Text(f"{n_changed:,} of {len(differences):,} prompts got another completion", BOLD)
    yield Text(f"{moved:.0%} of the shares moved, on average")
    if n_missing:
        yield Text(f"{n_missing:,} more are not in both, or have no such target in both")


def _render_rows(differences: Sequence[Difference], width: int) -> Iterator[Text]:
    """Each prompt, whether its completion is the same, how much moved, and the source that moved most."""
    room = min(WIDEST_ID, max([len("prompt"), *(Text(one_line(one.id)).cell_len for one in differences)]))
    yield Text(f"{'prompt':<{room}}  completion  moved   before    after  source that moved most", BOLD)
    for one in differences:
        id = Text(one_line(one.id))
        id.truncate(room, overflow="ellipsis", pad=True)
        line = Text.assemble(id, f"  {'same' if one.same_completion else 'changed':<10}  {one.moved:>5.0%}  ")
        if one.most:
            span = one.most.after or one.most.before
            shares = f"{show_share(one.most.share_before):>7}  {show_share(one.most.share_after):>7}  "
            line.append(f"{shares}{one_line(span.text.strip() or span.text) if span else ''}")
        line.truncate(width, overflow="ellipsis")
        yield line
