"""Find prompts for the demo model with known causes: lines whose edit changes the answer.

There are four kinds of cause, all found the same way: edit a line, let the model answer again, and call the line a
cause if the recommendation changes. ``demo/recipes.py`` draws all prompts from a seed, with dishes and dislikes that
training held out. The target is the text of the recommendation without its label.

 - RECOMMENDATIONS: the model copies the recommendation from an example. Candidates are the examples' Recommendation
   lines, each edited to a phrase that is not in the prompt. A prompt is kept if exactly one edit changes the answer and
   no other example has the same recommendation.
 - TWINS: as above, but another example has the same recommendation, and editing that one changes nothing. So the text
   of the two lines does not tell which one the model read.
 - PRINCIPLES: the answer needs two lines together, the principle about dietary restrictions and the guest's "Can't
   eat". A prompt is kept if editing either changes the answer.
 - HOPS: the guest's dislikes and the dish decide the model's own analysis, and the analysis decides the recommendation.
   A prompt is kept if another dislike, of nothing in the dish, changes the answer, and another dish without it does,
   too. Salience is computed with the analysis as written, so what it sees directly is the second hop.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptlight.salience.demo.menu import (
    BAD,
    DISHES,
    INGREDIENTS,
    NOT_SUITABLE,
    OTHER_PRINCIPLES,
    RECOMMENDATIONS,
    RESTRICTION_PRINCIPLES,
)
from promptlight.salience.demo.recipes import Case, HeldOut, RestaurantPrompt, draw_restaurant_prompt
from promptlight.salience.errors import UsageError
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.batches import complete
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import Benchmark, Completion, Granularity, Prompt, Span

LABEL = "Recommendation:"
DISLIKES = "Taste-dislikes:"
DISH = "Suggestion:"
AT_ONCE = 25  # prompts that are completed together
MOST_DRAWN = 20  # prompts per requested case before giving up


TWO_CAUSES = (Benchmark.PRINCIPLES, Benchmark.HOPS)
TWINS_MATTER = (Benchmark.RECOMMENDATIONS, Benchmark.TWINS)


@dataclass(frozen=True, kw_only=True)
class KnownCause:
    """A completion, its target as a range of tokens, and the lines that might be causes and those that are.

    Lines are numbers of the completion's LINE segmentation.
    """

    completion: Completion
    target: tuple[int, int]
    candidates: tuple[int, ...]
    causes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Edit:
    """An edited prompt, and the position of the edited line in the original text."""

    place: int
    prompt: RestaurantPrompt


def find_known_causes(model: Model, benchmark: Benchmark, n_prompts: int, *, seed: int = 0) -> Iterator[KnownCause]:
    """Find ``n_prompts`` cases, always the same for a seed. Raises UsageError if too few answers are usable."""
    rng = random.Random(f"{benchmark} {seed}")
    n_found = n_drawn = 0
    while n_found < n_prompts:
        if n_drawn >= MOST_DRAWN * n_prompts:
            raise UsageError(
                f"expected a model that answers the demo's prompts, found {n_found} cases in {n_drawn} prompts: "
                "the benchmark is of the bundled demo model"
            )
        drawn = [_draw(rng, benchmark) for _ in range(AT_ONCE)]
        n_drawn += len(drawn)
        for case in _check_batch(model, benchmark, drawn, rng):
            if n_found < n_prompts:
                n_found += 1
                yield case


def _draw(rng: random.Random, benchmark: Benchmark) -> RestaurantPrompt:
    restricted = benchmark is Benchmark.PRINCIPLES
    return draw_restaurant_prompt(rng, query_kind=BAD, held_out=HeldOut.LINE, restricted=restricted)


def _check_batch(
    model: Model, benchmark: Benchmark, prompts: Sequence[RestaurantPrompt], rng: random.Random
) -> Iterator[KnownCause]:
    """Answer all these prompts, then all their edits, and yield the cases."""
    answers = answer_all(model, [prompt.text() for prompt in prompts])
    edits = [list(_list_edits(prompt, benchmark, rng)) for prompt in prompts]
    edited = iter(answer_all(model, [edit.prompt.text() for some in edits for edit in some]))
    for completion, some in zip(answers, edits, strict=True):
        given = read_recommendation(completion)
        changed = [edit.place for edit in some if read_recommendation(next(edited)) not in (given, None)]
        wanted = 2 if benchmark in TWO_CAUSES else 1
        if given is None or len(changed) != wanted:
            continue
        if benchmark is Benchmark.PRINCIPLES and given != NOT_SUITABLE:
            continue
        case = _build_case(completion, [edit.place for edit in some], changed)
        if benchmark not in TWINS_MATTER or has_twin(case) == (benchmark is Benchmark.TWINS):
            yield case


def has_twin(case: KnownCause) -> bool:
    """Whether another candidate has the same words as the cause."""
    lines = describe_spans(case.completion, segment(case.completion, Granularity.LINE))
    texts = [lines[number].text.strip() for number in case.candidates]
    return texts.count(lines[case.causes[0]].text.strip()) > 1


def answer_all(model: Model, texts: Sequence[str]) -> list[Completion]:
    """The model's completion of each text."""
    answers: list[Completion] = []
    for start in range(0, len(texts), AT_ONCE):
        batch = [Prompt(id=str(number), text=text) for number, text in enumerate(texts[start : start + AT_ONCE])]
        for result in complete(batch, model, AnalysisOptions()):
            if not isinstance(result, Completion):
                raise UsageError(f"expected a model that reads the demo's prompts: {result.reason}")
            answers.append(result)
    return answers


