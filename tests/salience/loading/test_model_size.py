"""Models that are too large are refused before they are read, with what to do; int8 presets are expanded."""

# pyright: standard

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import warnings
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, cast

import keras
import keras_nlp
import numpy as np
import pytest
import torch

from promptlight.io import find_result
from promptlight.io.results.reader import read_settings
from promptlight.salience import Analysis, load_model
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.tensors import count_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.families import find_family
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.loading.model_size import GIB, MODELS, Room, measure_architecture, measure_model
from promptlight.salience.loading.quantisation import find_quantisations
from promptlight.salience.loading.transformers._config import read_architecture
from tests.conftest import Command, save_tiny_preset
from tests.oracles.tiny import FAMILIES, NEWER_FAMILIES, build_backbone
from tests.support.cramped import Cramped
from tests.support.published_sizes import PUBLISHED, describe

KERAS_2B = {  # of gemma2_instruct_2b_en
    "class_name": "GemmaBackbone",
    "registered_name": "keras_hub>GemmaBackbone",
    "config": {
        "vocabulary_size": 256_000,
        "num_layers": 26,
        "num_query_heads": 8,
        "num_key_value_heads": 4,
        "hidden_dim": 2304,
        "intermediate_dim": 18432,
        "head_dim": 256,
    },
}
TRANSFORMERS_2B = {  # of google/gemma-2-2b-it
    "model_type": "gemma2",
    "vocab_size": 256_000,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "head_dim": 256,
}
N_2B = 2_614_341_888  # as keras-hub and Hugging Face state it


def test_parameters_are_counted_from_a_config() -> None:
    family = find_family(KERAS_2B, "it")
    size, same = measure_model(KERAS_2B, family), measure_architecture(read_architecture(TRANSFORMERS_2B, "it"))
    assert size is not None
    assert (size.n_parameters, same.n_parameters) == pytest.approx((N_2B, N_2B), rel=1e-4)
    assert size.n_embedding == same.n_embedding == 256_000 * 2304
    assert measure_model({}, family) is None
    assert measure_model(KERAS_2B | {"config": []}, family) is None


def count_matrices(backbone: Any) -> int:
    """The numbers of a backbone, without those of norms and other vectors."""
    return sum(variable.value.numel() for variable in backbone.variables if len(variable.shape) > 1)


@pytest.mark.parametrize("family", [*FAMILIES, *NEWER_FAMILIES])
def test_the_count_is_kerass_own_but_for_norms(family: str) -> None:
    backbone = build_backbone(family, vocabulary_size=3000)
    config = cast("dict[str, Any]", keras.saving.serialize_keras_object(backbone))
    size = measure_model(config, find_family(config, "it"))
    assert size is not None
    assert size.n_parameters + size.n_table == count_matrices(backbone)
    assert size.n_embedding == 3000 * 32


@pytest.mark.parametrize("family", FAMILIES)
def test_a_borrowed_decoder_has_all_bytes_of_its_backbone(family: str) -> None:
    backbone = build_backbone(family, vocabulary_size=3000)
    assert count_bytes(borrow_decoder(backbone)) == 4 * backbone.count_params()


@pytest.mark.parametrize("name", ["Gemma3nBackbone", "Gemma4Backbone"])
def test_sizes_that_make_no_sense_are_unknown(name: str) -> None:
    family = find_family(describe(name, {}), "it")
    for sizes in ({}, {"num_layers": "x", "num_kv_shared_layers": []}, {"intermediate_size": 3}):
        assert measure_model(describe(name, sizes), family) is None


def test_the_usual_models_have_the_sizes_of_their_configs() -> None:
    for name in PUBLISHED.keys() & MODELS.keys():
        found = measure_model(PUBLISHED[name], find_family(PUBLISHED[name], name))
        assert found is not None
        assert astuple(found) == pytest.approx(astuple(MODELS[name]), rel=1e-3)
    assert list(MODELS.values()) == sorted(MODELS.values(), key=lambda size: size.n_parameters)
    assert {name for name in MODELS if re.match("gemma(4|3n)", name)} == PUBLISHED.keys() & MODELS.keys()


def make_hollow_preset(folder: Path, config: dict[str, Any]) -> Path:
    """A folder with weights as large as that config's, but hollow; to read them would be an error."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "model.safetensors").touch()
    os.truncate(folder / "model.safetensors", 2 * N_2B)
    return folder


@pytest.fixture
def fast_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU with units for bfloat16."""
    monkeypatch.setattr("promptlight.salience.loading.model_size.has_fast_bfloat16", lambda: True)


