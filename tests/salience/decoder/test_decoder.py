"""The borrowed decoder is the Keras model: same logits, same weights, no copies."""

from __future__ import annotations

import pytest
import torch

from promptlight.salience.decoder.decoder import QUERY_BLOCK, causal_blocks, convert_tensors, rms_norm, visible_keys
from promptlight.salience.loading.keras import borrow_decoder
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("length", [2, 15, 40, QUERY_BLOCK + 30])
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


def test_weights_are_borrowed_not_copied() -> None:
    backbone = build_backbone("gemma2")
    decoder = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    block = backbone.transformer_layers[0]
    assert decoder.embedding.data_ptr() == backbone.token_embedding.embeddings.value.data_ptr()
    assert decoder.layers[0].gate.data_ptr() == block.gating_ffw.kernel.value.data_ptr()
    assert decoder.layers[0].down.data_ptr() == block.ffw_linear.kernel.value.data_ptr()
    assert decoder.layers[0].attention_output.data_ptr() == block.attention.output_dense.kernel.value.data_ptr()


def test_blocks_cover_each_visible_pair_once() -> None:
    length, window = 2 * QUERY_BLOCK + 7, 100
    seen = torch.zeros(length, length, dtype=torch.int)
    for queries, keys, visible in causal_blocks(length, window, torch.device("cpu")):
        seen[queries, keys] += visible.int()
    positions = torch.arange(length)
    assert torch.equal(seen, visible_keys(positions, positions, window).int())


def test_visible_keys_by_hand() -> None:
    positions = torch.arange(4)
    assert visible_keys(positions, positions, None).int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]
    assert visible_keys(positions, positions, 2).int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 1],
    ]


def test_rms_norm_by_hand() -> None:
    x = torch.tensor([3.0, 4.0])  # root mean square: sqrt(12.5)
    normed = rms_norm(x, torch.tensor([0.0, 1.0]), 0.0)
    assert normed.tolist() == pytest.approx([3 / 12.5**0.5, 2 * 4 / 12.5**0.5])
