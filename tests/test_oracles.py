"""The references are right before anything is held to them."""

# pyright: standard

from __future__ import annotations

import pytest
import torch

from tests.oracles import plain
from tests.oracles.reference import logits_from_embeddings
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids


@pytest.mark.parametrize("family", FAMILIES)
def test_the_float64_reference_is_the_keras_model(family: str) -> None:
    backbone, ids = build_backbone(family), draw_ids(40)
    with torch.no_grad():
        expected = plain.through_keras(backbone, plain.embed(backbone, ids, exact=False))
        logits = logits_from_embeddings(backbone, plain.embed(backbone, ids))
    assert (logits - expected).abs().max() < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plain_gradient_is_a_central_difference(family: str) -> None:
    backbone, ids = build_backbone(family), draw_ids(24)
    gradient = plain.gradients(backbone, ids, 20)[2]  # of target 22
    for source in (0, 9, 21):
        nudged = plain.central_difference(backbone, ids, 22, source)
        assert (nudged - gradient[source]).norm() / gradient[source].norm() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plain_gradient_through_keras_is_the_same(family: str) -> None:
    backbone, ids = build_backbone(family), draw_ids(24)
    exact, keras = (plain.grad_l2(backbone, ids, 20, exact=exact) for exact in (True, False))
    assert (keras - exact).norm() / exact.norm() < 1e-4
