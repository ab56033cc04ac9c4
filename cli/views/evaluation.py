"""The output of ``evaluate``: a table for each method, how far the methods agree, and what the columns mean.

grad_l2, 11 prompts
figure       mean  95% interval    random    ahead  95% interval   nearest  last line
deletion   -22.41  -24.1 to -20.7  -15.02    -7.39  -8.9 to -5.9    -20.11     -12.34
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptlight.cli.views.trust import describe_trust, name_unit
from promptlight.salience.faithfulness.findings import Findings
from promptlight.salience.faithfulness.summaries import Mean, MethodSummary, PromptEvaluation, summarize_methods
from promptlight.salience.text.printable import one_line

NAMES = {"drop_1": "drop 1", "drop_3": "drop 3", "drop_5": "drop 5"}


def describe_findings(found: Findings, described: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """All figures of the tables, and every prompt's row."""
    return {
        "settings": dict(described),
        "n_prompts": found.n_prompts,
        "n_skipped": found.n_skipped,
        "methods": [asdict(summary) for summary in summarize_methods(found.rows, seed=seed)],
        "agreements": {pair: asdict(mean) for pair, mean in found.agreements(seed).items()},
        "prompts": [row.to_row() | {"trust": describe_trust(row)} for row in found.rows],
    }


def render_findings(found: Findings, target: str | None, seed: int, *, each: bool) -> RenderableType:
    """Print the tables; with ``each``, also those of single prompts."""
    shown = "the completion" if target is None else f"“{one_line(target)}”"
    prompts = "1 prompt" if found.n_prompts == 1 else f"{found.n_prompts:,} prompts"
    skipped = f"; {found.n_skipped:,} left out, the first because: {one_line(found.reason)}" if found.n_skipped else ""
    return Group(
        Text(f"How far can the scores for {shown} be trusted?", "bold"),
        Text(prompts + skipped),
        Text(),
        *(_render_prompts(found.rows) if each else ()),
        *_render_methods(summarize_methods(found.rows, seed=seed), found.agreements(seed)),
        *map(Text, _describe_columns()),
        Text(),
    )


def _render_methods(summaries: Sequence[MethodSummary], agreements: Mapping[str, Mean]) -> Iterator[RenderableType]:
    """A table for each method, and one of pairs of methods."""
    for summary in summaries:
        n_prompts = "1 prompt" if summary.n_prompts == 1 else f"{summary.n_prompts:,} prompts"
        yield Text(f"{summary.method}, {n_prompts}", "bold")
        yield render_method(summary)
        yield from map(Text, _describe_method(summary))
        yield Text()
    if agreements:
        yield Text("Do the methods agree? Rank correlation of their scores", "bold")
        for pair, mean in agreements.items():
            yield Text(f"{mean.mean:5.2f}{show_interval(mean, ' ({})')}  {pair}")
        yield Text()


def render_method(summary: MethodSummary) -> Table:
    """A row per figure, in nats."""
    table = _new_table("figure", "mean", "95% interval", "random", "ahead", "95% interval", "nearest", "last line")
    for one in summary.figures:
        rivals = (show(one.nearest), show(one.last_line))
        ahead = (show(one.gain.mean), show_interval(one.gain, digits=1))
        own = (show(one.own.mean), show_interval(one.own, digits=1))
        table.add_row(NAMES.get(one.name, one.name), *own, show(one.random), *ahead, *rivals)
    return table


def _describe_method(summary: MethodSummary) -> Iterator[str]:
    """How often the method beats random orders, and how stable it is under a little noise."""
    beaten = summary.beaten
    yield f"beats {beaten.mean:.1f} of {summary.n_random} random orders{show_interval(beaten, ' ({})')}"
    if summary.noise is None:
        yield "with a little noise: not measured"
    else:
        yield f"with a little noise: rank correlation {summary.noise.mean:.2f}{show_interval(summary.noise, ' ({})')}"


def _render_prompts(rows: Sequence[PromptEvaluation]) -> Iterator[RenderableType]:
    """Each prompt's figures, a row per method, and a verdict in words."""
    for id in dict.fromkeys(row.id for row in rows):
        own = [row for row in rows if row.id == id]
        first = own[0]
        yield Text(f"{one_line(id)}: {first.n_sources} {name_unit(first)}{'' if first.n_sources == 1 else 's'}", "bold")
        table = _new_table("order", "deletion", "insertion", "drop 1", "drop 3", "drop 5", "beats")
        for row in own:
            beats = f"{row.n_beaten} of {row.n_random}"
            table.add_row(row.method, *(show(value) for value in vars(row.order).values()), beats)
        for name, figures in (("random", first.random), ("nearest", first.nearest), ("last line", first.last_line)):
            table.add_row(name, *(show(value) for value in vars(figures).values()), "")
        yield table
        for row in own:
            yield Text(f"{row.method}: {describe_trust(row)}")
        yield Text()


def _describe_columns() -> Iterator[str]:
    """Explain the columns; docs/evaluate.md has the details."""
    yield "deletion: mean log-probability while sources are removed, the strongest first; lower is better"
    yield "insertion: the same while sources are put back; higher is better"
    yield "drop k: log-probability lost by removing the k strongest, in nats; higher is better"
    yield "ahead: mean difference from random orders, prompt by prompt; nearest, last line: simple rules"
    yield "95% interval: of the mean over prompts (bootstrap)"


def _new_table(*columns: str) -> Table:
    """A table with a column of names, then columns of numbers."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=True, justify="right" if number else "left")
    return table


def show(value: float | None, digits: int = 2) -> str:
    """A rounded number, never -0; an empty text for None."""
    return "" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def show_interval(mean: Mean, form: str = "{}", digits: int = 2) -> str:
    """The interval from low to high in this form; an empty text for a single prompt."""
    low, high = show(mean.low, digits), show(mean.high, digits)
    return form.format(f"{low} to {high}") if low and high else ""
