"""Batches are planned, completed in order, and halved where memory runs out; no result depends on any of it."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from promptlight.salience import AnalysisOptions, Model, Prompt, SetAside, analyze
from promptlight.salience.decoder.batch_plan import (
    CPU_BATCH,
    GPU_BATCH,
    Need,
    choose_batch_size,
    explanation_bytes,
    generation_bytes,
    plan_batches,
    plan_memory,
)
from promptlight.salience.decoder.chunks import run_in_halves
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.free_memory import resident_bytes
from promptlight.salience.decoder.generate import generate
from promptlight.salience.decoder.tensors import convert_tensors, count_bytes
from promptlight.salience.errors import InputError
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.progress import Step
from promptlight.salience.run.batches import WINDOW, complete, read_windows
from promptlight.salience.run.pipeline import explain, explain_or_set_aside
from promptlight.salience.types import Analysis, Completion, Explain, Granularity, Method, SetAsideCode, StopReason
from tests.oracles.tiny import FAMILIES, NEWER_FAMILIES, build_backbone, draw_ids
from tests.support.cramped import Cramped
from tests.support.newer_decoders import make_decoder

DISHES = ("Naan", "Leek and potato soup with bread and butter, then cheese", "Omelette", "Paella", "A" + " la" * 60)
PROMPTS = [Prompt(id=dish[:8], text=f"What is in it?\n\nSuggestion: {dish}\nAnalysis:") for dish in DISHES]
OPTIONS = AnalysisOptions(max_new_tokens=8)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """3 layers of width 32, 4 query and 2 key heads of 16, feed-forward 32, window 16, 300 pieces; float32."""
    return frozen(build_backbone("gemma2"))


def frozen(backbone: Any) -> Decoder:
    return convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)


def run(model: Model, prompts: Sequence[Prompt] = PROMPTS, **options: Any) -> list[Analysis | SetAside]:
    asked: dict[str, Any] = {"max_new_tokens": 8} | options
    return list(analyze(prompts, model, AnalysisOptions(**asked)))


def assert_alike(found: Sequence[Analysis | SetAside], expected: Sequence[Analysis | SetAside]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Analysis)
        assert isinstance(other, Analysis)
        assert one.completion.ids == other.completion.ids
        for left, right in zip(one.maps.values(), other.maps.values(), strict=True):
            assert left.scores is not None
            assert right.scores is not None
            assert np.abs(left.scores - right.scores).max() < 1e-5 * np.abs(right.scores).max()


# ---- the plan ----------------------------------------------------------------------------------------------------


def test_a_batch_needs_what_the_formula_says(decoder: Decoder) -> None:
    n, longest, slots = 3, 200, 264
    cache = 3 * 2 * 2 * 16 * slots * 4
    residual = 4 * 32 * 4 + 2 * 32 * 4
    feed_forward = (residual + 4 * 32 * 4) * longest
    attention = (residual + 4 * (4 + 2 * 2) * 16 * 4) * longest + 4 * 128 * longest * (2 * 4 + 2 * 4)
    assert [layer.window for layer in decoder.layers] == [16, None, 16]  # the widest counts
    assert generation_bytes(decoder, n, longest, slots) == n * (cache + max(feed_forward, attention) + 10 * 300 * 4)


@pytest.mark.parametrize("family", [*FAMILIES, *NEWER_FAMILIES])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_planned_is_what_is_taken_within_a_factor(family: str, dtype: str) -> None:
    if family in NEWER_FAMILIES:
        decoder = make_decoder(build_backbone(family), getattr(torch, dtype))
    else:
        decoder = frozen(build_backbone(family, dtype=dtype))
    for n, length in ((1, 40), (4, 60), (2, 300)):
        prompts = [draw_ids(length, seed=seed) for seed in range(n)]
        with Cramped() as device:
            generate(decoder, prompts, max_new_tokens=4, context_length=512, stops={})
        assert 0.95 < generation_bytes(decoder, n, length, length + 4) / device.peak < 2
    for length, free in ((40, 10**9), (300, 10**9), (300, 0)):
        with Cramped() as device:
            thrift: dict[str, Any] = {} if free else {"chunk": 1, "keep_activations": False}
            compute_salience(decoder, draw_ids(length + 8), length, {}, **thrift)
        assert 0.9 < explanation_bytes(decoder, length + 7, 8, free) / device.peak < 2.2


def test_batches_hold_prompts_of_like_length_and_no_more_than_fit(decoder: Decoder) -> None:
    needs = [Need(length, 8) for length in (90, 10, 80, 11, 12, 95)]
    assert plan_batches(decoder, needs, 3, free=10**12) == [[1, 3, 4], [2, 0, 5]]
    two = 2 * generation_bytes(decoder, 2, 95, 103)
    assert plan_batches(decoder, needs, 6, free=two) == [[1, 3, 4], [2, 0], [5]]
    for free in (two, two * 2, two * 4):
        for batch in plan_batches(decoder, needs, 6, free=free):
            longest = max(needs[number].n_prompt for number in batch)
            assert len(batch) == 1 or generation_bytes(decoder, len(batch), longest, longest + 8) <= free // 2
    assert plan_batches(decoder, needs, 6, free=0) == [[1], [3], [4], [2], [0], [5]]  # each is tried all the same
    assert plan_batches(decoder, [], 6) == []


def test_the_most_that_go_together_are_the_devices_or_as_asked() -> None:
    assert choose_batch_size(torch.device("cpu")) == CPU_BATCH
    assert choose_batch_size(torch.device("cuda")) == GPU_BATCH
    assert choose_batch_size(torch.device("cuda"), 3) == 3


def test_a_runs_peak_is_the_process_and_the_larger_of_both_works(decoder: Decoder) -> None:
    needs = [Need(40, 8), Need(300, 8)]
    plan = plan_memory(decoder, needs, needs, 1, free=10**12)
    assert plan.weights == count_bytes(decoder)
    assert plan.generating == generation_bytes(decoder, 1, 300, 308)
    assert plan.explaining == explanation_bytes(decoder, 307, 8, 10**12)
    resident, most = resident_bytes()
    assert plan.weights + plan.process == pytest.approx(resident, rel=0.2)
    assert plan.loading == pytest.approx(most, rel=0.2)
    small = replace(plan, process=1000, loading=0)
    assert small.peak == plan.weights + 1000 + max(plan.generating, plan.explaining)
    assert replace(plan, loading=10**12).peak == 10**12  # loading took more than the run will
    assert plan_memory(decoder, [], [], 1).working == 0


# ---- windows -----------------------------------------------------------------------------------------------------


def test_what_was_read_before_a_fault_comes_before_it() -> None:
    def read() -> Iterator[Prompt]:
        yield from PROMPTS[:4]
        raise InputError("x.jsonl", 5, "broken")

    windows = read_windows(read(), 3)
    assert next(windows) == PROMPTS[:3]
    assert next(windows) == PROMPTS[3:4]
    with pytest.raises(InputError, match=r"x\.jsonl:5: broken"):
        next(windows)
    assert list(read_windows(PROMPTS, 5)) == [PROMPTS]
    assert list(read_windows([], 5)) == []


def test_results_come_in_order_and_as_soon_as_their_batch_is_made(
    demo_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def count(*arguments: Any, **options: Any) -> Any:
        made.append(len(arguments[1]))
        return generate(*arguments, **options)

    monkeypatch.setattr("promptlight.salience.run.batches.generate", count)
    read: list[str] = []
    many = (read.append(prompt.id) or prompt for prompt in [*PROMPTS, *PROMPTS] * 2)
    results = analyze(many, demo_model, OPTIONS, batch_size=2)
    first = next(results)
    assert made == [2]  # of a window of eight
    assert len(read) == WINDOW * 2
    order = [result.completion.prompt.id for result in [first, *results] if isinstance(result, Analysis)]
    assert order == [prompt.id for prompt in PROMPTS] * 4
    assert sum(made) == len(order)


# ---- where completions end ---------------------------------------------------------------------------------------

SAMPLED = Sampling(temperature=1.0, seed=3)


def texts_of(completions: Sequence[Completion | SetAside]) -> list[str]:
    return [one.completion_text for one in completions if isinstance(one, Completion)]


def ask(prompts: Sequence[Prompt], **fields: Any) -> list[Prompt]:
    """The same prompts; the second has fields of its own."""
    return [replace(prompt, fields=fields if number == 1 else {}) for number, prompt in enumerate(prompts)]


@pytest.mark.parametrize("sampling", [Sampling(), SAMPLED])
def test_a_stop_text_of_one_record_ends_its_completion_and_changes_no_other(
    demo_model: Model, sampling: Sampling
) -> None:
    options = AnalysisOptions(max_new_tokens=8, sampling=sampling)
    whole = texts_of(complete(PROMPTS, demo_model, options))
    stop = whole[1][5:9]
    found = complete(ask(PROMPTS, stop=["unseen", stop]), demo_model, options)
    assert [*texts_of(found)[:1], *texts_of(found)[2:]] == [*whole[:1], *whole[2:]]
    (ended,) = (one for one in found if isinstance(one, Completion) and one.prompt.stop)
    assert (ended.stop_reason, ended.stop_text) == (StopReason.STOP_TEXT, stop)
    before = whole[1].split(stop)[0]
    assert before.startswith(ended.completion_text)
    assert before.removeprefix(ended.completion_text) in ("", " ", before.split(" ")[-1], f" {before.split(' ')[-1]}")
    assert ended.text == ended.prompt.text + ended.completion_text
    alone = complete([one.prompt for one in found if isinstance(one, Completion)][1:2], demo_model, options)
    assert alone == [ended]


def test_steps_have_the_tokens_written_so_far(demo_model: Model) -> None:
    prompts = [Prompt(id=id, text=text) for id, text in (("one", "Why?\n"), ("two", "Who was it, and when?\n"))]
    seen: dict[str, list[list[int]]] = {"one": [], "two": []}

    def hear(step: Step) -> None:
        for id, ids in zip(step.ids, step.written, strict=True):
            seen[id].append(list(ids))

    for completion in complete(prompts, demo_model, AnalysisOptions(max_new_tokens=5), on_step=hear):
        assert isinstance(completion, Completion)
        ids = [token.id for token in completion.tokens[completion.n_prompt_tokens :]]
        own = seen[completion.prompt.id]
        stops = [ids[:-1], ids] if completion.stop_reason in demo_model.stops.values() else [ids]
        assert own[0] == []
        assert own[-1] in stops
        assert all(after[: len(before)] == before for before, after in pairwise(own))


def test_the_options_stop_texts_hold_for_all_and_a_records_own_add_to_them(demo_model: Model) -> None:
    whole = texts_of(complete(PROMPTS, demo_model, OPTIONS))
    first = whole[0].split()[-1]
    found = complete(ask(PROMPTS, stop=" "), demo_model, replace(OPTIONS, stop=(first,)))
    assert texts_of(found)[1] == ""  # every completion of the demo model begins with a blank
    assert [first in text for text in texts_of(found)] == [False] * len(whole)


def test_a_completion_that_ends_at_once_is_explained_by_every_method(demo_model: Model) -> None:
    how = MethodOptions(ig_steps=2, smoothgrad_samples=2, ablations=20)
    for kept in ("token", "line"):
        asked: dict[str, Any] = {"methods": tuple(Method), "method_options": how, "targets": Granularity(kept)}
        (found,) = run(demo_model, PROMPTS[:1], stop=(" ",), **asked)
        assert isinstance(found, Analysis)
        assert (found.completion.n_targets, found.completion.stop_text) == (0, " ")
        assert all(one.scores is None or one.scores.shape[0] == 0 for one in found.maps.values())


def test_a_record_may_have_its_own_limit_of_new_tokens(demo_model: Model) -> None:
    whole = complete(PROMPTS, demo_model, OPTIONS)
    for limit in (2, 10):
        found = complete(ask(PROMPTS, max_new_tokens=limit), demo_model, OPTIONS)
        assert [one.ids for one in found if isinstance(one, Completion)][2:] == [
            one.ids for one in whole if isinstance(one, Completion)
        ][2:]
        assert isinstance(found[1], Completion)
        assert (found[1].n_targets, found[1].stop_reason) == (limit, StopReason.TOKEN_LIMIT)
    trial = complete(ask(PROMPTS, max_new_tokens=2), demo_model, OPTIONS, at_most=3)
    assert [one.n_targets for one in trial if isinstance(one, Completion)] == [3, 2, 3, 3, 3]


@pytest.mark.parametrize("target", ["▁c", "a▁ b", " ▁▁", "a<end_of_turn>▁", "<end_of_turn>"])
def test_a_given_target_keeps_its_characters_also_those_that_tokens_write_as_blanks(
    demo_model: Model, target: str
) -> None:
    prompt = Prompt(id="mark", text="a▁b", given_completion=target)
    (found,) = complete([prompt], demo_model, replace(OPTIONS, explain=Explain.TARGET))
    assert isinstance(found, Completion)
    assert found.text == "a▁b" + target.replace("<end_of_turn>", "")
    assert "".join(found.text[token.start : token.stop] for token in found.tokens) == found.text


# ---- memory that runs out ----------------------------------------------------------------------------------------


def test_halves_are_tried_in_order_down_to_one() -> None:
    tried: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        tried.append(len(items))
        if sum(items) > 10:
            raise torch.OutOfMemoryError("planted")
        return [-item for item in items]

    assert list(run_in_halves(work, [1, 2, 30, 4, 5])) == [(1, -1), (2, -2), (30, None), (4, -4), (5, -5)]
    assert tried == [5, 2, 3, 1, 2]
    assert list(run_in_halves(work, [])) == []
    with pytest.raises(RuntimeError, match="shape"):
        list(run_in_halves(lambda _: torch.zeros(2).view(3).tolist(), [1]))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_that_does_not_fit_is_halved_and_writes_the_same(demo_model: Model, temperature: float) -> None:
    options = AnalysisOptions(max_new_tokens=8, sampling=Sampling(temperature=temperature, seed=3))
    with Cramped() as device:
        expected = complete(PROMPTS, demo_model, options)
    with Cramped(device.peak / 2) as cramped:
        found = complete(PROMPTS, demo_model, options)
    assert cramped.n_refused > 0
    assert found == expected


def test_a_prompt_that_does_not_fit_alone_is_skipped_and_the_others_go_on(demo_model: Model) -> None:
    long = Prompt(id="long", text="eggs and " * 200)
    with Cramped() as device:
        expected = run(demo_model)
    with Cramped(1.1 * device.peak) as cramped:
        found = list(analyze([*PROMPTS[:2], long, *PROMPTS[2:]], demo_model, OPTIONS))
    assert cramped.n_refused > 0
    assert_alike([*found[:2], *found[3:]], expected)
    assert isinstance(found[2], SetAside)
    assert (found[2].id, found[2].code) == ("long", SetAsideCode.OUT_OF_MEMORY)


def test_one_that_can_not_even_be_read_is_skipped_for_that(demo_model: Model) -> None:
    with Cramped(100_000):
        (found,) = run(demo_model, PROMPTS[:1])
    assert isinstance(found, SetAside)
    assert found.code is SetAsideCode.OUT_OF_MEMORY
    assert found.reason.startswith("out of memory while its completion was generated")


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (Method.GRAD_L2, {}),
        (Method.INTEGRATED_GRADIENTS, {"ig_steps": 2}),
        (Method.SMOOTHGRAD, {"smoothgrad_samples": 3}),
        (Method.OCCLUSION, {}),
        (Method.SHAP, {"ablations": 16}),
    ],
)
def test_every_method_takes_less_memory_where_there_is_less_or_says_so(
    demo_model: Model, method: Method, options: dict[str, Any]
) -> None:
    """From what it takes if it may down to nothing: the same scores, or skipped; never a traceback."""
    asked: dict[str, Any] = {"methods": (method,), "method_options": MethodOptions(**options)}
    with Cramped() as device:
        expected = run(demo_model, PROMPTS[1:2], **asked)
    outcomes: list[bool] = []
    for part in (0.9, 0.6, 0.3, 0.02):
        with Cramped(part * device.peak) as cramped:
            (found,) = run(demo_model, PROMPTS[1:2], **asked)
        assert cramped.n_refused > 0
        outcomes.append(isinstance(found, Analysis))
        if isinstance(found, SetAside):
            assert found.code is SetAsideCode.OUT_OF_MEMORY
        else:
            assert_alike([found], expected)
    assert outcomes[0]
    assert not outcomes[-1]
    assert outcomes == sorted(outcomes, reverse=True)


def test_where_kept_activations_leave_too_little_they_are_computed_again(demo_model: Model) -> None:
    long = Prompt(id="long", text="eggs and " * 200)
    (completion,) = complete([long], demo_model, AnalysisOptions(max_new_tokens=2))
    assert isinstance(completion, Completion)
    needed: list[int] = []
    for thrifty in (False, True):
        with Cramped() as device:
            explain(completion, demo_model, OPTIONS, thrifty=thrifty)
        needed.append(device.peak)
    with Cramped((needed[0] + needed[1]) / 2) as cramped:
        found = explain_or_set_aside(long, completion, demo_model, OPTIONS)
    assert cramped.n_refused > 0
    assert_alike([found], [explain(completion, demo_model, OPTIONS)])


@pytest.mark.parametrize(
    "raise_it",
    [
        lambda: torch.empty(2**60),  # torch's own allocator
        lambda: np.empty(2**60, dtype=np.uint8),
        lambda: bytearray(2**62),
    ],
)
def test_what_torch_numpy_and_python_raise_is_known_for_lack_of_memory(raise_it: Callable[[], Any]) -> None:
    assert list(run_in_halves(lambda _: raise_it(), [1])) == [(1, None)]


def test_long_texts_need_memory_in_proportion_to_their_length() -> None:
    """Gemma 1 has neither soft-cap nor window: torch attends, and must not lay out every token against every other."""
    decoder = frozen(build_backbone("gemma"))
    peaks: list[int] = []
    for length in (255, 1023):
        with Cramped() as device:
            compute_salience(decoder, draw_ids(length + 2), length, {}, chunk=1, keep_activations=False)
        peaks.append(device.peak)
    assert peaks[1] / peaks[0] == pytest.approx(4, rel=0.2)
