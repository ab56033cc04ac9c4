"""The output of ``evaluate --regenerate``: what changes the answer, how often a method finds it, and a table.

Which lines change the answer when the model writes again without them?
25 prompts, 412 lines, each taken away alone: 103 of them change the answer.

grad_l2: its first line changes the answer in 14 of 23 prompts; the nearest line in 16, a line at random in 6.2 ...

order      way     changes it  95% interval  precision  95% interval
grad_l2    direct    14 of 23     41 to 78%       0.62  0.51 to 0.72
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptlight.cli.views._findings import FEW_PROMPTS, new_table
from promptlight.cli.views.causes import SHOWN_WIDTH, name_unit, spell_causes
from promptlight.cli.views.estimate import count
from promptlight.cli.views.output import View
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.regeneration.judging import Judged, Judgement
from promptlight.salience.regeneration.judging_summary import (
    Block,
    OrderSummary,
    compare_ways,
    compare_with_rival,
    summarize_judgements,
)
from promptlight.salience.regeneration.prompt_causes import PromptCauses
from promptlight.salience.statistics import Mean
from promptlight.salience.text.printable import one_line, quote
from promptlight.salience.types import Way

WAYS = {Way.DIRECT: "direct", Way.THROUGH: "own words", Way.ALL: "in all"}
NAMES = {"random": "random", "nearest": "nearest", "last_line": "last line"}
VERDICTS = ("which may be chance", "better", "worse")
FEW_SIGN = "which is a sign, no proof"


def view_judged(
    judged: Judged,
    described: Mapping[str, Any],
    sampling: Sampling,
    seed: int,
    *,
    each: bool,
    details: bool,
    refusal: str = "",
) -> View:
    """What was found, in sentences and a table; ``details`` adds what each prompt's parts change, as does ``each``.

    ``refusal`` says why the first of the ways that are missing could not be judged.
    """
    return View(
        paint=lambda _, __: _render(
            judged, list(_spell_notes(judged, sampling, refusal)), seed, each=each, details=details
        ),
        describe=lambda: _describe(judged, described, seed),
        signed=False,
        title="promptlight evaluate --regenerate",
    )


def _describe(judged: Judged, described: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """All figures, every prompt's parts, and every judgement."""
    blocks = summarize_judgements(judged.rows, seed=seed)
    return {
        "settings": dict(described),
        "n_prompts": len(judged.causes),
        "n_judged": sum(one.can_judge for one in judged.causes),
        "n_skipped": judged.n_skipped,
        "found": list(_spell_methods(judged.rows, seed)),
        "summaries": [asdict(block) for block in blocks],
        "prompts": [_describe_prompt(causes, judged.rows) for causes in judged.causes],
    }


def _describe_prompt(causes: PromptCauses, rows: Sequence[Judgement]) -> dict[str, Any]:
    return asdict(causes) | {
        "found": spell_causes(causes),
        "judgements": [row.to_row() for row in rows if row.id == causes.id],
    }


def _render(judged: Judged, notes: Sequence[str], seed: int, *, each: bool, details: bool) -> RenderableType:
    unit = _name_unit(judged)
    lines: list[RenderableType] = [
        Text(f"Which {unit}s change the answer when the model writes again without them?", "bold"),
        *map(Text, _spell_counts(judged, unit)),
        Text(),
    ]
    for sentence in _spell_methods(judged.rows, seed):
        lines += [Text(sentence), Text()]
    for block in summarize_judgements(judged.rows, seed=seed):
        lines += [*_render_block(block, unit, judged), Text()]
    if each or details or len(judged.causes) == 1:
        for causes in judged.causes:
            lines += [*_render_prompt(causes, judged.rows), Text()]
    lines += [Text(line, "dim") for line in notes]
    if not (details or each or len(judged.causes) == 1):
        lines.append(Text("what each prompt's parts change: --details", "dim"))
    return Group(*lines)


# ---- how much was tried ---------------------------------------------------------------------------------------------


def _spell_counts(judged: Judged, unit: str) -> Iterator[str]:
    """What was taken away, what that changed, and which prompts say nothing about an order."""
    n_parts = sum(len(one.parts) for one in judged.causes)
    n_causes = sum(len(one.causes) for one in judged.causes)
    prompts = count(len(judged.causes), "prompt")
    change = "changes" if n_causes == 1 else "change"
    yield f"{prompts}, {count(n_parts, unit)}, each taken away alone: {n_causes:,} of them {change} the answer."
    none = sum(not one.causes for one in judged.causes)
    every = sum(len(one.causes) == len(one.parts) for one in judged.causes)
    if none or every:
        found = [f"in {none:,} no {unit} changes it"] * bool(none) + [f"in {every:,} every {unit} does"] * bool(every)
        yield f"{none + every:,} of the prompts can't judge an order: {', '.join(found)}."
    if judged.n_skipped:
        yield f"{count(judged.n_skipped, 'prompt')} skipped, the first because: {one_line(judged.reason)}"


def _spell_notes(judged: Judged, sampling: Sampling, refusal: str) -> Iterator[str]:
    """What the table means, and what to keep in mind."""
    unit = _name_unit(judged)
    if judged.rows:
        yield f"changes it: prompts where the answer changes without the {unit} that an order puts first"
        yield f"precision: average precision, 1 if all {unit}s that change the answer come first; random: expected"
        yield "95% interval: Wilson's for the rate, bootstrap over prompts for the mean"
    if any(row.way is Way.THROUGH for row in judged.rows):
        yield "own words, in all: through what the model wrote before the target, which attribution holds fixed"
    new = sum(not one.is_reproduced for one in judged.causes)
    if new:
        yield f"in {count(new, 'prompt')} the model now writes another answer than is stored: changes are from that"
    if sampling.temperature:
        yield f"the texts were drawn with a temperature of {sampling.temperature:g}: they differ by chance, too"
    if refusal:
        refused = ", ".join(f"{method} {WAYS[way]} {n:,}" for (method, way), n in judged.refused.items())
        yield f"not judged, in so many prompts: {refused}; the first because: {one_line(refusal)}"


