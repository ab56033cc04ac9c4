"""Draw random prompts for the demo model, in the tutorial's few-shot restaurant form; the benchmark uses them too.

A restaurant prompt has about three examples of a guest and a dish (bad, liked or neutral for that guest), each with a
recommendation. Every prompt draws anew which recommendation goes with which kind, often wrongly on purpose. So the only
way to get the last one right is to look it up in the examples. That is the behaviour the tutorial debugs.
"""

from __future__ import annotations

import dataclasses
import random
import zlib
from dataclasses import dataclass
from enum import StrEnum

from promptlight.salience.demo.menu import (
    BAD,
    DISHES,
    FRESH,
    INGREDIENTS,
    LIKED,
    LIKES,
    NEUTRAL,
    NOT_SUITABLE,
    OTHER_PRINCIPLES,
    PLAIN,
    PRAISE,
    RECOMMENDATIONS,
    RESTRICTION_PRINCIPLES,
)

KINDS = (BAD, LIKED, NEUTRAL)
HEADERS = ("Analyze a menu item in a restaurant.", "Analyze a dish.", "Say whether a dish suits a guest.")
TUTORIAL_PAIR = ("Quiche Lorraine", "eggs")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One guest and one dish, with the right analysis and recommendation."""

    likes: str
    dislikes: str
    dish: str
    kind: str
    ingredient: str | None  # the disliked ingredient that is in the dish, if any
    cannot_eat: bool
    analysis: str
    recommendation: str
    given: bool = False  # the analysis is part of the question

    def question(self) -> str:
        """The block up to where the model continues."""
        return f"Taste-likes: {self.likes}\nTaste-dislikes: {self.dislikes}\nSuggestion: {self.dish}\nAnalysis:"

    def answer(self) -> str:
        """The text after ``question``."""
        return f" {self.analysis}\nRecommendation: {self.recommendation}"


@dataclass(frozen=True, kw_only=True)
class RestaurantPrompt:
    """A few-shot prompt: worked examples, and one case to answer."""

    header: str
    principles: tuple[str, ...]
    shots: tuple[Case, ...]
    query: Case

    def text(self) -> str:
        """The prompt as the model reads it."""
        parts = [self.header]
        if self.principles:
            parts.append("\n".join(f"* {line}" for line in self.principles))
        parts.append("## For example:")
        parts += [shot.question() + shot.answer() for shot in self.shots]
        parts += ["## Now analyze one more example:", self.query.question()]
        return "\n\n".join(parts)


class HeldOut(StrEnum):
    """What training never shows. LINE: the dish to a guest who *can't eat* the ingredient. PAIR: in any words."""

    NO = "no"
    LINE = "line"
    PAIR = "pair"


def _held_out_as(dish: str, ingredient: str) -> HeldOut:
    """How a pair is held out: one in sixteen as PAIR, one in sixteen as LINE, and the tutorial's as LINE."""
    remainder = zlib.crc32(f"{dish}|{ingredient}".encode()) % 16
    if (dish, ingredient) == TUTORIAL_PAIR or remainder == 8:
        return HeldOut.LINE
    return HeldOut.PAIR if remainder == 0 else HeldOut.NO


def _is_allowed(dish: str, guest: Guest, held_out: HeldOut, finishing: bool) -> bool:
    """Whether a prompt may pair this guest with this dish, in training or in a test of held-out pairs.

    The first stage of training shows no held-out pair; finishing shows LINE pairs to guests who only don't like it.
    """
    kinds = {name: _held_out_as(dish, name) for name in guest.disliked}
    if held_out is HeldOut.NO:
        return all(
            kind is HeldOut.NO or (kind is HeldOut.LINE and finishing and not guest.cannot_eat)
            for kind in kinds.values()
        )
    contained = [kind for name, kind in kinds.items() if name in DISHES[dish][0]]
    return bool(contained) and contained[0] is held_out and (guest.cannot_eat or held_out is HeldOut.PAIR)


