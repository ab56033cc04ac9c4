"""The figures of the benchmark tracking as a table: a row for each method and way, three columns for each scope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptlight.salience.benchmark.rates import Scope
from promptlight.salience.benchmark.recall import CHANCE, Recall
from promptlight.salience.benchmark.solved import Attempt, Rewritten
from promptlight.salience.benchmark.tracking import Form
from promptlight.salience.statistics import wilson_interval
from promptlight.salience.types import Way

WAYS = {None: "", Way.DIRECT: "direct", Way.THROUGH: "through own words", Way.ALL: "in all"}
SCOPES = {Scope.CANDIDATES: "among the assignments", Scope.PROMPT: "among the prompt's lines"}


@dataclass(frozen=True, kw_only=True)
class Changes:
    """In how many of ``n`` trials the model wrote another value without the line."""

    changed: int
    n: int


@dataclass(frozen=True, kw_only=True)
class Solving:
    """What the model was asked, how much it solved, and what it wrote without single lines."""

    form: Form
    seed: int
    n_drawn: int
    n_solved: int
    n_consistent: int
    rewritten: Sequence[tuple[Attempt, Rewritten]]

    @property
    def chain(self) -> Changes:
        """Without lines of the chain."""
        return self._count(in_chain=True)

    @property
    def others(self) -> Changes:
        """Without other lines."""
        return self._count(in_chain=False)

    def _count(self, *, in_chain: bool) -> Changes:
        changed = [
            was_changed
            for attempt, rewritten in self.rewritten
            for number, was_changed in enumerate(rewritten.changed)
            if (number in attempt.prompt.block.follow()) == in_chain
        ]
        return Changes(changed=sum(changed), n=len(changed))


def render_recall(found: Sequence[Recall], solving: Solving) -> RenderableType:
    """What was asked, how well each method and way finds the chain's lines, and what writing again shows."""
    form = solving.form
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("method", "way"):
        table.add_column(name)
    for scope in SCOPES.values():
        for name in (f"{scope}:\nchain found", "\nvalue on top", "\nhop on top"):
            table.add_column(name, justify="right")
    for row in _group(found):
        table.add_row(row[0].method, WAYS[row[0].way], *(cell for one in row for cell in _show(one)))
    hops = "1 hop" if form.hops == 1 else f"{form.hops} hops"
    n, answers = len(found[0].found), "answered at once" if form.at_once else "the chain written out first"
    return Group(
        Text("Which lines does the value of a variable follow from?", "bold"),
        Text(
            f"{hops}, {answers}. Solved: {_show_rate(solving.n_solved, solving.n_drawn)} of {solving.n_drawn} prompts,"
            f" {_show_rate(solving.n_consistent, solving.n_drawn)} for every chain of the prompt. {n} solved ones"
            f" measured, seed {solving.seed}"
        ),
        Text(),
        table,
        Text(),
        Text(_describe_changes(solving)),
    )


def _group(found: Sequence[Recall]) -> Iterator[list[Recall]]:
    """The scopes of each method and way."""
    rows: dict[tuple[str, Way | None], list[Recall]] = {}
    for one in found:
        rows.setdefault((one.method, one.way), []).append(one)
    yield from rows.values()


def _show(one: Recall) -> tuple[str, str, str]:
    if one.method == CHANCE:  # known exactly
        return f"{one.recall:.0%}", f"{one.value:.0%}", f"{one.hop:.0%}"
    value, hop = (_spread(*interval) for interval in (one.value_interval, one.hop_interval))
    recall = "" if one.recall_interval is None else _spread(*one.recall_interval)
    return f"{one.recall:.0%}{recall}", f"{one.value:.0%}{value}", f"{one.hop:.0%}{hop}"


def _describe_changes(solving: Solving) -> str:
    chain, others, n = solving.chain, solving.others, len(solving.rewritten)
    n_prompts = "1 prompt" if n == 1 else f"{n} prompts"
    return (
        f"Written again without one line, {n_prompts}: the value changes without a line of the"
        f" chain in {_show_rate(chain.changed, chain.n)}, without another line in"
        f" {_show_rate(others.changed, others.n)}"
    )


def _show_rate(hits: int, n: int) -> str:
    if not n:
        return "none"
    return f"{hits / n:.0%}{_spread(*wilson_interval(hits, n))}"


def _spread(low: float, high: float) -> str:
    return f" ({low:.0%} to {high:.0%})"
