"""What an evaluation found over many prompts: a sentence for each method, and a small table.

grad_l2: taking away the 3 strongest lines lowers the log-probability more than 3 lines at random in 18 of 20 prompts
(by 14.4 on average, against 4.2). The 3 nearest lines do as well (15.1).

taken away first  1 line  3 lines  beats random  beats nearest
grad_l2              9.3     14.4      18 of 20        8 of 20
nearest             10.0     15.1      19 of 20
random               1.4      4.2
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from rich.table import Table

from promptlight.cli.views.trust import RULES, describe_noise, name_rival, name_strongest, name_unit, show_drop
from promptlight.salience.faithfulness.curves import OrderFigures
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.statistics import Mean, take_mean

FEW_PROMPTS = 5  # below this, an interval over prompts says little
NAMES = {"nearest": "nearest", "last_line": "last line", "random": "random"}
Rows = Sequence[PromptEvaluation]


def _group_by_method(rows: Rows) -> dict[str, list[PromptEvaluation]]:
    """Each method's rows, in the order in which the methods first occur."""
    methods = dict.fromkeys(row.method for row in rows)
    return {method: [row for row in rows if row.method == method] for method in methods}


def spell_findings(rows: Rows, seed: int) -> Iterator[str]:
    """A sentence or two for each method, on several prompts."""
    for method, own in _group_by_method(rows).items():
        yield f"{method}: {_describe_method(own, seed)}"
    n_prompts = len({row.id for row in rows})
    if n_prompts < FEW_PROMPTS:
        yield f"{n_prompts} prompts are few: this is a sign, no proof."


def _describe_method(rows: Rows, seed: int) -> str:
    """Compare the loss by the strongest sources with random ones and with the better simple rule."""
    k, used = _choose_size(rows)
    unit = name_unit(used[0])
    own, chance = (fmean(values) for values in (_take_drops(used, "order", k), _take_drops(used, "random", k)))
    n_ahead = sum(row.order.drop(k) > row.random.drop(k) for row in used)
    verdict = "" if (_compare(used, "order", "random", k, seed).low or 0) > 0 else "no better than chance: "
    of_random = (
        f"{verdict}taking away {name_strongest(unit, k)} lowers the log-probability more than"
        f" {name_rival('random', unit, k)} in {n_ahead:,} of {len(used):,} prompts"
        f" (by {show_drop(own)} on average, against {show_drop(chance)})."
    )
    noise = [row.noise_correlation for row in used if row.noise_correlation is not None]
    parts = [of_random, _describe_rule(used, k, seed), describe_noise(fmean(noise) if noise else None)]
    return " ".join(filter(None, parts))


def _describe_rule(rows: Rows, k: int, seed: int) -> str:
    """How the better simple rule does beside the method: its interval over prompts decides."""
    rule = max(RULES, key=lambda rule: fmean(_take_drops(rows, rule, k)))
    drop, ahead = fmean(_take_drops(rows, rule, k)), _compare(rows, rule, "order", k, seed)
    how = "as well" if ahead.low is None or ahead.high is None or ahead.low <= 0 <= ahead.high else ""
    how = how or ("better" if ahead.mean > 0 else "worse")
    name = name_rival(rule, name_unit(rows[0]), k)
    return f"{name[0].upper()}{name[1:]} {'does' if k == 1 else 'do'} {how} ({show_drop(drop)})."


def _choose_size(rows: Rows) -> tuple[int, Rows]:
    """3 sources to take away if half of the prompts have more than 3, else 1; and the prompts that have more."""
    wide = [row for row in rows if row.n_sources > 3]
    return (3, wide) if len(wide) > 1 and 2 * len(wide) >= len(rows) else (1, rows)


def _take_drops(rows: Rows, of: str, k: int) -> list[float]:
    return [_figures(row, of).drop(k) for row in rows]


def _figures(row: PromptEvaluation, of: str) -> OrderFigures:
    return getattr(row, of)


def _compare(rows: Rows, one: str, other: str, k: int, seed: int) -> Mean:
    """The mean over prompts of the difference between two drops, with its interval."""
    pairs = zip(_take_drops(rows, one, k), _take_drops(rows, other, k), strict=True)
    return take_mean([drop - rival for drop, rival in pairs], seed=seed)


def render_drops(rows: Rows) -> Table:
    """A row for each method and each rival: its mean drops, and in how many prompts it beats others (of several)."""
    by_method = _group_by_method(rows)
    first = next(iter(by_method.values()))
    k, _ = _choose_size(first)
    unit, wide = name_unit(first[0]), [row for row in first if row.n_sources > 3]
    sizes = [1, 3] if wide else [1]
    heads = [f"{size} {unit}{'s' * (size > 1)}" for size in sizes]
    beaten = ["random", "nearest"] if len(first) > 1 else []
    table = new_table("taken away first", *heads, *(f"beats {rival}" for rival in beaten))
    lines: list[tuple[str, Rows, str]] = [(method, own, "order") for method, own in by_method.items()]
    lines += [(NAMES[rival], first, rival) for rival in ("nearest", "last_line", "random")]
    for name, own, of in lines:
        drops = (_take_drops([row for row in own if row.n_sources > size], of, size) for size in sizes)
        used = [row for row in own if row.n_sources > k]
        table.add_row(name, *(show_drop(fmean(one)) for one in drops), *_count_beaten(used, of, beaten, k))
    return table


def _count_beaten(used: Rows, of: str, beaten: Sequence[str], k: int) -> Iterator[str]:
    for rival in beaten:
        n_ahead = sum(_figures(row, of).drop(k) > _figures(row, rival).drop(k) for row in used)
        yield "" if of == "random" or of == rival else f"{n_ahead:,} of {len(used):,}"


def describe_drops(rows: Rows) -> Iterator[str]:
    """Explain the small table."""
    first = next(iter(_group_by_method(rows).values()))
    wide, unit = [row for row in first if row.n_sources > 3], name_unit(first[0])
    yield "numbers: how much the target's log-probability falls, in nats"
    if 0 < len(wide) < len(first):
        yield f"3 {unit}s: only the {len(wide):,} prompts with more than 3"


def new_table(*columns: str) -> Table:
    """A table with a column of names, then columns of numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=True, justify="right" if number else "left")
    return table
