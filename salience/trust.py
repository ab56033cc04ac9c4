"""What the measurements of ``faithfulness.py`` say: of one prompt in words, of many as means with intervals.

Means have 95% intervals over prompts (``summary.bootstrap_interval``). What a method gains over chance is averaged as a
difference within each prompt, so that prompts of different scale don't blur it.

Against chance a rank test speaks: if the order were no better than random ones, all places among them were as likely,
so with b of n random orders beaten, p = (n - b + 1) / (n + 1) (Phipson and Smyth 2010, arXiv:1603.05766). Ties count
against the order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from promptlight.salience.faithfulness import TOP_K, OrderFigures
from promptlight.salience.printable import quote
from promptlight.salience.summary import bootstrap_interval

FIGURES = tuple(field.name for field in fields(OrderFigures))
RIVALS = ("random", "nearest", "last_line")
CLEARLY, PERHAPS = 0.1, 0.25  # p up to which an order is better than chance, and up to which it may be
FEW = 3  # sources have so few orders that the best is often drawn
STEADY, SHAKY = 0.9, 0.7  # rank correlation under noise down to which an order stays, and down to which it mostly does
LITTLE = 0.1  # nats that all sources together must be worth: a tenth of the probability
SHOWN_WIDTH = 40


@dataclass(frozen=True, kw_only=True)
class PromptEvaluation:
    """One method on one prompt. Numbers are in nats but for counts and correlations.

    ``target`` is as asked for, None the whole completion; ``target_start`` and ``target_stop`` are its tokens.
    ``order`` has the method's figures; ``random`` are means. ``log_prob`` is the target's with all ``n_sources``, and
    ``empty_log_prob`` with none. ``noise_correlation`` is None where it was not measured or nothing is ranked, and
    ``agreement``, the mean rank correlation with the other methods, where there are none.
    """

    id: str
    source: str | None
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
        """As one flat row: ``deletion`` is the method's, ``random_deletion`` chance's, and so on."""
        row = asdict(self)
        row |= row.pop("order")
        for rival in RIVALS:
            row |= {f"{rival}_{name}": value for name, value in row.pop(rival).items()}
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> PromptEvaluation:
        """Back from ``to_row``; what else the row has is left out."""
        values: dict[str, Any] = {field.name: row.get(field.name) for field in fields(cls)}
        for name, prefix in {"order": "", **{rival: f"{rival}_" for rival in RIVALS}}.items():
            values[name] = OrderFigures(**{figure: row[f"{prefix}{figure}"] for figure in FIGURES})
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over prompts and its 95% interval; a single prompt gives none."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class FigureSummary:
    """One figure over the prompts that have it: the method's, its rivals' means, and how far the method is ahead.

    ``gain`` is the paired difference method minus random; below 0 is better for a deletion area, above 0 for all else.
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
    """One method over all prompts; ``beaten`` are random orders whose deletion area is higher, of ``n_random``."""

    method: str
    n_prompts: int
    figures: Sequence[FigureSummary]
    n_random: int
    beaten: Mean
    noise: Mean | None


def summarize_methods(rows: Iterable[PromptEvaluation], *, seed: int = 0) -> list[MethodSummary]:
    """Each method's means, in the order in which the methods come."""
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


def take_mean(values: Sequence[float], *, seed: int = 0) -> Mean:
    """A mean with its interval over prompts."""
    low, high = bootstrap_interval(values, seed=seed) or (None, None)
    return Mean(mean=fmean(values), low=low, high=high)


def describe_trust(row: PromptEvaluation) -> str:
    """How far the method's order can be trusted for this prompt, in a few plain sentences."""
    unit = name_unit(row)
    k = max(size for size in TOP_K if size < row.n_sources and size <= 3)
    strongest, at_random = f"the {k} strongest {unit}s", f"{k} {unit}s at random"
    if k == 1:
        strongest, at_random = f"the strongest {unit}", f"a {unit} at random"
    parts = [f"taking away {strongest} {_compare_drops(row, k, at_random)}."]
    if abs(row.log_prob - row.empty_log_prob) < LITTLE:
        parts.append(f"All {unit}s together change it by less than {LITTLE}: there is little to explain.")
    parts.append(_compare_with_chance(row))
    if row.n_sources > FEW and row.nearest.deletion <= row.order.deletion:
        parts.append(f"Simply the nearest {unit}s first would do as well.")
    return " ".join(filter(None, [*parts, _describe_noise(row.noise_correlation)]))


def _compare_drops(row: PromptEvaluation, k: int, at_random: str) -> str:
    own, chance = (getattr(figures, f"drop_{k}") for figures in (row.order, row.random))
    verbs = ["lowers" if drop >= 0 else "raises" for drop in (own, chance)]
    other = "" if verbs[0] == verbs[1] else f" {verbs[1] if k == 1 else verbs[1][:-1]} it"
    return f"{verbs[0]} the log-probability by {_show(own)}; {at_random}{other} by {_show(chance)}"


def _show(drop: float) -> str:
    """A size with a digit behind the point, or two digits if it is small."""
    return f"{abs(drop):.1f}" if abs(drop) >= 0.95 else f"{abs(drop):.2g}"


def _compare_with_chance(row: PromptEvaluation) -> str:
    p = (row.n_random - row.n_beaten + 1) / (row.n_random + 1)
    if row.n_sources <= FEW:
        few = f"{row.n_sources} {name_unit(row)}s are too few to tell an order from chance"
        return f"The order beats {row.n_beaten} of {row.n_random} random orders, but {few}."
    beaten = f"he order beats {row.n_beaten} of {row.n_random} random orders"
    if p <= CLEARLY:
        return f"T{beaten}."
    if p <= PERHAPS:
        return f"T{beaten}, which may still be chance."
    return f"No better than chance here: t{beaten}."


def _describe_noise(correlation: float | None) -> str:
    if correlation is None:
        return ""
    how = "hardly changes" if correlation >= STEADY else "changes in part" if correlation >= SHAKY else "changes a lot"
    return f"With a little noise it {how} (rank correlation {correlation:.2f})."


def name_unit(row: PromptEvaluation) -> str:
    """What one source is called."""
    return row.by if row.by.isalpha() else "part"


def name_target(row: PromptEvaluation) -> str:
    """What was measured, for a reader who may look at something else."""
    return "the whole completion" if row.target is None else f"“{quote(row.target_text, SHOWN_WIDTH)}”"