@pytest.mark.usefixtures("fast_bfloat16")
def test_what_does_not_fit_is_told_what_would() -> None:
    small, large = MODELS["gemma2_instruct_2b_en"], MODELS["gemma2_instruct_9b_en"]
    gpu = Room(device="CUDA (T4)", dtype="bfloat16", weight_bytes=2, free=int(14.6 * GIB), free_on_cpu=100 * GIB)
    assert gpu.refuse("x", small) is None
    assert gpu.refuse("gemma2_instruct_9b_en", large) == (
        "gemma2_instruct_9b_en: too large for CUDA (T4): its weights take 17.2 GiB in bfloat16, and 14.6 GiB are free;"
        " use the CPU in float32 (41.3 GiB, slower), or a smaller model such as gemma4_instruct_4b, or"
        " a GPU with more memory (a model is not split over several)"
    )
    assert "use the CPU in bfloat16 (24.1 GiB, slower)" in str(replace(gpu, free_on_cpu=40 * GIB).refuse("x", large))
    cpu = Room(device="CPU", dtype="float32", weight_bytes=4, free=12 * GIB)
    assert str(cpu.refuse("x", small)).endswith(
        "its weights take 9.7 GiB in float32, loading them 4.4 GiB more, and 12.0 GiB are free; use bfloat16"
        " (9.3 GiB), or a smaller model such as gemma4_instruct_2b, or free memory that other programs hold"
    )
    assert replace(cpu, free=15 * GIB).refuse("x", small) is None
    tight = Room(device="CPU", dtype="bfloat16", weight_bytes=2, free=1 * GIB)
    assert str(tight.refuse("x", small)).endswith("1.0 GiB are free; free memory that other programs hold")
    int8 = Room(device="CPU", dtype="bfloat16", weight_bytes=2, free=8 * GIB, quantised=True)
    assert "take 4.9 GiB in bfloat16, the int8 preset beside them 2.4 GiB, loading" in str(int8.refuse("x", small))


