"""Gemma 4 and 3n: logits and completions are those of Keras, of transformers and of the float64 reference."""

# pyright: standard

from __future__ import annotations

from typing import Any

import pytest
import torch

from promptlight.salience.decoder.attention import CPU_QUERY_BLOCK
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.generate import Generated, generate
from tests.oracles import plain
from tests.oracles.tiny import NEWER_FAMILIES, build_backbone, draw_ids, run_backbone, write_with_keras
from tests.support import transformers_models
from tests.support.newer_decoders import make_decoder
from tests.support.transformers_models import build_transformers_model

LAST = 299
"""Gemma 3n has no row of its own for this id in the table of per-layer embeddings."""
LENGTHS = (5, 23, 17, 1, 40)
PROMPTS = [[2, *draw_ids(length, seed=length)] for length in LENGTHS]


def draw(length: int, seed: int = 3) -> list[int]:
    return [LAST, *draw_ids(length - 1, seed=seed)]


def run(decoder: Decoder, ids: list[list[int]]) -> torch.Tensor:
    with torch.no_grad():
        return decoder.logits(decoder.hidden(decoder.embed(torch.tensor(ids))))


def write(decoder: Decoder, prompts: list[list[int]], **options: Any) -> list[Generated]:
    return generate(decoder, prompts, **{"max_new_tokens": 12, "context_length": 512, "stops": {}} | options)


@pytest.mark.parametrize("family", NEWER_FAMILIES)
@pytest.mark.parametrize("length", [2, 15, 40, CPU_QUERY_BLOCK + 30])
def test_logits_equal_the_keras_model_also_beyond_the_window(family: str, length: int) -> None:
    backbone = build_backbone(family)
    texts = [draw(length), draw(length, seed=4)]
    found = run(make_decoder(backbone, torch.float32), texts)
    for ids, logits in zip(texts, found, strict=True):
        expected = run_backbone(backbone, ids)
        assert expected.std() > 0.5  # the model says something
        assert (logits - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_float64_logits_equal_the_reference(family: str) -> None:
    backbone, ids = build_backbone(family), draw(50)
    with torch.no_grad():
        expected = plain.logits(backbone, plain.embed(backbone, ids))
    assert (run(make_decoder(backbone), [ids])[0] - expected).abs().max() < 1e-10


@pytest.mark.parametrize("family", transformers_models.NEWER_FAMILIES)
def test_logits_and_greedy_ids_are_those_of_transformers(family: str) -> None:
    theirs = build_transformers_model(family, 300)
    ours, ids = make_decoder(theirs, torch.float32), draw(40)
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor([ids])).logits
        assert (run(ours, [ids]) - expected).abs().max() < 1e-4
        for prompt, written in zip(PROMPTS, write(ours, PROMPTS), strict=True):
            completed = theirs.generate(
                torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0
            )
            assert list(written.ids) == completed[0, len(prompt) :].tolist()


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_greedy_ids_equal_keras_generate(family: str) -> None:
    backbone = build_backbone(family)
    prompts = [PROMPTS[0], PROMPTS[-1]]  # within the window, and beyond it
    ours = write(make_decoder(backbone, torch.float32), prompts)
    assert [list(one.ids) for one in ours] == write_with_keras(backbone, prompts, 12)


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_a_batch_of_many_equals_batches_of_one(family: str) -> None:
    decoder = make_decoder(build_backbone(family), torch.float32)
    together = write(decoder, PROMPTS)
    alone = [write(decoder, [prompt])[0] for prompt in PROMPTS]
    assert [one.ids for one in together] == [one.ids for one in alone]
    assert len({generated.ids for generated in together}) > 1  # the prompts matter


@pytest.mark.parametrize("family", ["gemma4_e", "gemma3n"])
def test_an_embedding_is_one_row_of_both_tables_in_the_units_of_the_main_one(family: str) -> None:
    backbone = build_backbone(family)
    ids = draw(10)
    rows = plain.embed(backbone, ids).detach()
    rows[:, 32:] *= (16 / 32) ** 0.5
    assert torch.allclose(make_decoder(backbone).embed(torch.tensor(ids)), rows)
