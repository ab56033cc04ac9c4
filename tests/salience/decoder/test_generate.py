"""Generation writes what Keras and transformers write, whatever the batch."""

# pyright: standard

from __future__ import annotations

from typing import Any

import pytest
import torch

from promptlight.salience.decoder import generate as generation
from promptlight.salience.decoder._steps import Slots, StepsAhead
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.generate import Generated, generate
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.types import StopReason
from tests.benchmarks.operators import Recorder, count_backward, count_step
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids, write_with_keras

LENGTHS = (5, 23, 17, 1, 40)
PROMPTS = [[2, *draw_ids(length, seed=length)] for length in LENGTHS]
EOS = {1: StopReason.END_OF_TEXT}


def frozen(backbone: Any) -> Decoder:
    return convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)


def write(decoder: Decoder, prompts: list[list[int]], **options: Any) -> list[Generated]:
    return generate(decoder, prompts, **{"max_new_tokens": 24, "context_length": 512, "stops": {}} | options)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_ids_equal_keras_generate(family: str) -> None:
    backbone = build_backbone(family)
    ours = write(frozen(backbone), PROMPTS, max_new_tokens=12)
    assert [list(one.ids) for one in ours] == write_with_keras(backbone, PROMPTS, 12)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_many_equals_batches_of_one(family: str) -> None:
    decoder = frozen(build_backbone(family))
    together = write(decoder, PROMPTS)
    assert together == [write(decoder, [prompt])[0] for prompt in PROMPTS]
    assert len({generated.ids for generated in together}) > 1  # the prompts matter


def test_each_row_stops_by_itself() -> None:
    decoder = frozen(build_backbone("gemma2"))
    free = write(decoder, PROMPTS)
    stop = free[1].ids[3]  # a token that some rows write and some don't
    stopped = write(decoder, PROMPTS, stops={stop: StopReason.END_OF_TEXT})
    assert stopped[1].stop_reason is StopReason.END_OF_TEXT
    for one, whole in zip(stopped, free, strict=True):
        cut = whole.ids.index(stop) + 1 if stop in whole.ids else len(whole.ids)
        assert one.ids == whole.ids[:cut]
        assert one.stop_reason is (StopReason.END_OF_TEXT if stop in whole.ids else StopReason.TOKEN_LIMIT)


def test_a_row_stops_where_the_context_ends_and_the_others_go_on() -> None:
    decoder = frozen(build_backbone("gemma2"))
    free = write(decoder, PROMPTS)
    bound = write(decoder, PROMPTS, context_length=45)
    assert [len(one.ids) for one in bound] == [24, 21, 24, 24, 4]
    assert [one.stop_reason for one in bound] == [
        StopReason.TOKEN_LIMIT,
        StopReason.CONTEXT_FULL,
        StopReason.TOKEN_LIMIT,
        StopReason.TOKEN_LIMIT,
        StopReason.CONTEXT_FULL,
    ]
    assert all(short.ids == whole.ids[: len(short.ids)] for short, whole in zip(bound, free, strict=True))


def test_no_prompts_give_no_completions() -> None:
    assert write(frozen(build_backbone("gemma")), []) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_that_run_ahead_write_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rows of different lengths and limits, some of which stop early."""
    decoder = frozen(build_backbone(family))
    free = write(decoder, PROMPTS)
    options = {"max_new_tokens": [24, 3, 1, 24, 9], "stops": {free[0].ids[5]: StopReason.END_OF_TEXT}}
    expected = write(decoder, PROMPTS, **options)
    monkeypatch.setattr(generation, "_run_each", None)
    assert write(decoder, PROMPTS, **options, ahead=True) == expected


def test_steps_ahead_never_ask_the_host_and_keep_their_shapes() -> None:
    """So that a CUDA graph can hold one: the same operators on the same shapes, and no number read back."""
    decoder = frozen(build_backbone("gemma3"))
    prompts = [prompt for prompt in PROMPTS if len(prompt) > 5]
    with torch.no_grad():
        cache, logits = generation._prefill(decoder, prompts, [24] * len(prompts))
        steps = StepsAhead(decoder, cache, Slots.make(decoder, cache.n_slots), logits.argmax(dim=-1))
        recorded = []
        for _ in range(3):
            with Recorder() as recorder:
                steps.write(1)
            recorded.append(recorder.calls)
    first, *others = recorded
    assert len(first) > 100
    assert others == [first, first]
    names = {name.split(".")[1] for name, _, _ in first}
    assert not names & {"_local_scalar_dense", "nonzero", "item", "_unique2"}


@pytest.mark.parametrize(("family", "back", "step"), [("gemma", 59, 47), ("gemma2", 86, 68), ("gemma3", 102, 76)])
def test_a_layer_launches_no_more_kernels_than_the_docs_say(family: str, back: int, step: int) -> None:
    decoder = convert_tensors(frozen(build_backbone(family)), lambda tensor: tensor.to(torch.bfloat16))
    assert round(count_backward(decoder)) <= back
    assert round(count_step(decoder)) <= step
