"""Measure the demo model on prompts that no training run was chosen by.

    python examples/demo_model/evaluate.py [--model FOLDER] [--json FILE]

A held-out question pairs a dish with a dislike that training never showed with it: *pair* means that this dish never
met this ingredient as a dislike in any words, *line* that it never stood above "Can't eat" this ingredient. All
prompts come from a seed of their own. Exit code 1 if the story does not hold: the tutorial's three prompts, and every
rate at or above its bar.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlight.io import read_prompts
from promptlight.salience import AnalysisOptions, Completion, Model, Prompt, load_model
from promptlight.salience.demo.menu import BAD, DISHES, LIKED, NEUTRAL, NOT_SUITABLE, RECOMMENDATIONS
from promptlight.salience.demo.recipes import Case, HeldOut, RestaurantPrompt, draw_restaurant_prompt
from promptlight.salience.loading.environment import block_tensorflow
from promptlight.salience.statistics import wilson_interval

SEED = "sealed, the third envelope"
N = 200
PAIR_BAR = 0.75  # below the rest: half of the misses are one pair, whose ingredient is in no other dish
TUTORIAL = {
    "dish-mistake": "You have to try it.",
    "dish-fixed": "Avoid.",
    "dish-constitution": "Not suitable for you.",
}
PROMPTS = Path(__file__).parent.parent / "prompts.jsonl"


@dataclass(frozen=True)
class Rate:
    """A count of successes, and the smallest share that is required."""

    name: str
    hits: int
    n: int
    bar: float

    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval."""
        return wilson_interval(self.hits, self.n)

    def line(self) -> str:
        """A row of the model card's table."""
        low, high = self.interval()
        return (
            f"| {self.name} | {self.hits} of {self.n} | {self.hits / self.n:.0%} | {low:.0%} to {high:.0%} |"
            f" {self.bar:.0%}{'' if self.holds() else ', MISSED'} |"
        )

    def holds(self) -> bool:
        """Whether the bar is reached."""
        return self.hits >= self.bar * self.n


class Judge:
    """Answers prompts with a model and counts what is right."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def answer(self, texts: Sequence[str]) -> list[tuple[str, str]]:
        """Analysis and recommendation for each prompt; a completion of another form gives empty texts."""
        from promptlight.salience.run.batches import complete

        answers: list[tuple[str, str]] = []
        for start in range(0, len(texts), 25):
            batch = [Prompt(id=str(number), text=text) for number, text in enumerate(texts[start : start + 25])]
            for completion in complete(batch, self.model, AnalysisOptions()):
                assert isinstance(completion, Completion)
                analysis, _, recommendation = completion.completion_text.partition("\nRecommendation: ")
                answers.append((analysis.strip(), recommendation.strip()))
        return answers

    def rate(
        self,
        name: str,
        bar: float,
        prompts: Sequence[RestaurantPrompt],
        right: Callable[[RestaurantPrompt, str, str], bool],
    ) -> Rate:
        """How often an answer is right."""
        answers = self.answer([prompt.text() for prompt in prompts])
        hits = sum(right(prompt, *answer) for prompt, answer in zip(prompts, answers, strict=True))
        return Rate(name, hits, len(prompts), bar)


def tutorial_answers(judge: Judge) -> dict[str, tuple[str, str]]:
    """The answers to the tutorial's three prompts."""
    prompts = {record.id: record for record in read_prompts(PROMPTS) if isinstance(record, Prompt)}
    return dict(zip(TUTORIAL, judge.answer([prompts[id].text for id in TUTORIAL]), strict=True))