def read_recommendation(completion: Completion) -> str | None:
    """Read the recommendation from a completion; None if it has another form."""
    _, label, words = completion.completion_text.partition(f"\n{LABEL} ")
    return words.strip() or None if label else None


def _build_case(completion: Completion, candidates: Sequence[int], causes: Sequence[int]) -> KnownCause:
    """Build a case from character positions in its lines."""
    lines = describe_spans(completion, segment(completion, Granularity.LINE))
    start = completion.text.rindex(f"{LABEL} ") + len(LABEL)
    first = next(at for at, token in enumerate(completion.tokens) if token.start >= start and token.stop > token.start)
    last = max(at for at, token in enumerate(completion.tokens) if token.start < token.stop)
    return KnownCause(
        completion=completion,
        target=(first, last + 1),
        candidates=tuple(sorted({_find_line(completion, lines, place) for place in candidates})),
        causes=tuple(sorted({_find_line(completion, lines, place) for place in causes})),
    )


def _find_line(completion: Completion, lines: Sequence[Span], place: int) -> int:
    token = max(at for at, token in enumerate(completion.tokens) if token.start <= place and token.start < token.stop)
    return next(line.number for line in lines if line.start <= token < line.stop)


# ---- edits ----------------------------------------------------------------------------------------------------------


def _list_edits(prompt: RestaurantPrompt, benchmark: Benchmark, rng: random.Random) -> Iterator[Edit]:
    match benchmark:
        case Benchmark.RECOMMENDATIONS | Benchmark.TWINS:
            yield from _edit_recommendations(prompt, rng)
        case Benchmark.PRINCIPLES:
            yield from _edit_principle(prompt, rng)
            yield from _edit_restriction(prompt)
        case Benchmark.HOPS:
            yield _edit_dislike(prompt, rng)
            yield _edit_dish(prompt)
        case Benchmark.TRACKING:
            raise UsageError(
                "expected a benchmark of the demo model, found tracking: its causes are not found by editing"
            )


def _edit_recommendations(prompt: RestaurantPrompt, rng: random.Random) -> Iterator[Edit]:
    """Replace each example's recommendation, one at a time, with a phrase that is not in the prompt."""
    text, place = prompt.text(), 0
    known = sorted({phrase for phrases in RECOMMENDATIONS.values() for phrase in phrases})
    for number, shot in enumerate(prompt.shots):
        place = text.index(f"{LABEL} {shot.recommendation}", place) + 1
        other = rng.choice([phrase for phrase in known if phrase not in text])
        changed = dataclasses.replace(shot, recommendation=other)
        yield Edit(place=place - 1, prompt=_with_shot(prompt, number, changed))


def _with_shot(prompt: RestaurantPrompt, number: int, shot: Case) -> RestaurantPrompt:
    shots = (*prompt.shots[:number], shot, *prompt.shots[number + 1 :])
    return dataclasses.replace(prompt, shots=shots)


def _edit_principle(prompt: RestaurantPrompt, rng: random.Random) -> Iterator[Edit]:
    """Replace the principle about restrictions with an unrelated one."""
    for number, line in enumerate(prompt.principles):
        if line in RESTRICTION_PRINCIPLES:
            other = rng.choice([one for one in OTHER_PRINCIPLES if one not in prompt.principles])
            principles = (*prompt.principles[:number], other, *prompt.principles[number + 1 :])
            changed = dataclasses.replace(prompt, principles=principles)
            yield Edit(place=prompt.text().index(line), prompt=changed)


def _edit_restriction(prompt: RestaurantPrompt) -> Iterator[Edit]:
    """Turn the guest's "Can't eat" into "Don't like"."""
    if prompt.query.cannot_eat:
        dislikes = prompt.query.dislikes.replace("Can't eat", "Don't like")
        yield _with_dislikes(prompt, dislikes)


def _edit_dislike(prompt: RestaurantPrompt, rng: random.Random) -> Edit:
    """Replace the guest's dislike with something that is not in the dish."""
    others = [name for name in INGREDIENTS if name not in DISHES[prompt.query.dish][0]]
    verb = " ".join(prompt.query.dislikes.split(" ")[:2])
    return _with_dislikes(prompt, f"{verb} {rng.choice(others)}")


def _edit_dish(prompt: RestaurantPrompt) -> Edit:
    """Replace the dish with another one that has nothing of what the guest dislikes and is not in the prompt.

    Drawn by the prompt's own text, not from the stream that draws the prompts.
    """
    text = prompt.text()
    disliked = prompt.query.dislikes.split(" ", 2)[2].split(" or ")
    others = [dish for dish, (parts, _) in DISHES.items() if dish not in text and not set(disliked) & set(parts)]
    place = text.rindex(f"{DISH} ")
    changed = dataclasses.replace(prompt.query, dish=random.Random(text).choice(others))
    return Edit(place=place, prompt=dataclasses.replace(prompt, query=changed))


def _with_dislikes(prompt: RestaurantPrompt, dislikes: str) -> Edit:
    place = prompt.text().rindex(f"{DISLIKES} ")
    return Edit(
        place=place, prompt=dataclasses.replace(prompt, query=dataclasses.replace(prompt.query, dislikes=dislikes))
    )