@pytest.mark.usefixtures("fast_bfloat16")
def test_a_model_that_is_too_large_is_refused_before_its_weights_are_read(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = make_hollow_preset(tmp_path / "large", TRANSFORMERS_2B)
    monkeypatch.setattr("promptlight.salience.loading._devices.free_bytes", lambda _: 11 * GIB)
    refused = promptlight("show", "--prompt", "x", "--model", folder, "--device", "cpu")
    assert refused.exit_code == 4
    (line,) = refused.stderr.splitlines()
    assert line.startswith(
        f"promptlight: {folder}: too large for CPU: its weights take 9.7 GiB in float32, loading them"
    )
    assert "loading them 2.2 GiB more, and 11.0 GiB are free; use bfloat16 (7.1 GiB)" in line
    assert line.endswith(" (--dtype, --device, --model)")


def test_memory_that_runs_out_while_loading_is_one_line(tiny_preset: Path) -> None:
    with (
        Cramped(10_000),
        pytest.raises(ModelError, match=r"preset: out of memory while it was loaded on CPU; (use|free) "),
    ):
        load_model(str(tiny_preset), device="cpu")


# ---- quantised presets -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_preset(tmp_path_factory.mktemp("quantised") / "full")


@pytest.fixture(scope="module")
def small(full: Path) -> Path:
    return quantise(full, "int8")


def quantise(preset: Path, mode: str) -> Path:
    """What Keras makes of a preset, beside it."""
    model = keras_nlp.models.CausalLM.from_preset(str(preset))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that have nothing to quantise
        model.quantize(mode)
    model.save_to_preset(str(preset.with_name(mode)))
    return preset.with_name(mode)


def round_to_int8(weights: torch.Tensor, axis: int) -> np.ndarray:
    """The largest weight of an output becomes 127, all others whole numbers beside it."""
    numbers = weights.numpy()
    step = np.abs(numbers).max(axis=axis, keepdims=True) / 127
    return np.round(numbers / step) * step


def assert_rounded(found: np.ndarray, expected: np.ndarray) -> None:
    """The same but for a few that lie in the middle between two whole numbers."""
    wrong = np.abs(found - expected) > 1e-6
    assert wrong.mean() < 1e-3
    assert np.abs(found - expected).max() < 1.01 * np.abs(expected).max() / 127


def matrices(layer: Layer) -> tuple[torch.Tensor, ...]:
    attention, feed_forward = layer.attention, layer.feed_forward
    return attention.heads.query_key_value, attention.output, feed_forward.gate, feed_forward.up, feed_forward.down


def test_int8_weights_are_what_rounding_leaves_of_the_full_ones(full: Path, small: Path) -> None:
    whole, ours = load_model(str(full), device="cpu"), load_model(str(small), device="cpu")
    assert (ours.facts.quantised, ours.dtype) == ("int8", "float32")
    for expected, layer in zip(whole.decoder.layers, ours.decoder.layers, strict=True):
        for found, full_weights in zip(matrices(layer), matrices(expected), strict=True):
            assert_rounded(found.numpy(), round_to_int8(full_weights, axis=0))
        norm, expected_norm = layer.attention.heads.norm.scale, expected.attention.heads.norm.scale
        assert norm is not None
        assert expected_norm is not None
        assert torch.equal(norm, expected_norm)
    rounded = round_to_int8(whole.decoder.embedding, axis=1)
    assert_rounded(ours.decoder.embedding.numpy(), rounded)


def test_int8_logits_are_near_kerass_own_which_round_activations_too(small: Path) -> None:
    ids = torch.tensor([[2, *range(300, 320)]])
    model: Any = keras_nlp.models.CausalLM.from_preset(str(small), preprocessor=None)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, of a transposed vector
        hidden = model.backbone({"token_ids": ids, "padding_mask": torch.ones_like(ids)})
        theirs = model.backbone.token_embedding(hidden, reverse=True)
        ours = load_model(str(small), device="cpu").decoder
        found = ours.logits(ours.hidden(ours.embed(ids)))
    assert (found - theirs).norm() / theirs.norm() < 0.1


def count_int8_tensors() -> int:
    gc.collect()
    return sum(type(one) in (torch.Tensor, torch.nn.Parameter) and one.dtype is torch.int8 for one in gc.get_objects())


def test_int8_in_bfloat16_and_nothing_of_int8_stays(small: Path) -> None:
    before = count_int8_tensors()
    model = load_model(str(small), device="cpu", dtype="bfloat16")
    assert {matrix.dtype for layer in model.decoder.layers for matrix in matrices(layer)} == {torch.bfloat16}
    assert count_int8_tensors() <= before


def test_a_run_on_int8_says_so_and_is_not_gone_on_with_by_the_full_model(
    promptlight: Command, full: Path, small: Path, tmp_path: Path
) -> None:
    prompts, out, model = tmp_path / "prompts.jsonl", tmp_path / "out", tmp_path / "model"
    records = [json.dumps({"id": id, "prompt": "Suggestion: Onion soup"}) for id in "ab"]
    prompts.write_text(records[0], encoding="utf-8")
    arguments = ("run", prompts, "-o", out, "--model", model, "--max-new-tokens", 3, "--device", "cpu")
    shutil.copytree(small, model)
    assert promptlight(*arguments).exit_code == 0
    assert isinstance(find_result(out), Analysis)
    assert read_settings(out)["quantised"] == "int8"
    shutil.rmtree(model)
    shutil.copytree(full, model)  # under the same name, with something left to do
    prompts.write_text("\n".join(records), encoding="utf-8")
    refused = promptlight(*arguments)
    assert refused.exit_code == 5
    assert "quantised: there int8, now None" in refused.stderr


def test_other_ways_to_quantise_are_refused_by_name(full: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"int4: quantised \(int4/128\), which is not covered: expected full weights"):
        load_model(str(quantise(full, "int4")), device="cpu")
    config = TRANSFORMERS_2B | {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}
    theirs = make_hollow_preset(tmp_path / "theirs", config)
    with pytest.raises(ModelError, match=r"theirs: quantised \(bitsandbytes\), which is not covered"):
        load_model(str(theirs), device="cpu")


def test_what_a_config_says_of_quantisation_may_be_anything() -> None:
    deep: dict[str, Any] = {"quantization_config": ["?"]}
    for _ in range(10_000):
        deep = {"config": deep}
    assert find_quantisations(deep) == {"in a way of transformers' own"}
    assert find_quantisations({"quantization_config": {}}) == {"in a way of transformers' own"}
    assert find_quantisations({"class_name": "DTypePolicy", "config": {"name": "bfloat16"}}) == set()


def test_full_presets_are_not_taken_for_quantised(tiny_preset: Path) -> None:
    for folder in (tiny_preset, DEMO_FOLDER):
        assert find_quantisations(json.loads((folder / "config.json").read_text(encoding="utf-8"))) == set()