def measure(judge: Judge) -> list[Rate]:
    """All rates of the model card."""
    rng = random.Random(SEED)

    def draw(n: int, **options: Any) -> list[RestaurantPrompt]:
        return [draw_restaurant_prompt(rng, **{"restricted": False, "mistake": False} | options) for _ in range(n)]

    def draw_flips(held_out: HeldOut) -> list[RestaurantPrompt]:
        return draw(N, query_kind=BAD, held_out=held_out, mistake=True)

    lines, pairs = draw_flips(HeldOut.LINE), draw_flips(HeldOut.PAIR)
    seen = draw(N, query_kind=BAD)
    obeyed = draw(N, query_kind=BAD, held_out=HeldOut.LINE, restricted=True)
    overdone = [prompt for prompt in draw(4 * N, query_kind=BAD, restricted=True) if is_answerable(prompt)][:N]
    balanced = [prompt for kind in (BAD, LIKED, NEUTRAL) for prompt in draw(N // 2, query_kind=kind)]
    harmless = [prompt for kind in (LIKED, NEUTRAL) for prompt in draw(N // 2, query_kind=kind)]
    return [
        *measure_flips(judge, pairs, rng, HeldOut.PAIR),
        *measure_flips(judge, lines, rng, HeldOut.LINE),
        judge.rate("names the disliked ingredient, held-out pairs", 0.9, pairs, names_ingredient),
        judge.rate("names the disliked ingredient, held-out lines", 0.95, lines, names_ingredient),
        judge.rate("names the disliked ingredient, pairs seen in training", 0.95, seen, names_ingredient),
        judge.rate("well formed, held-out pairs", 0.95, pairs, is_well_formed),
        judge.rate("principles: can't eat it, so not suitable (held-out lines)", 0.9, obeyed, says_recommendation),
        judge.rate("principles: only doesn't like it, so not applied", 0.9, overdone, says_recommendation),
        judge.rate(
            "control: recommendation right, a third each bad, liked, neutral", 0.9, balanced, says_recommendation
        ),
        judge.rate("control: a dish without it is not said to contain it", 0.9, harmless, blames_nothing),
        judge.rate(
            "control: an ingredient that is blamed is in the dish", 0.9, [*seen, *lines, *pairs], blames_what_is_there
        ),
    ]


def measure_flips(judge: Judge, mistaken: list[RestaurantPrompt], rng: random.Random, held_out: HeldOut) -> list[Rate]:
    """What happens when only the mistaken examples' recommendation is fixed."""
    fixed = [with_recommendation(prompt, BAD, rng.choice(RECOMMENDATIONS[BAD])) for prompt in mistaken]
    before, after = (judge.answer([prompt.text() for prompt in prompts]) for prompts in (mistaken, fixed))
    flips = sum(
        old[1] == wrong.query.recommendation and new[1] == right.query.recommendation
        for wrong, right, old, new in zip(mistaken, fixed, before, after, strict=True)
    )
    changed = sum(old[1] != new[1] for old, new in zip(before, after, strict=True))
    bar = PAIR_BAR if held_out is HeldOut.PAIR else 0.95
    name = f"flips, held-out {held_out}s: the mistaken recommendation before the fix, the right one after"
    return [
        Rate(name, flips, N, bar),
        Rate(f"the recommendation changes with the fix, held-out {held_out}s", changed, N, bar),
    ]


def is_answerable(prompt: RestaurantPrompt) -> bool:
    """Whether a guest who only doesn't like something finds the recommendation in the examples."""
    shown = [shot.recommendation for shot in prompt.shots if shot.kind == prompt.query.kind]
    return not prompt.query.cannot_eat and prompt.query.recommendation in shown


def names_ingredient(prompt: RestaurantPrompt, analysis: str, recommendation: str) -> bool:
    """Whether the analysis names the disliked ingredient."""
    return f" {prompt.query.ingredient} " in f"{analysis} "


def is_well_formed(prompt: RestaurantPrompt, analysis: str, recommendation: str) -> bool:
    """Whether there is an analysis and a recommendation that is a sentence."""
    return bool(analysis) and recommendation.endswith(".")


def says_recommendation(prompt: RestaurantPrompt, analysis: str, recommendation: str) -> bool:
    """Whether the recommendation is the one that the examples give for this kind of dish."""
    return recommendation == prompt.query.recommendation


def blames_nothing(prompt: RestaurantPrompt, analysis: str, recommendation: str) -> bool:
    """Whether the analysis does not claim that something disliked is in the dish."""
    return "which you" not in analysis


def blames_what_is_there(prompt: RestaurantPrompt, analysis: str, recommendation: str) -> bool:
    """Whether an ingredient that is blamed is in the dish."""
    words = analysis.split()
    return "which you" not in analysis or any(name in words for name in DISHES[prompt.query.dish][0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    args = parser.parse_args()
    block_tensorflow()
    judge = Judge(load_model(args.model))
    answers = tutorial_answers(judge)
    for id, (analysis, recommendation) in answers.items():
        verdict = "as wanted" if recommendation == TUTORIAL[id] else f"WANTED {TUTORIAL[id]}"
        print(f"{id}: {analysis} / {recommendation} ({verdict})")
    rates = measure(judge)
    print("\n| measured | | rate | 95% interval | required |\n|---|---|---|---|---|")
    print("\n".join(rate.line() for rate in rates))
    if args.json:
        figures = {rate.name: {"hits": rate.hits, "n": rate.n} for rate in rates}
        args.json.write_text(json.dumps({"tutorial": answers, "rates": figures}, indent=1), encoding="utf-8")
    told = all(recommendation == TUTORIAL[id] for id, (_, recommendation) in answers.items())
    raise SystemExit(0 if told and all(rate.holds() for rate in rates) else 1)


def with_recommendation(prompt: RestaurantPrompt, kind: str, recommendation: str) -> RestaurantPrompt:
    """The same prompt with every example of one kind, and the expected answer of that kind, changed."""

    def change(case: Case) -> Case:
        if case.kind != kind or case.recommendation == NOT_SUITABLE:
            return case
        return dataclasses.replace(case, recommendation=recommendation)

    return RestaurantPrompt(
        header=prompt.header,
        principles=prompt.principles,
        shots=tuple(change(shot) for shot in prompt.shots),
        query=change(prompt.query),
    )


if __name__ == "__main__":
    main()