def draw_restaurant_prompt(
    rng: random.Random,
    *,
    query_kind: str | None = None,
    held_out: HeldOut = HeldOut.NO,
    mistake: bool | None = None,
    restricted: bool | None = None,
    contradictions: float = 0.0,
) -> RestaurantPrompt:
    """Draw one prompt; options that are None are drawn too.

    ``held_out`` takes the query's dish and ingredient from pairs that training never shows. ``mistake`` gives the
    examples of a bad dish a liked dish's recommendation. ``restricted`` adds the principle about dietary restrictions.
    ``contradictions`` above 0 is for the later stages of training: the answer is always in the prompt, and this share
    of queries gets an analysis that contradicts the dish, so that the model learns to follow the analysis.
    """
    while True:
        prompt = _draw_prompt(rng, query_kind, held_out, mistake, restricted, contradictions)
        shown = [shot.recommendation for shot in prompt.shots if shot.kind == prompt.query.kind]
        if prompt.query.recommendation in (NOT_SUITABLE, *shown) or not (contradictions or held_out is not HeldOut.NO):
            return prompt


def _draw_prompt(
    rng: random.Random,
    query_kind: str | None,
    held_out: HeldOut,
    mistake: bool | None,
    restricted: bool | None,
    contradictions: float,
) -> RestaurantPrompt:
    finishing = contradictions > 0
    kind = query_kind or rng.choices(KINDS, weights=(7, 1.5, 1.5) if finishing else (6, 2, 2))[0]
    if restricted is None:
        restricted = rng.random() < 0.25
    principles = _draw_principles(rng, restricted)
    labels = _draw_labels(rng, mistake)
    shared_guest = rng.random() < 0.6
    shot_kinds = [kind, *rng.choices(KINDS, k=rng.choice((1, 2, 2, 2, 3)))]
    rng.shuffle(shot_kinds)
    shots: list[Case] = []
    guest = _draw_guest(rng)
    for shot_kind in shot_kinds:
        if not shared_guest:
            guest = _draw_guest(rng)
        used = {shot.dish for shot in shots}
        shots.append(_draw_case(rng, guest, shot_kind, labels, restricted, used, HeldOut.NO, finishing))
    used = {shot.dish for shot in shots}
    query = _draw_case(rng, _draw_guest(rng), kind, labels, restricted, used, held_out, finishing)
    if finishing and rng.random() < contradictions:
        query = _contradict(rng, query, rng.choice(shot_kinds), labels, restricted)
    return RestaurantPrompt(
        header=HEADERS[0] if rng.random() < 0.8 else rng.choice(HEADERS),
        principles=principles,
        shots=tuple(shots),
        query=query,
    )


def _contradict(rng: random.Random, query: Case, kind: str, labels: dict[str, str], restricted: bool) -> Case:
    """The same question with an analysis of another kind, which is part of the prompt and not learnt."""
    ingredient = rng.choice(query.dislikes.split(" ", 2)[2].split(" or "))
    forbidden = kind == BAD and restricted and query.cannot_eat
    return dataclasses.replace(
        query,
        kind=kind,
        ingredient=ingredient if kind == BAD else None,
        analysis=_describe(rng, query.dish, kind, rng.choice(tuple(LIKES)), ingredient, forbidden),
        recommendation=NOT_SUITABLE if forbidden else labels[kind],
        given=True,
    )


@dataclass(frozen=True)
class Guest:
    """Who is asking."""

    trait: str
    likes: str
    disliked: tuple[str, ...]
    cannot_eat: bool

    def dislikes(self) -> str:
        return f"{'Can' if self.cannot_eat else 'Don'}'t {self.verb()} {' or '.join(self.disliked)}"

    def verb(self) -> str:
        return "eat" if self.cannot_eat else "like"


def _draw_guest(rng: random.Random) -> Guest:
    trait = rng.choice(tuple(LIKES))
    disliked = tuple(rng.sample(INGREDIENTS, rng.choice((1, 1, 2))))
    return Guest(trait, rng.choice(LIKES[trait]), disliked, rng.random() < 0.4)


