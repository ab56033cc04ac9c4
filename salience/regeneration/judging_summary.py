"""Summarise judgements over prompts: how often each method's first part is a cause, and its average precision.

Prompts where the model wrote words before the target are summarised on their own, too: only there can the three ways be
compared. Rates have Wilson's 95% intervals, means the bootstrap's over prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from promptlight.salience.regeneration.judging import RIVALS, Judgement, read_precision
from promptlight.salience.regeneration.precision import Precision
from promptlight.salience.statistics import Mean, take_mean, wilson_interval
from promptlight.salience.types import Way


@dataclass(frozen=True, kw_only=True)
class OrderSummary:
    """One order over the prompts that have it: a method's by one way, or a rival's (``way`` None).

    ``n_first`` is the number of prompts where its first part is a cause (an expected value for chance), ``first`` that
    as a rate, and ``average`` the mean average precision.
    """

    name: str
    way: Way | None
    n_prompts: int
    n_first: float
    first: Mean
    average: Mean


@dataclass(frozen=True, kw_only=True)
class Block:
    """The orders of some prompts; ``has_own_words``: those where the model wrote words before the target."""

    n_prompts: int
    has_own_words: bool
    orders: Sequence[OrderSummary]


def summarize_judgements(rows: Sequence[Judgement], *, seed: int = 0) -> list[Block]:
    """All prompts by the direct way, then those with own words by every way; one block if all have some."""
    with_own = {row.id for row in rows if row.way is Way.THROUGH}
    blocks: list[Block] = []
    if any(row.id not in with_own for row in rows):
        blocks.append(_summarize([row for row in rows if row.way is Way.DIRECT], seed, has_own_words=False))
    if with_own:
        blocks.append(_summarize([row for row in rows if row.id in with_own], seed, has_own_words=True))
    return blocks


def compare_ways(rows: Iterable[Judgement], one: Way, other: Way, *, seed: int = 0) -> Mean | None:
    """The mean difference of a method's average precision by two ways, prompt by prompt; None without such prompts."""
    found: dict[Way, dict[str, float]] = {one: {}, other: {}}
    for row in rows:
        if row.way in found:
            found[row.way][row.id] = row.own.average
    pairs = [(value, found[other][id]) for id, value in found[one].items() if id in found[other]]
    return take_mean([left - right for left, right in pairs], seed=seed) if pairs else None


def compare_with_rival(rows: Sequence[Judgement], rival: str, *, seed: int = 0) -> Mean:
    """The mean difference of average precision from a rival's, prompt by prompt."""
    return take_mean([row.own.average - read_precision(row, rival).average for row in rows], seed=seed)


def _summarize(rows: Sequence[Judgement], seed: int, *, has_own_words: bool) -> Block:
    orders = dict.fromkeys((row.method, row.way) for row in rows)
    found = [
        _summarize_order(method, way, [row.own for row in rows if (row.method, row.way) == (method, way)], seed)
        for method, way in orders
    ]
    each = list({row.id: row for row in rows}.values())
    found += [_summarize_order(rival, None, [read_precision(row, rival) for row in each], seed) for rival in RIVALS]
    return Block(n_prompts=len(each), has_own_words=has_own_words, orders=found)


def _summarize_order(name: str, way: Way | None, found: Sequence[Precision], seed: int) -> OrderSummary:
    hits = [one.first for one in found]
    low, high = wilson_interval(sum(hits), len(hits)) if len(hits) > 1 else (None, None)
    return OrderSummary(
        name=name,
        way=way,
        n_prompts=len(found),
        n_first=sum(hits),
        first=Mean(mean=fmean(hits), low=low, high=high),
        average=take_mean([one.average for one in found], seed=seed),
    )
