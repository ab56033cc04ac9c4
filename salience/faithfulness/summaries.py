"""Summarise the measurements of ``evaluation.py``: one row per method and prompt, means with intervals over prompts.

Means have 95% intervals over prompts (``statistics.bootstrap_interval``). A method's gain over chance is the mean of
differences within each prompt, so prompts of different scale don't blur it.

A rank test compares an order with chance: if it were no better than the random orders, each rank among them would be
equally likely. So with b of n random orders beaten, p = (n - b + 1) / (n + 1) (Phipson and Smyth 2010,
arXiv:1603.05766). Ties count against the order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from promptlight.salience.faithfulness.curves import OrderFigures
from promptlight.salience.statistics import Mean, take_mean

FIGURES = tuple(field.name for field in fields(OrderFigures))
RIVALS = ("random", "nearest", "last_line")


@dataclass(frozen=True, kw_only=True)
class PromptEvaluation:
    """One method on one prompt. Numbers are in nats, except counts and correlations.

    ``target`` is as the user gave it, None for the whole completion; ``target_start`` and ``target_stop`` are tokens.
    ``order`` has the method's figures; ``random`` are means. ``log_prob`` is the target's with all ``n_sources``, and
    ``empty_log_prob`` with none. ``noise_correlation`` is None if it was not measured or all scores are equal.
    ``agreement`` is the mean rank correlation with the other methods, None if there are none.
    """

    id: str
    label: str | None
    fingerprint: str
    method: str
    by: str
    target: str | None
    target_by: str
    target_text: str
    target_start: int
    target_stop: int
    n_sources: int
    log_prob: float
    empty_log_prob: float
    order: OrderFigures
    random: OrderFigures
    nearest: OrderFigures
    last_line: OrderFigures
    n_random: int
    n_beaten: int
    n_beaten_insertion: int
    noise_correlation: float | None
    agreement: float | None

    def to_row(self) -> dict[str, Any]:
        """Make one flat row: ``deletion`` is the method's, ``random_deletion`` that of random orders, and so on."""
        row = asdict(self)
        row |= {"source": row.pop("label"), **row.pop("order")}
        for rival in RIVALS:
            row |= {f"{rival}_{name}": value for name, value in row.pop(rival).items()}
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> PromptEvaluation:
        """Read a row of ``to_row``; other columns are ignored."""
        values: dict[str, Any] = {field.name: row.get(field.name) for field in fields(cls)} | {"label": row["source"]}
        for name, prefix in {"order": "", **{rival: f"{rival}_" for rival in RIVALS}}.items():
            values[name] = OrderFigures(**{figure: row[f"{prefix}{figure}"] for figure in FIGURES})
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class FigureSummary:
    """One figure over the prompts that have it: means of the method and its rivals, and the method's gain.

    ``gain`` is the paired difference method minus random. Below 0 is better for a deletion area, above 0 otherwise.
    """

    name: str
    n_prompts: int
    own: Mean
    random: float
    nearest: float
    last_line: float
    gain: Mean


@dataclass(frozen=True, kw_only=True)
class MethodSummary:
    """One method over all prompts; ``beaten``: how many of ``n_random`` random orders have a higher deletion area."""

    method: str
    n_prompts: int
    figures: Sequence[FigureSummary]
    n_random: int
    beaten: Mean
    noise: Mean | None


def summarize_methods(rows: Iterable[PromptEvaluation], *, seed: int = 0) -> list[MethodSummary]:
    """Each method's means, in the order in which the methods first occur."""
    by_method: defaultdict[str, list[PromptEvaluation]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    return [_summarize(method, own, seed) for method, own in by_method.items()]


def _summarize(method: str, rows: Sequence[PromptEvaluation], seed: int) -> MethodSummary:
    figures = (_summarize_figure(name, rows, seed) for name in FIGURES)
    noise = [row.noise_correlation for row in rows if row.noise_correlation is not None]
    return MethodSummary(
        method=method,
        n_prompts=len(rows),
        figures=[figure for figure in figures if figure is not None],
        n_random=rows[0].n_random,
        beaten=take_mean([row.n_beaten for row in rows], seed=seed),
        noise=take_mean(noise, seed=seed) if noise else None,
    )


def _summarize_figure(name: str, rows: Sequence[PromptEvaluation], seed: int) -> FigureSummary | None:
    having = [row for row in rows if getattr(row.order, name) is not None]
    if not having:
        return None
    own = [getattr(row.order, name) for row in having]
    rivals = {rival: [getattr(getattr(row, rival), name) for row in having] for rival in RIVALS}
    differences = [value - chance for value, chance in zip(own, rivals["random"], strict=True)]
    return FigureSummary(
        name=name,
        n_prompts=len(having),
        own=take_mean(own, seed=seed),
        gain=take_mean(differences, seed=seed),
        **{rival: fmean(values) for rival, values in rivals.items()},
    )
