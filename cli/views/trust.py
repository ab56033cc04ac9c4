"""Describe the evaluation of one prompt in a few plain sentences."""

from __future__ import annotations

from promptlight.cli.views.sentences import PART, name_units, quote_in, say
from promptlight.io.page.overview import Chance
from promptlight.io.page.words import Language
from promptlight.salience.faithfulness.curves import TOP_K
from promptlight.salience.faithfulness.summaries import RIVALS, PromptEvaluation

CLEARLY, PERHAPS = 0.1, 0.25  # largest p for better than chance, and for perhaps better than chance
FEW = 3  # this many sources have so few orders that random ones often include the best
STEADY, SHAKY = 0.9, 0.7  # smallest rank correlation under noise for a stable order, and for a mostly stable one
LITTLE = 0.1  # nats that all sources must change together: a tenth of the probability
SHOWN_WIDTH = 40
RULES = tuple(rival for rival in RIVALS if rival != "random")
ENGLISH = Language.ENGLISH


def describe_trust(row: PromptEvaluation, language: Language = ENGLISH) -> str:
    """How far the method's order can be trusted for this prompt, in a few plain sentences.

    The loss by the strongest sources is quoted beside the best of its rivals: random orders and the simple rules.
    """
    k = _choose_size(row)
    parts = [_compare_drops(row, k, "taken", language)]
    if k > 1 and _find_best_drop(row, 1)[1] > row.order.drop(1):
        parts.append(_compare_drops(row, 1, "alone", language))
    if abs(row.log_prob - row.empty_log_prob) < LITTLE:
        parts.append(say(language, "trust.little", little=LITTLE, **name_units(language, name_unit(row), 2)))
    parts += [_compare_with_chance(row, language), _compare_with_rules(row, k, language)]
    return say(language, "space").join(filter(None, [*parts, describe_noise(row.noise_correlation, language)]))


def _choose_size(row: PromptEvaluation) -> int:
    """How many sources to take away: 3, or 1 if there are no more than 3."""
    return max(size for size in TOP_K if size < row.n_sources and size <= 3)


def _compare_drops(row: PromptEvaluation, k: int, said: str, language: Language) -> str:
    """What the k strongest sources do to the log-probability, and what the best rival and random ones do.

    ``said`` is ``taken``, or ``alone`` for a second such sentence.
    """
    unit, own = name_unit(row), row.order.drop(k)
    rival, drop = _find_best_drop(row, k)
    others = [(rival, drop)] if rival == "random" else [(rival, drop), ("random", row.random.drop(k))]
    return say(
        language,
        f"trust.{said}-{_name_turn(own)}",
        what=name_strongest(unit, k, language),
        drop=show_drop(abs(own)),
        others=say(language, "join").join(_say_rival(name, unit, k, own, other, language) for name, other in others),
        **name_units(language, unit, k),
    )


def _say_rival(rival: str, unit: str, k: int, own: float, drop: float, language: Language) -> str:
    """What a rival's k sources do; the verb is said if it is not that of the method's ``own`` ones."""
    how = "same" if (own >= 0) == (drop >= 0) else _name_turn(drop)
    name = name_rival(rival, unit, k, language)
    return say(language, f"rival.{how}-{_name_number(k)}", name=name, drop=show_drop(abs(drop)))


def _name_turn(drop: float) -> str:
    return "lowers" if drop >= 0 else "raises"


def _name_number(k: int) -> str:
    return "one" if k == 1 else "many"


def _find_best_drop(row: PromptEvaluation, k: int) -> tuple[str, float]:
    """The rival whose first k sources cost most, and what they cost."""
    drops = {rival: getattr(row, rival).drop(k) for rival in RIVALS}
    return max(drops.items(), key=lambda item: item[1])


def name_strongest(unit: str, k: int, language: Language = ENGLISH) -> str:
    """What a method takes away."""
    return say(language, f"trust.strongest-{_name_number(k)}", **name_units(language, unit, k))


def name_rival(rival: str, unit: str, k: int, language: Language = ENGLISH) -> str:
    """What a rival takes away: k sources by its rule."""
    kind = rival if rival != "last_line" else "last-line" if unit == "line" else "last-part"
    return say(language, f"rival.{kind}-{_name_number(k)}", less=k - 1, **name_units(language, unit, k))


def _compare_with_rules(row: PromptEvaluation, k: int, language: Language) -> str:
    """Say plainly where a simple rule does better than the method, by the loss that was quoted or over the whole order.

    Of few sources, the strongest is often the nearest one, so nothing is said of rules that do just as well.
    """
    unit = name_unit(row)
    by_drop = max(RULES, key=lambda rule: getattr(row, rule).drop(k))
    by_area = min(RULES, key=lambda rule: getattr(row, rule).deletion)
    drop = _judge(getattr(row, by_drop).drop(k) - row.order.drop(k), row)
    area = _judge(row.order.deletion - getattr(row, by_area).deletion, row)
    order = say(language, f"rules.{by_area.replace('_', '-')}", **name_units(language, unit, 1))
    found: list[str] = []
    if drop and drop == area and by_drop == by_area:
        found.append(say(language, "rules.order", order=order, how=say(language, f"rules.{drop}")))
    else:
        if drop:
            name = name_rival(by_drop, unit, k, language)
            found.append(say(language, "rules.drop", name=name, how=say(language, f"rules.{drop}")))
        if area:
            found.append(say(language, "rules.area", order=order, how=say(language, f"rules.{area}")))
    return say(language, "space").join(found)


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
    return "better" if ahead > 0 else "as-well" if ahead == 0 and row.n_sources > FEW else ""


def show_drop(drop: float) -> str:
    """A drop with one decimal, or with two digits if it is small."""
    return f"{drop:.1f}" if abs(drop) >= 0.95 else f"{drop + 0.0:.2g}"


def judge_chance(row: PromptEvaluation) -> Chance:
    """Whether the method's order beats chance; ``few`` sources are too few to tell."""
    p = (row.n_random - row.n_beaten + 1) / (row.n_random + 1)
    return "few" if row.n_sources <= FEW else "clearly" if p <= CLEARLY else "perhaps" if p <= PERHAPS else "not"


def _compare_with_chance(row: PromptEvaluation, language: Language) -> str:
    named = name_units(language, name_unit(row), row.n_sources)
    return say(language, f"chance.{judge_chance(row)}", beaten=row.n_beaten, random=row.n_random, **named)


def describe_noise(correlation: float | None, language: Language = ENGLISH) -> str:
    """How stable the order is, by its rank correlation under noise; empty if that was not measured."""
    if correlation is None:
        return ""
    how = "steady" if correlation >= STEADY else "shaky" if correlation >= SHAKY else "unsteady"
    return say(language, f"noise.{how}", correlation=f"{correlation:.2f}")


def name_unit(row: PromptEvaluation) -> str:
    """The name of one source."""
    return row.by if row.by.isalpha() else PART


def name_target(row: PromptEvaluation, language: Language = ENGLISH) -> str:
    """The target that was measured, for readers who may look at another one."""
    return say(language, "trust.whole") if row.target is None else quote_in(language, row.target_text, SHOWN_WIDTH)
