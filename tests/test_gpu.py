"""What a GPU computes is what the CPU computes. Run with `pytest -m gpu` on a machine that has one."""

# pyright: standard

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from promptlight.io import read_results
from promptlight.salience import Analysis, AnalysisOptions, Model, Prompt, analyze, load_model
from promptlight.salience.decoder.backward import chunk_bytes
from promptlight.salience.decoder.chunks import plan_chunk
from promptlight.salience.decoder.generate import generate
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.types import Method
from tests.conftest import Command
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids
from tests.support.paths import EXAMPLES

pytestmark = pytest.mark.gpu

PROMPTS = [
    Prompt(id=dish, text=f"What is in it?\n\nSuggestion: {dish}\nAnalysis:")
    for dish in ("Naan", "Leek and potato soup", "Omelette")
]
OPTIONS = AnalysisOptions(max_new_tokens=12)


@pytest.fixture(scope="module")
def pair() -> tuple[Model, Model]:
    return load_model("demo", device="cuda", dtype="float32"), load_model("demo", device="cpu")


def run(model: Model, options: AnalysisOptions) -> list[Analysis]:
    return [result for result in analyze(PROMPTS, model, options) if isinstance(result, Analysis)]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_completions_and_scores_are_those_of_the_cpu(pair: tuple[Model, Model], temperature: float) -> None:
    options = replace(OPTIONS, sampling=Sampling(temperature=temperature, seed=1))
    for on_gpu, on_cpu in zip(run(pair[0], options), run(pair[1], options), strict=True):
        assert on_gpu.completion.ids == on_cpu.completion.ids
        assert on_gpu.map_by().scores == pytest.approx(on_cpu.map_by().scores, rel=1e-3, abs=1e-7)


def test_auto_takes_the_gpu_in_bfloat16() -> None:
    model = load_model("demo")
    assert (model.device.type, model.dtype) == ("cuda", "bfloat16")
    assert len(run(model, OPTIONS)) == len(PROMPTS)


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


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_family_is_that_of_the_cpu(family: str, dtype: torch.dtype) -> None:
    """The same weights on both; in bfloat16 against the CPU's float32, to what that dtype can hold."""
    on_cpu = convert_tensors(borrow_decoder(build_backbone(family)), lambda tensor: tensor.detach().cpu())
    on_gpu = convert_tensors(on_cpu, lambda tensor: tensor.to("cuda", dtype))
    ids = draw_ids(60)
    expected, found = (
        compute_salience(decoder, ids, 40, {}).maps[Method.GRAD_L2].scores for decoder in (on_cpu, on_gpu)
    )
    assert expected is not None
    assert found is not None
    error = abs(found - expected).max() / expected.max()
    assert error < (1e-3 if dtype == torch.float32 else 0.1)
    if dtype == torch.float32:
        options = {"max_new_tokens": 12, "context_length": 200, "stops": {}}
        assert generate(on_gpu, [ids, ids[:17]], **options) == generate(on_cpu, [ids, ids[:17]], **options)


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


def test_ray_gives_each_actor_a_gpu_and_the_results_are_the_same(promptlight: Command, tmp_path: Path) -> None:
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
