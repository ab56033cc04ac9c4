"""A benchmark's hit rates as a table: a row per rule, a column per scope of lines to choose from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptlight.salience.benchmark.rates import Rate, Scope
from promptlight.salience.types import Benchmark

QUESTIONS = {
    Benchmark.RECOMMENDATIONS: "Is the top source the example's line that the recommendation was copied from?",
    Benchmark.TWINS: "Is it the right one of two lines with the same words?",
    Benchmark.PRINCIPLES: "Is it one of the two lines that the answer takes together?",
    Benchmark.HOPS: "Is it one of the two lines that decided what the model's own analysis says?",
}
FIRSTS = {Benchmark.PRINCIPLES: "the principle", Benchmark.HOPS: "the dislikes"}  # the first of two causes
SCOPES = {
    Scope.CANDIDATES: "among the lines edited",
    Scope.PROMPT: "among the prompt's lines",
    Scope.ALL: "among all lines",
}


def render_rates(benchmark: Benchmark, rates: Sequence[Rate], seed: int) -> RenderableType:
    """The benchmark's question, and how often each rule is right."""
    n = rates[0].n
    scopes = [scope for scope in Scope if any(rate.scope is scope for rate in rates)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (
        "method",
        "objective",
        "way",
        "own words",
        "pooling",
        "ranked by",
        *(SCOPES[scope] for scope in scopes),
    ):
        table.add_column(name, justify="right" if name in SCOPES.values() else "left")
    for row in _group_rates(rates):
        first = next(iter(row.values()))
        cells = [_show_rate(row[scope], benchmark) if scope in row else "" for scope in scopes]
        own = f"{first.unit}, by doubt" if first.by_doubt else first.unit
        table.add_row(first.method, first.objective, first.way, own, first.pooling, first.ranking, *cells)
    return Group(
        Text(QUESTIONS[benchmark], "bold"),
        Text(f"{n} prompts, seed {seed}; rate with its 95% interval for the prompts drawn"),
        Text(),
        table,
    )


def _group_rates(rates: Sequence[Rate]) -> Iterator[dict[Scope, Rate]]:
    """The rates of each rule, by scope; rules in the order in which they come."""
    rows: dict[tuple[str | bool, ...], dict[Scope, Rate]] = {}
    for rate in rates:
        rule = (rate.method, rate.objective, rate.way, rate.unit, rate.by_doubt, rate.pooling, rate.ranking)
        rows.setdefault(rule, {})[rate.scope] = rate
    yield from rows.values()


def _show_rate(rate: Rate, benchmark: Benchmark) -> str:
    """A rate in percent with its interval; for two causes, also how often both come first, and the first of them."""
    low, high = rate.interval
    shown = f"{rate.rate:.0%} ({low:.0%} to {high:.0%})"
    if benchmark in FIRSTS:
        shown += f", both {rate.both / rate.n:.0%}, {FIRSTS[benchmark]} {rate.first / rate.n:.0%}"
    return shown
