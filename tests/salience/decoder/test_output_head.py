"""A vocabulary of 262,144 pieces, as Gemma 3's: products with its table keep their digits for any number of rows."""

# pyright: standard

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from promptlight.salience.decoder._output_head import backward_head, multiply_by_head
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import convert_tensors, in_dtype
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.types import Method
from tests.oracles.tiny import build_backbone, draw_ids

V = 262_144
P = 12


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """3 layers of width 32 in float32; the head is not tied, so that 300 embeddings are enough."""
    small = convert_tensors(borrow_decoder(build_backbone("gemma3")), torch.Tensor.detach)
    head = torch.randn(V, small.embedding.shape[1], generator=torch.Generator().manual_seed(0))
    return dataclasses.replace(small, own_head=head)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 8, 9])
def test_products_are_those_of_float64(decoder: Decoder, n_rows: int) -> None:
    generator = torch.Generator().manual_seed(n_rows)
    rows = torch.randn(n_rows, decoder.head.shape[1], generator=generator)
    expected = rows.double() @ decoder.head.double().T
    product = multiply_by_head(rows, decoder.head)
    assert product.is_contiguous()
    assert (product - expected).abs().max() < 1e-4 < expected.std()
    gradient = -torch.rand(n_rows, V, generator=generator) / V
    exact = gradient.double() @ decoder.head.double()
    found = backward_head(decoder.head, gradient)
    assert ((found - exact).norm(dim=1) / exact.norm(dim=1)).max() < 2e-6


@pytest.mark.parametrize("n_targets", range(1, 9))
def test_gradients_are_those_of_float64_for_any_number_of_targets(decoder: Decoder, n_targets: int) -> None:
    ids = draw_ids(P + n_targets)
    ours, exact = (
        compute_salience(one, ids, P, {}).maps[Method.GRAD_L2].scores
        for one in (decoder, in_dtype(decoder, torch.float64))
    )
    assert ours is not None
    assert exact is not None
    errors = np.linalg.norm(ours - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert errors.max() < 2e-6
