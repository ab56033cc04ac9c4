"""Describe the evaluation of one prompt in a few plain sentences."""

from __future__ import annotations

from promptlight.salience.faithfulness.curves import TOP_K
from promptlight.salience.faithfulness.summaries import RIVALS, PromptEvaluation
from promptlight.salience.text.printable import quote

CLEARLY, PERHAPS = 0.1, 0.25  # largest p for better than chance, and for perhaps better than chance
FEW = 3  # this many sources have so few orders that random ones often include the best
STEADY, SHAKY = 0.9, 0.7  # smallest rank correlation under noise for a stable order, and for a mostly stable one
LITTLE = 0.1  # nats that all sources must change together: a tenth of the probability
SHOWN_WIDTH = 40
RULES = tuple(rival for rival in RIVALS if rival != "random")


def describe_trust(row: PromptEvaluation) -> str:
    """How far the method's order can be trusted for this prompt, in a few plain sentences.

    The loss by the strongest sources is quoted beside the best of its rivals: random orders and the simple rules.
    """
    unit = name_unit(row)
    k = _choose_size(row)
    parts = [f"taking away {name_strongest(unit, k)} {_compare_drops(row, k, 'the log-probability')}."]
    if k > 1 and _find_best_drop(row, 1)[1] > row.order.drop(1):
        parts.append(f"{name_strongest(unit, 1).capitalize()} alone {_compare_drops(row, 1, 'it')}.")
    if abs(row.log_prob - row.empty_log_prob) < LITTLE:
        parts.append(f"All {unit}s together change it by less than {LITTLE}: there is little to explain.")
    parts += [_compare_with_chance(row), _compare_with_rules(row, k)]
    return " ".join(filter(None, [*parts, describe_noise(row.noise_correlation)]))


def _choose_size(row: PromptEvaluation) -> int:
    """How many sources to take away: 3, or 1 if there are no more than 3."""
    return max(size for size in TOP_K if size < row.n_sources and size <= 3)


def _compare_drops(row: PromptEvaluation, k: int, what: str) -> str:
    """What the k strongest sources do to the log-probability (``what``), and what the best rival and random ones do."""
    unit, own = name_unit(row), row.order.drop(k)
    rival, drop = _find_best_drop(row, k)
    others = [(name_rival(rival, unit, k), drop)]
    if rival != "random":
        others.append((name_rival("random", unit, k), row.random.drop(k)))
    compared = ", ".join(f"{name}{_turn(own, other, many=k > 1)} by {show_drop(abs(other))}" for name, other in others)
    return f"{'lowers' if own >= 0 else 'raises'} {what} by {show_drop(abs(own))}; {compared}"


def _turn(own: float, other: float, *, many: bool) -> str:
    """The verb of a drop that has not the sign of the method's own one."""
    if (own >= 0) == (other >= 0):
        return ""
    return (" lower" if other >= 0 else " raise") + ("" if many else "s") + " it"


def _find_best_drop(row: PromptEvaluation, k: int) -> tuple[str, float]:
    """The rival whose first k sources cost most, and what they cost."""
    drops = {rival: getattr(row, rival).drop(k) for rival in RIVALS}
    return max(drops.items(), key=lambda item: item[1])


def name_strongest(unit: str, k: int) -> str:
    """What a method takes away."""
    return f"the strongest {unit}" if k == 1 else f"the {k} strongest {unit}s"


def name_rival(rival: str, unit: str, k: int) -> str:
    """What a rival takes away: k sources by its rule."""
    if rival == "random":
        return f"a {unit} at random" if k == 1 else f"{k} {unit}s at random"
    if rival == "nearest":
        return f"the nearest {unit}" if k == 1 else f"the {k} nearest {unit}s"
    if unit == "line":
        return "the prompt's last line" if k == 1 else f"the prompt's last line and the first {k - 1}"
    return f"the last {unit} of the prompt's last line" if k == 1 else f"{k} {unit}s, the prompt's last line first,"


def _compare_with_rules(row: PromptEvaluation, k: int) -> str:
    """Say plainly where a simple rule does better than the method, by the loss that was quoted or over the whole order.

    Of few sources, the strongest is often the nearest one, so nothing is said of rules that do just as well.
    """
    unit = name_unit(row)
    by_drop = max(RULES, key=lambda rule: getattr(row, rule).drop(k))
    by_area = min(RULES, key=lambda rule: getattr(row, rule).deletion)
    drop = _judge(getattr(row, by_drop).drop(k) - row.order.drop(k), row)
    area = _judge(row.order.deletion - getattr(row, by_area).deletion, row)
    if drop and drop == area and by_drop == by_area:
        return f"Simply {_name_order(by_drop, unit)} would do {drop}."
    found = f"Simply {name_rival(by_drop, unit, k)} would do {drop}." if drop else ""
    over = f"Over the whole order, simply {_name_order(by_area, unit)} would do {area}." if area else ""
    return f"{found} {over}".strip()


def is_beaten_by_rule(row: PromptEvaluation) -> bool:
    """Whether a simple rule does better than the method: by a loss that is quoted, or over the whole order."""
    rules = [getattr(row, rule) for rule in RULES]
    sizes = {1, _choose_size(row)}
    return any(
        rule.deletion < row.order.deletion or any(rule.drop(size) > row.order.drop(size) for size in sizes)
        for rule in rules
    )


def _judge(ahead: float, row: PromptEvaluation) -> str:
    """How a rule does that is this many nats ahead of the method; empty if it is behind."""
    return "better" if ahead > 0 else "as well" if ahead == 0 and row.n_sources > FEW else ""


def _name_order(rule: str, unit: str) -> str:
    return f"the nearest {unit}s first" if rule == "nearest" else "the prompt's last line first"


def show_drop(drop: float) -> str:
    """A drop with one decimal, or with two digits if it is small."""
    return f"{drop:.1f}" if abs(drop) >= 0.95 else f"{drop + 0.0:.2g}"


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


def describe_noise(correlation: float | None) -> str:
    """How stable the order is, by its rank correlation under noise; empty if that was not measured."""
    if correlation is None:
        return ""
    how = "hardly changes" if correlation >= STEADY else "changes in part" if correlation >= SHAKY else "changes a lot"
    return f"With a little noise the order {how} (rank correlation {correlation:.2f})."


def name_unit(row: PromptEvaluation) -> str:
    """The name of one source."""
    return row.by if row.by.isalpha() else "part"


def name_target(row: PromptEvaluation) -> str:
    """The target that was measured, for readers who may look at another one."""
    return "the whole completion" if row.target is None else f"“{quote(row.target_text, SHOWN_WIDTH)}”"
