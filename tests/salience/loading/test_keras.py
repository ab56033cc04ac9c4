"""The decoder runs the weights of the Keras model where they lie."""

from __future__ import annotations

import torch

from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.loading.keras import borrow_decoder
from tests.oracles.tiny import build_backbone


def test_weights_are_borrowed_not_copied() -> None:
    backbone = build_backbone("gemma2")
    decoder = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    block = backbone.transformer_layers[0]
    assert decoder.embedding.data_ptr() == backbone.token_embedding.embeddings.value.data_ptr()
    layer = decoder.layers[0]
    assert layer.feed_forward.gate.data_ptr() == block.gating_ffw.kernel.value.data_ptr()
    assert layer.feed_forward.down.data_ptr() == block.ffw_linear.kernel.value.data_ptr()
    assert layer.attention.output.data_ptr() == block.attention.output_dense.kernel.value.data_ptr()