def _name_unit(judged: Judged) -> str:
    """The name of one part."""
    return name_unit(judged.causes[0].by if judged.causes else "")


# ---- what each method finds -----------------------------------------------------------------------------------------


def _spell_methods(rows: Sequence[Judgement], seed: int) -> Iterator[str]:
    """A sentence or two for each method, on several prompts."""
    n_prompts = len({row.id for row in rows})
    if n_prompts < 2:
        return
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        yield f"{method}: {' '.join(filter(None, (_spell_direct(own, seed), _spell_ways(own, seed))))}"
    if n_prompts < FEW_PROMPTS:
        yield f"{n_prompts} prompts are few: this is a sign, no proof."


def _spell_direct(rows: Sequence[Judgement], seed: int) -> str:
    """How often its first part is a cause, beside chance and the nearest part, and which precision is better."""
    own = [row for row in rows if row.way is Way.DIRECT]
    unit = name_unit(own[0].by)
    hits, chance, nearest = (_sum_first(own, name) for name in ("own", "random", "nearest"))
    said = (
        f"its first {unit} changes the answer in {_show_count(hits)} of {len(own):,} prompts; the nearest {unit} in"
        f" {_show_count(nearest)}, a {unit} at random in {chance:.1f}."
    )
    verdicts = [
        f"{_judge(compare_with_rival(own, rival, seed=seed), 'no better than', 'better than', 'worse than')} {name}"
        for rival, name in (("random", "chance"), ("nearest", f"the nearest {unit} first"))
    ]
    return f"{said} By average precision it is {' and '.join(verdicts)}."


def _spell_ways(rows: Sequence[Judgement], seed: int) -> str:
    """How its precision through the model's own words, and in all, differs from the direct one."""
    through = compare_ways(rows, Way.THROUGH, Way.DIRECT, seed=seed)
    total = compare_ways(rows, Way.ALL, Way.DIRECT, seed=seed)
    if through is None or total is None:
        return ""
    n_own = sum(row.way is Way.THROUGH for row in rows)
    verdicts = VERDICTS if n_own >= FEW_PROMPTS else ("which may be chance", FEW_SIGN, FEW_SIGN)
    found = [
        f"{name} {mean.mean:+.2f}{_show_interval(mean, ' ({})', sign='+')}, {_judge(mean, *verdicts)}"
        for name, mean in (("through own words", through), ("in all", total))
    ]
    those = f" on the {n_own:,} prompts with own words" * (n_own < sum(row.way is Way.DIRECT for row in rows))
    return f"Against direct{those}, its precision is {'; '.join(found)}."


def _judge(ahead: Mean, equal: str, better: str, worse: str) -> str:
    """A verdict on a difference: its interval decides."""
    if ahead.low is None or ahead.high is None or ahead.low <= 0 <= ahead.high:
        return equal
    return better if ahead.mean > 0 else worse


def _sum_first(rows: Sequence[Judgement], name: str) -> float:
    return sum(getattr(row, name).first for row in rows)


def _render_block(block: Block, unit: str, judged: Judged) -> Iterator[RenderableType]:
    """A row for each method and way, and for each rival."""
    n_judged = sum(one.can_judge for one in judged.causes)
    which = "" if block.n_prompts == n_judged else " where the model wrote words before the target"
    yield Text(f"{count(block.n_prompts, 'prompt')}{which}", "bold")
    table: Table = new_table("order", "way", "changes it", "95% interval", "precision", "95% interval")
    table.columns[1].justify = "left"
    for order in block.orders:
        table.add_row(
            NAMES.get(order.name, order.name),
            WAYS[order.way] if order.way else "",
            f"{_show_count(order.n_first)} of {order.n_prompts:,}",
            _show_rate(order),
            f"{order.average.mean:.2f}",
            _show_interval(order.average),
        )
    yield table


def _show_count(n: float) -> str:
    """A count, with a decimal if it is an expected one."""
    return f"{n:,.0f}" if abs(n - round(n)) < 1e-9 else f"{n:,.1f}"


def _show_rate(order: OrderSummary) -> str:
    low, high = order.first.low, order.first.high
    return "" if low is None or high is None else f"{max(0.0, low * 100):.0f} to {high * 100:.0f}%"


def _show_interval(mean: Mean, form: str = "{}", *, sign: str = "") -> str:
    if mean.low is None or mean.high is None:
        return ""
    return form.format(f"{mean.low:{sign}.2f} to {mean.high:{sign}.2f}")


# ---- each prompt ----------------------------------------------------------------------------------------------------


def _render_prompt(causes: PromptCauses, rows: Sequence[Judgement]) -> Iterator[RenderableType]:
    """Which parts change the answer, into what, and which part each method puts first."""
    yield Text(one_line(causes.id), "bold")
    yield Text(f"{spell_causes(causes)}.")
    for part in causes.causes:
        written = "nothing" if part.answer is None else f"“{quote(part.answer, SHOWN_WIDTH)}”"
        yield Text(f"  line {part.line}, “{quote(part.text.strip(), SHOWN_WIDTH)}”: then it writes {written}")
    own = [row for row in rows if row.id == causes.id]
    for method in dict.fromkeys(row.method for row in own):
        first = ", ".join(
            f"{WAYS[row.way]} line {row.top_line} ({'changes' if row.own.first else 'does not change'} it)"
            for row in own
            if row.method == method
        )
        yield Text(f"  {method} puts first: {first}")
