"""The borrowed decoder is the Keras model: same logits."""

from __future__ import annotations

import pytest
import torch

from promptlight.salience.decoder.attention import CPU_QUERY_BLOCK
from promptlight.salience.loading.keras.backbone import borrow_decoder
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("length", [2, 15, 40, CPU_QUERY_BLOCK + 30])
def test_logits_equal_the_keras_model_also_beyond_the_window(family: str, length: int) -> None:
    backbone = build_backbone(family)
    ids = torch.tensor([draw_ids(length), draw_ids(length, seed=4)])
    with torch.no_grad():
        hidden = backbone({"token_ids": ids, "padding_mask": torch.ones_like(ids)})
        expected = backbone.token_embedding(hidden, reverse=True)
        decoder = borrow_decoder(backbone)
        logits = decoder.logits(decoder.hidden(decoder.embed(ids)))
    assert expected.std() > 0.5  # the model says something
    assert (logits - expected).abs().max() <= 1e-4
