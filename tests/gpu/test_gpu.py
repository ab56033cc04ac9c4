"""What a GPU computes is what the CPU computes. Run with `make gpu` on a machine that has one.

Only the test of Ray needs packages for tables; without them, it is skipped.
"""

# pyright: standard

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

from promptlight.salience import Analysis, AnalysisOptions, Model, Prompt, analyze, load_model
from promptlight.salience.decoder.backward import chunk_bytes
from promptlight.salience.decoder.chunks import plan_chunk
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.generate import generate
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.types import Method
from tests.conftest import Command
from tests.oracles.tiny import FAMILIES, NEWER_FAMILIES, build_backbone, draw_ids
from tests.support.newer_decoders import make_decoder
from tests.support.paths import EXAMPLES

pytestmark = pytest.mark.gpu
DEVICE = os.environ.get("PROMPTLIGHT_TEST_DEVICE", "cuda")  # a rehearsal has "cpu"
on_a_card = pytest.mark.skipif(DEVICE == "cpu", reason="measures a card's memory, or chooses its dtype")

PROMPTS = [
    Prompt(id=dish, text=f"What is in it?\n\nSuggestion: {dish}\nAnalysis:")
    for dish in ("Naan", "Leek and potato soup", "Omelette")
]
OPTIONS = AnalysisOptions(max_new_tokens=12)


@pytest.fixture(scope="module")
def pair() -> tuple[Model, Model]:
    return load_model("demo", device=DEVICE, dtype="float32"), load_model("demo", device="cpu")


def run(model: Model, options: AnalysisOptions) -> list[Analysis]:
    return [result for result in analyze(PROMPTS, model, options) if isinstance(result, Analysis)]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_completions_and_scores_are_those_of_the_cpu(pair: tuple[Model, Model], temperature: float) -> None:
    options = replace(OPTIONS, sampling=Sampling(temperature=temperature, seed=1))
    for on_gpu, on_cpu in zip(run(pair[0], options), run(pair[1], options), strict=True):
        assert on_gpu.completion.ids == on_cpu.completion.ids
        assert on_gpu.map_by().scores == pytest.approx(on_cpu.map_by().scores, rel=1e-3, abs=1e-7)


@on_a_card
def test_auto_takes_the_gpu_in_bfloat16() -> None:
    model = load_model("demo")
    assert (model.device.type, model.dtype) == ("cuda", "bfloat16")
    assert len(run(model, OPTIONS)) == len(PROMPTS)


@on_a_card
def test_real_lack_of_memory_halves_the_chunk(pair: tuple[Model, Model]) -> None:
    """Almost all of the device's memory is taken away; what is left holds a target, not a hundred."""
    decoder, ids = pair[0].decoder, [2, *range(300, 700)]
    expected = compute_salience(decoder, ids, 300, {}, chunk=1).maps[Method.GRAD_L2].scores
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 2**27) / total)
    try:
        scores = compute_salience(decoder, ids, 300, {}, chunk=100).maps[Method.GRAD_L2].scores
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert scores == pytest.approx(expected, rel=1e-4, abs=1e-8)


def build(family: str) -> Decoder:
    """A random model on the CPU, in float32."""
    with keras.device("cpu:0"):
        backbone = build_backbone(family)
    if family in NEWER_FAMILIES:
        return make_decoder(backbone, torch.float32)
    return convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)


def score(decoder: Decoder, ids: list[int]) -> np.ndarray:
    scores = compute_salience(decoder, ids, 40, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    return scores


@pytest.mark.parametrize("family", [*FAMILIES, *NEWER_FAMILIES])
def test_scores_of_every_family_are_those_of_the_cpu_in_float64(family: str) -> None:
    """In bfloat16, a random Gemma 3n is too sensitive to compare: the CPU's own scores are off by a third."""
    on_cpu, ids = build(family), draw_ids(60)
    expected = score(convert_tensors(on_cpu, torch.Tensor.double), ids)
    for dtype, bound in ((torch.float32, 1e-4), (torch.bfloat16, np.inf if family == "gemma3n" else 0.1)):
        found = score(convert_tensors(on_cpu, lambda tensor, dtype=dtype: tensor.to(DEVICE, dtype)), ids)
        assert abs(found - expected).max() / expected.max() < bound


@pytest.mark.parametrize("family", [*FAMILIES, *NEWER_FAMILIES])
def test_every_family_writes_what_it_writes_on_the_cpu(family: str) -> None:
    """Also step by step as a CUDA graph, and whatever the batch; greedy ids in float32."""
    on_cpu, ids = build(family), draw_ids(60)
    on_gpu = convert_tensors(on_cpu, lambda tensor: tensor.to(DEVICE))
    options = {"max_new_tokens": 12, "context_length": 200, "stops": {}}
    expected = generate(on_cpu, [ids, ids[:17]], **options)
    assert generate(on_gpu, [ids, ids[:17]], **options) == expected
    assert generate(on_gpu, [ids, ids[:17]], **options, ahead=True) == expected
    assert [generate(on_gpu, [one], **options)[0] for one in (ids, ids[:17])] == expected


@on_a_card
def test_the_plan_holds_on_the_real_card(pair: tuple[Model, Model]) -> None:
    """A planned chunk takes no more memory than the formula says, and a good part of it."""
    decoder, ids = pair[0].decoder, [2, *range(300, 700)]
    chunk = plan_chunk(decoder, len(ids), 100)
    compute_salience(decoder, ids, 300, {}, chunk=chunk)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    compute_salience(decoder, ids, 300, {}, chunk=chunk)
    taken = torch.cuda.max_memory_allocated() - before
    planned = chunk_bytes(decoder, len(ids), chunk)
    assert 0.1 * planned < taken < 2 * planned


def test_steps_ahead_drop_rows_that_stop(pair: tuple[Model, Model]) -> None:
    """The graph is captured anew for the rows that are left."""
    decoder, prompts = pair[0].decoder, [[2, *range(300, 300 + n)] for n in (5, 9, 30, 70)]
    options = {"max_new_tokens": [3, 5, 40, 40], "context_length": 200, "stops": {}}
    assert generate(decoder, prompts, **options, ahead=True) == generate(decoder, prompts, **options)


@on_a_card
def test_ray_gives_each_actor_a_gpu_and_the_results_are_the_same(promptlight: Command, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from promptlight.io import read_results

    for engine in ("local", "ray"):
        arguments = (EXAMPLES / "prompts.jsonl", "-o", tmp_path / engine, "--max-new-tokens", 12, "--dtype", "float32")
        done = promptlight("run", *arguments, "--engine", engine)
        assert done.exit_code == 0
        assert "demo in float32 on cuda" in done.stderr
    for one, other in zip(read_results(tmp_path / "ray"), read_results(tmp_path / "local"), strict=True):
        assert isinstance(one, Analysis)
        assert isinstance(other, Analysis)
        assert one.completion.ids == other.completion.ids
        assert one.map_by().scores == pytest.approx(other.map_by().scores, rel=1e-3, abs=1e-7)
