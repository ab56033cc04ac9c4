"""GGUF files of tiny models: what is computed is what transformers computes with the same weights."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGMLQuantizationType

from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from tests.support.gguf_files import FAMILIES, set_weights, write_gguf
from tests.support.transformers_models import build_transformers_model

N_PIECES = 1536
IDS = torch.tensor([[2, *range(300, 340)]])


def find_logits(model: Model) -> torch.Tensor:
    return model.decoder.logits(model.decoder.hidden(model.decoder.embed(IDS)))


def assert_equal_logits(theirs: Any, path: Path) -> Model:
    ours = load_model(str(path))
    with torch.no_grad():
        expected = theirs(IDS).logits
    assert expected.std() > 0.3
    assert (find_logits(ours) - expected).abs().max() < 1e-4
    return ours


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    theirs = build_transformers_model(family, N_PIECES)
    facts = assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs)).facts
    assert (facts.quantised, facts.context_length, facts.dtype) == (None, 128, "float32")


QUANTISED = {
    "F16": None,
    "BF16": None,
    "Q8_0": "Q8_0",
    "Q4_0": "Q4_0",
    "Q5_1": "Q5_1",
    "Q4_K": "Q4_K_M (Q4_K)",
    "Q6_K": "Q6_K",
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("kind", "shown"), QUANTISED.items())
def test_quantised_weights_are_those_that_gguf_reads(family: str, kind: str, shown: str | None, tmp_path: Path) -> None:
    sizes = {"hidden_size": 256, "intermediate_size": 256, "head_dim": 64, "num_hidden_layers": 2}
    if family != "gemma":
        sizes["query_pre_attn_scalar"] = 64
    theirs = build_transformers_model(family, N_PIECES, **sizes)
    path = write_gguf(tmp_path / "tiny.gguf", theirs, kind=GGMLQuantizationType[kind])
    set_weights(theirs, family, path)
    assert assert_equal_logits(theirs, path).facts.quantised == shown