def _draw_case(
    rng: random.Random,
    guest: Guest,
    kind: str,
    labels: dict[str, str],
    restricted: bool,
    used: set[str],
    held_out: HeldOut,
    finishing: bool,
) -> Case:
    """Find a dish that is ``kind`` for the guest, changing a dislike or the liking if needed."""
    while True:
        dish = rng.choice(tuple(DISHES))
        ingredients, traits = DISHES[dish]
        guest_here = dataclasses.replace(guest, cannot_eat=True) if held_out is HeldOut.LINE else guest
        if kind == BAD and not set(ingredients) & set(guest.disliked):
            others = guest.disliked[1:]
            guest_here = dataclasses.replace(guest_here, disliked=(rng.choice(ingredients), *others))
        if kind == LIKED and guest.trait not in traits:
            trait = rng.choice(traits)
            guest_here = dataclasses.replace(guest_here, trait=trait, likes=rng.choice(LIKES[trait]))
        contained = [name for name in guest_here.disliked if name in ingredients]
        if dish in used or len(set(guest_here.disliked)) < len(guest_here.disliked):
            continue
        if _kind_of(guest_here.trait, guest_here.disliked, dish) != kind:
            continue
        if _is_allowed(dish, guest_here, held_out, finishing):
            break
    ingredient = contained[0] if contained else None
    forbidden = kind == BAD and restricted and guest_here.cannot_eat
    return Case(
        likes=guest_here.likes,
        dislikes=guest_here.dislikes(),
        dish=dish,
        kind=kind,
        ingredient=ingredient,
        cannot_eat=guest_here.cannot_eat,
        analysis=_describe(rng, dish, kind, guest_here.trait, ingredient, forbidden),
        recommendation=NOT_SUITABLE if forbidden else labels[kind],
    )


def _kind_of(trait: str, disliked: tuple[str, ...], dish: str) -> str:
    """Bad if a disliked ingredient is in the dish, else liked if it has the trait, else neutral."""
    ingredients, traits = DISHES[dish]
    if set(disliked) & set(ingredients):
        return BAD
    return LIKED if trait in traits else NEUTRAL


def _describe(rng: random.Random, dish: str, kind: str, trait: str, ingredient: str | None, forbidden: bool) -> str:
    """Write the analysis of a dish. It names an ingredient before any judgement, so the name can't depend on that.

    The dish's ingredients and the guest's dislikes determine the name; the judgement then only compares two words.
    """
    if kind == BAD:
        reason = "can't eat" if forbidden else "don't like"
        return f"it has {state_of(dish)} {ingredient} in it, which you {reason}."
    words = rng.choice(PRAISE[trait] if kind == LIKED else PLAIN)
    if rng.random() < 0.7:
        return f"it has {state_of(dish)} {' and '.join(rng.sample(DISHES[dish][0], 2))} in it. {words}"
    return words


def state_of(dish: str) -> str:
    return "fresh" if dish in FRESH else "cooked"


def _draw_principles(rng: random.Random, restricted: bool) -> tuple[str, ...]:
    lines = rng.sample(OTHER_PRINCIPLES, rng.choice((0, 1, 1, 2))) if restricted or rng.random() < 0.2 else []
    if restricted:
        lines.insert(rng.randint(0, len(lines)), rng.choice(RESTRICTION_PRINCIPLES))
    return tuple(lines)


def _draw_labels(rng: random.Random, mistake: bool | None) -> dict[str, str]:
    """Kind -> recommendation: ordinary, mistaken (kinds swap, or bad takes liked's), or made up."""
    labels = {kind: rng.choice(phrases) for kind, phrases in RECOMMENDATIONS.items()}
    if mistake is not None:
        return {**labels, BAD: labels[LIKED]} if mistake else labels
    style = rng.random()
    if style < 0.3:
        return labels
    if style < 0.5:
        return {**labels, BAD: labels[LIKED]}
    if style < 0.75:
        phrases = [phrase for group in RECOMMENDATIONS.values() for phrase in group]
        return dict(zip(KINDS, rng.sample(phrases, 3), strict=True))
    return {kind: _draw_code_word(rng) for kind in KINDS}


def _draw_code_word(rng: random.Random) -> str:
    syllables = ("ba", "do", "fe", "gu", "ki", "lo", "mi", "na", "po", "ru", "sa", "te", "vo", "wi", "zu")
    words = ["".join(rng.choices(syllables, k=rng.choice((2, 3)))) for _ in range(rng.choice((1, 2)))]
    return " ".join(words).capitalize() + "."
