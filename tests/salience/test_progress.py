"""What long work says of itself: every token and target is counted, whatever the batches, methods and memory."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from promptlight.salience import Analysis, AnalysisOptions, Model, Prompt, analyze
from promptlight.salience.errors import OUT_OF_MEMORY
from promptlight.salience.gradients import compute
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.progress import Counter, Phase, Step, Unit
from promptlight.salience.run import batches
from promptlight.salience.types import Explain, Granularity, Method

DISHES = ("Naan", "Leek and potato soup with bread and butter", "Omelette")
PROMPTS = [
    Prompt(id=dish, text=f"What is in it?\nSuggestion: {dish}\nAnalysis:", given_completion=" it has eggs.")
    for dish in DISHES
]


def watch(model: Model, prompts: Sequence[Prompt] = PROMPTS, **options: Any) -> tuple[list[Step], list[Analysis]]:
    steps: list[Step] = []
    batch_size = options.pop("batch_size", None)
    asked: dict[str, Any] = {"max_new_tokens": 6} | options
    found = list(analyze(prompts, model, AnalysisOptions(**asked), batch_size=batch_size, on_step=steps.append))
    results = [one for one in found if isinstance(one, Analysis)]
    assert len(results) == len(found)
    return steps, results


def of_phase(steps: Sequence[Step], phase: Phase) -> dict[tuple[str, ...], list[Step]]:
    """The steps of a phase by prompts; the phase counts up, to the end."""
    found: dict[tuple[str, ...], list[Step]] = {}
    for step in steps:
        if step.phase is phase:
            found.setdefault(step.ids, []).append(step)
    return found


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_token_that_is_written_is_counted_step_by_step(demo_model: Model, batch_size: int) -> None:
    steps, results = watch(demo_model, batch_size=batch_size)
    written = {result.completion.prompt.id: result.completion.n_targets for result in results}
    batched = of_phase(steps, Phase.WRITING)
    assert sorted(id for ids in batched for id in ids) == sorted(DISHES)
    assert {len(ids) for ids in batched} == {batch_size}
    for ids, said in batched.items():
        counts = [step.done for step in said]
        assert (said[0].done, said[0].total) == (0, 6 * batch_size)
        assert counts == [0, *sorted(set(counts))]  # before and after the prompts are read
        assert len(counts) == 2 + max(written[id] for id in ids)  # one for each step of the model
        lengths = {result.completion.prompt.id: result.completion.n_prompt_tokens for result in results}
        assert {step.n_prompt for step in said} == {sum(lengths[id] for id in ids)}
        assert (said[-1].done, said[-1].total) == (sum(written[id] for id in ids),) * 2
        assert [step.total for step in said] == sorted((step.total for step in said), reverse=True)
        assert {step.unit for step in said} == {Unit.TOKENS}


def test_every_target_is_counted_once_and_the_share_ends_at_one(demo_model: Model) -> None:
    steps, results = watch(demo_model)
    explained = of_phase(steps, Phase.EXPLAINING)
    assert list(explained) == [(dish,) for dish in DISHES]
    for result in results:
        said = explained[(result.completion.prompt.id,)]
        n = result.completion.n_targets
        assert [step.done for step in said] == [0, *range(0, n, 4), n]  # a CPU takes four together
        assert {(step.total, step.unit) for step in said} == {(n, Unit.TARGETS)}
        assert [step.share for step in said] == pytest.approx([step.done / n for step in said])
        assert {(step.n_prompt, step.n_new) for step in said} == {(result.completion.n_prompt_tokens, n)}


def test_a_given_completion_is_not_written(demo_model: Model) -> None:
    steps, results = watch(demo_model, explain=Explain.TARGET)
    assert {step.phase for step in steps} == {Phase.EXPLAINING}
    assert steps[-1].done == results[-1].completion.n_targets


def test_methods_that_take_spans_away_count_each_forward(demo_model: Model) -> None:
    methods = (Method.OCCLUSION, Method.GRAD_L2, Method.LIME)
    options = MethodOptions(ablations=20, sources=Granularity.LINE)
    steps, _ = watch(demo_model, PROMPTS[:1], methods=methods, method_options=options, stored=(Granularity.LINE,))
    said = [step for step in steps if step.phase is Phase.EXPLAINING]
    begun = [place for place, step in enumerate(said) if step.done == 0][1:]  # the first forward is done
    gradients, occlusion, lime = (said[a:b] for a, b in zip(begun, [*begun[1:], None], strict=True))
    assert gradients[-1].unit is Unit.TARGETS
    assert (occlusion[-1].done, occlusion[-1].total) == (3 + 2, 3 + 2)  # three lines can go; all of them, and none
    assert lime[-1].done == lime[-1].total <= 20 + 2
    assert {step.unit for step in (*occlusion, *lime)} == {Unit.PASSES}
    shares = [step.share for step in said]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, pytest.approx(1))


@pytest.mark.parametrize(
    ("methods", "rounds"),
    [
        ((Method.GRAD_L2, Method.GRAD_DOT_INPUT), 1),
        ((Method.INTEGRATED_GRADIENTS,), 3),
        ((Method.GRAD_L2, Method.INTEGRATED_GRADIENTS, Method.SMOOTHGRAD), 1 + 3 + 2),
    ],
)
def test_gradients_at_many_embeddings_count_each_backward(
    demo_model: Model, methods: tuple[Method, ...], rounds: int
) -> None:
    options = MethodOptions(ig_steps=3, smoothgrad_samples=2)
    steps, (result,) = watch(demo_model, PROMPTS[:1], methods=methods, method_options=options)
    said = [step for step in steps if step.phase is Phase.EXPLAINING]
    assert said[-1].done == said[-1].total == said[0].total == rounds * result.completion.n_targets
    assert said[-1].share == pytest.approx(1)


def test_work_that_runs_out_of_memory_is_counted_anew(demo_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    generate, pull = batches.generate, compute._Work._reduce
    n_tries = 0

    def cramped(decoder: Any, prompts: Sequence[Any], **options: Any) -> Any:
        if len(prompts) > 1:
            options["counted"](0, 18)
            raise RuntimeError(f"CPU: {OUT_OF_MEMORY}")
        return generate(decoder, prompts, **options)

    def once(*arguments: Any) -> Any:
        nonlocal n_tries
        n_tries += 1
        if n_tries == 1:
            raise MemoryError
        return pull(*arguments)

    monkeypatch.setattr(batches, "generate", cramped)
    monkeypatch.setattr(compute._Work, "_reduce", once)
    steps, results = watch(demo_model)
    written = of_phase(steps, Phase.WRITING)
    assert {ids: said[-1].done for ids, said in written.items() if len(ids) == 1} == {
        (result.completion.prompt.id,): result.completion.n_targets for result in results
    }
    first = of_phase(steps, Phase.EXPLAINING)[(DISHES[0],)]
    assert [step.done for step in first] == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]  # the second time, one target at a time


def test_a_counter_adds_up_parts_that_count_from_nothing() -> None:
    told: list[tuple[int, int]] = []
    counter = Counter(10, lambda done, total: told.append((done, total)))
    for size in (2, 3):
        counted = counter.part()
        for done in range(size + 1):
            counted(done, size)
    counter.finish()
    assert told == [(0, 10), (1, 10), (2, 10), (3, 10), (4, 10), (5, 10), (5, 5)]
