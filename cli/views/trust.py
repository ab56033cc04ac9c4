"""Describe the evaluation of one prompt in a few plain sentences."""

from __future__ import annotations

from promptlight.salience.faithfulness.curves import TOP_K
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.text.printable import quote

CLEARLY, PERHAPS = 0.1, 0.25  # largest p for better than chance, and for perhaps better than chance
FEW = 3  # this many sources have so few orders that random ones often include the best
STEADY, SHAKY = 0.9, 0.7  # smallest rank correlation under noise for a stable order, and for a mostly stable one
LITTLE = 0.1  # nats that all sources must change together: a tenth of the probability
SHOWN_WIDTH = 40


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
    """An absolute drop with one decimal, or with two digits if it is small."""
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
    """The name of one source."""
    return row.by if row.by.isalpha() else "part"


def name_target(row: PromptEvaluation) -> str:
    """The target that was measured, for readers who may look at another one."""
    return "the whole completion" if row.target is None else f"“{quote(row.target_text, SHOWN_WIDTH)}”"
