"""The decoder runs the weights of the Keras model where they lie, and nothing else of that model stays."""

# pyright: standard

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from promptlight.salience.decoder.tensors import convert_tensors, count_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.keras._keys import KNOWN_KEYS
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.loading.load import load_model
from tests.oracles.tiny import FAMILIES, NEWER_FAMILIES, build_backbone
from tests.support.presets import edit_json


def test_weights_are_borrowed_not_copied() -> None:
    backbone = build_backbone("gemma2")
    decoder = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    block = backbone.transformer_layers[0]
    assert decoder.embedding.data_ptr() == backbone.token_embedding.embeddings.value.data_ptr()
    layer = decoder.layers[0]
    assert layer.feed_forward.gate.data_ptr() == block.gating_ffw.kernel.value.data_ptr()
    assert layer.feed_forward.down.data_ptr() == block.ffw_linear.kernel.value.data_ptr()
    assert layer.attention.output.data_ptr() == block.attention.output_dense.kernel.value.data_ptr()


@pytest.mark.parametrize("key", ["never_heard_of", "rope_max_wavelength", "attention_bias"])
def test_a_key_that_keras_would_drop_is_refused_by_its_name(tiny_preset: Path, tmp_path: Path, key: str) -> None:
    folder = Path(shutil.copytree(tiny_preset, tmp_path / "preset"))
    edit_json(folder / "config.json", lambda config: config["config"].update({key: 500.0}))
    with pytest.raises(ModelError, match=rf"config\.json has the key {key} "):
        load_model(str(folder))


@pytest.mark.parametrize("family", [*FAMILIES, *NEWER_FAMILIES])
def test_every_key_that_keras_writes_is_known(family: str) -> None:
    backbone = build_backbone(family)
    assert backbone.get_config().keys() <= KNOWN_KEYS[type(backbone).__name__]


def find_storages() -> dict[int, int]:
    """Address and size of all memory that tensors hold."""
    tensors = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
    return {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}


def test_once_a_model_is_loaded_no_weight_is_there_twice(tiny_preset: Path) -> None:
    gc.collect()
    before = find_storages()
    model = load_model(str(tiny_preset), device="cpu")
    held = sum(size for address, size in find_storages().items() if address not in before)
    assert held == count_bytes(model.decoder)


def test_no_random_weights_are_drawn_to_be_overwritten(tiny_preset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras import initializers
    from keras.src.backend import random

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("drawn")

    for name in ("normal", "uniform", "truncated_normal"):
        monkeypatch.setattr(random, name, never)
    assert load_model(str(tiny_preset), device="cpu").decoder.embedding.std() > 0
    monkeypatch.undo()
    drawn: Any = initializers.GlorotUniform()((3, 3))
    assert drawn.std() > 0  # others still get theirs
