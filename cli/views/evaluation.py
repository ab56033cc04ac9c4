"""The output of ``evaluate``: what was found in sentences and a small table; with ``--details``, a table per method.

grad_l2, 11 prompts
                                                                          last
figure      mean    95% interval  random  ahead  95% interval  nearest    line
deletion   -22.4  -24.1 to -20.7   -15.0   -7.4  -8.9 to -5.9    -20.1   -12.3
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptlight.cli.views._findings import describe_drops, new_table, render_drops, spell_findings
from promptlight.cli.views.output import View
from promptlight.cli.views.trust import describe_trust, name_unit
from promptlight.salience.faithfulness.findings import Findings
from promptlight.salience.faithfulness.summaries import MethodSummary, PromptEvaluation, summarize_methods
from promptlight.salience.statistics import Mean
from promptlight.salience.text.printable import one_line

NAMES = {"drop_1": "drop 1", "drop_3": "drop 3", "drop_5": "drop 5"}


def view_findings(
    found: Findings, described: Mapping[str, Any], target: str | None, seed: int, *, each: bool, details: bool
) -> View:
    """What was found, in sentences and a small table; ``details`` adds all figures, ``each`` those of each prompt."""
    return View(
        paint=lambda _, __: _render(found, target, seed, each=each, details=details),
        describe=lambda: _describe_findings(found, described, seed),
        signed=False,
        title="promptlight evaluate",
    )


def _describe_findings(found: Findings, described: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """All figures, and every prompt's row."""
    return {
        "settings": dict(described),
        "n_prompts": found.n_prompts,
        "n_skipped": found.n_skipped,
        "found": list(spell_findings(found.rows, seed)) if found.n_prompts > 1 else [],
        "methods": [asdict(summary) for summary in summarize_methods(found.rows, seed=seed)],
        "agreements": {pair: asdict(mean) for pair, mean in found.agreements(seed).items()},
        "prompts": [row.to_row() | {"trust": describe_trust(row)} for row in found.rows],
    }


def _render(found: Findings, target: str | None, seed: int, *, each: bool, details: bool) -> RenderableType:
    shown = "the completion" if target is None else f"“{one_line(target)}”"
    prompts = "1 prompt" if found.n_prompts == 1 else f"{found.n_prompts:,} prompts"
    skipped = f"; {found.n_skipped:,} skipped, the first because: {one_line(found.reason)}" if found.n_skipped else ""
    return Group(
        Text(f"How far can the scores for {shown} be trusted?", "bold"),
        Text(prompts + skipped),
        Text(),
        *_render_lead(found, seed, each=each),
        render_drops(found.rows),
        Text(),
        *(Text(line, "dim") for line in describe_drops(found.rows)),
        *(_render_details(found, seed, each=each) if details else [Text("all figures: --details", "dim")]),
    )


def _render_lead(found: Findings, seed: int, *, each: bool) -> Iterator[RenderableType]:
    """What was found: over all prompts, or about the one; with ``each``, about each of them."""
    if found.n_prompts > 1:
        for sentence in spell_findings(found.rows, seed):
            yield Text(sentence)
            yield Text()
    if each or found.n_prompts == 1:
        for row in found.rows:
            id = f"{one_line(row.id)}, " if found.n_prompts > 1 else ""
            yield Text(f"{id}{row.method}: {describe_trust(row)}")
            yield Text()


def _render_details(found: Findings, seed: int, *, each: bool) -> Iterator[RenderableType]:
    """All figures: of each prompt if there is one, or if they were chosen by id, and of each method."""
    yield Text()
    if each or found.n_prompts == 1:
        yield from _render_prompts(found.rows)
    if found.n_prompts > 1:
        yield from _render_methods(summarize_methods(found.rows, seed=seed), found.agreements(seed))
    yield from map(Text, _describe_columns())


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
    """A row per figure, in nats: with two decimals if all means are below 10, else with one."""
    means = [abs(value) for one in summary.figures for value in (one.own.mean, one.random, one.nearest, one.last_line)]
    digits = 2 if max(means) < 10 else 1
    table = new_table("figure", "mean", "95% interval", "random", "ahead", "95% interval", "nearest", "last\nline")
    for one in summary.figures:
        own = (show(one.own.mean, digits), show_interval(one.own, digits=digits))
        ahead = (show(one.gain.mean, digits), show_interval(one.gain, digits=digits))
        rivals = (show(one.nearest, digits), show(one.last_line, digits))
        table.add_row(NAMES.get(one.name, one.name), *own, show(one.random, digits), *ahead, *rivals)
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
    """Each prompt's figures, a row per method and rival."""
    for id in dict.fromkeys(row.id for row in rows):
        own = [row for row in rows if row.id == id]
        first = own[0]
        yield Text(f"{one_line(id)}: {first.n_sources} {name_unit(first)}{'' if first.n_sources == 1 else 's'}", "bold")
        table = new_table("order", "deletion", "insertion", "drop 1", "drop 3", "drop 5", "beats")
        for row in own:
            beats = f"{row.n_beaten} of {row.n_random}"
            table.add_row(row.method, *(show(value) for value in vars(row.order).values()), beats)
        for name, figures in (("random", first.random), ("nearest", first.nearest), ("last line", first.last_line)):
            table.add_row(name, *(show(value) for value in vars(figures).values()), "")
        yield table
        yield Text()


def _describe_columns() -> Iterator[str]:
    """Explain the columns; docs/evaluate.md has the details."""
    yield "deletion: mean log-probability while sources are removed, the strongest first; lower is better"
    yield "insertion: the same while sources are put back; higher is better"
    yield "drop k: log-probability lost by removing the k strongest, in nats; higher is better"
    yield "ahead: mean difference from random orders, prompt by prompt; nearest, last line: simple rules"
    yield "95% interval: of the mean over prompts (bootstrap)"


def show(value: float | None, digits: int = 2) -> str:
    """A rounded number, never -0; an empty text for None."""
    return "" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def show_interval(mean: Mean, form: str = "{}", digits: int = 2) -> str:
    """The interval from low to high in this form; an empty text for a single prompt."""
    low, high = show(mean.low, digits), show(mean.high, digits)
    return form.format(f"{low} to {high}") if low and high else ""
