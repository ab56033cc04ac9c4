"""The references are right before anything is held to them."""

# pyright: standard

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.oracles import plain
from tests.oracles.tiny import FAMILIES, NEWER_FAMILIES, build_backbone, draw_ids, run_backbone
from tests.support import transformers_models
from tests.support.presets import edit_json
from tests.support.transformers_models import (
    build_transformers_model,
    publish_config,
    save_folder,
    save_multimodal_folder,
)

ALL = (*FAMILIES, *NEWER_FAMILIES)
LAST = 299
"""Gemma 3n has no row of its own for this id in the table of per-layer embeddings."""


@pytest.mark.parametrize("family", ALL)
def test_the_float64_reference_is_the_keras_model(family: str) -> None:
    backbone, ids = build_backbone(family), [*draw_ids(38), LAST, 5]
    with torch.no_grad():
        layers, exact = (plain.logits(backbone, plain.embed(backbone, ids, exact=exact)) for exact in (False, True))
    assert (exact - layers).abs().max() < 1e-4
    assert (exact - run_backbone(backbone, ids)).abs().max() < 1e-4


@pytest.mark.parametrize("family", transformers_models.NEWER_FAMILIES)
def test_the_float64_reference_is_the_model_of_transformers(family: str) -> None:
    model, ids = build_transformers_model(family, 300), [*draw_ids(38), LAST, 5]
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).logits[0]
        layers, exact = (plain.logits(model, plain.embed(model, ids, exact=exact)) for exact in (False, True))
    assert (exact - expected).abs().max() < 1e-4
    assert (exact - layers).abs().max() < 1e-4


@pytest.mark.parametrize("family", ["gemma4", "gemma4_e", "gemma4_moe", "gemma4_unified"])
def test_transformers_reads_the_multimodal_folders_and_the_published_keys(family: str, tmp_path: Path) -> None:
    import transformers

    model, ids = build_transformers_model(family, 300), torch.tensor([draw_ids(30)])
    folders = save_folder(model, tmp_path / "text"), save_multimodal_folder(model, tmp_path / "multimodal")
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        for change in (lambda config: None, publish_config):
            for folder, reader in zip(folders, ("AutoModelForCausalLM", "AutoModelForImageTextToText"), strict=True):
                edit_json(folder / "config.json", change)
                found, told = getattr(transformers, reader).from_pretrained(folder, output_loading_info=True)
                assert not any(told.values())
                assert (found(input_ids=ids).logits - expected).abs().max() < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plain_gradient_is_a_central_difference(family: str) -> None:
    backbone, ids = build_backbone(family), draw_ids(24)
    gradient = plain.gradients(backbone, ids, 20)[2]  # of target 22
    for source in (0, 9, 21):
        nudged = plain.central_difference(backbone, ids, 22, source)
        assert (nudged - gradient[source]).norm() / gradient[source].norm() < 1e-6


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_the_plain_gradient_tells_what_a_small_step_does(family: str) -> None:
    backbone, ids = build_backbone(family), draw_ids(24)
    gradient = plain.gradients(backbone, ids, 20)[2]  # of target 22
    rows = plain.embed(backbone, ids).detach()
    for seed in range(3):
        step = 1e-7 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(seed), dtype=rows.dtype)
        up, down = (plain.log_probabilities(backbone, rows + sign * step)[21, ids[22]] for sign in (1, -1))
        assert torch.allclose((up - down) / 2, (gradient * step).sum(), rtol=1e-5, atol=1e-13)


@pytest.mark.parametrize("family", ALL)
def test_the_plain_gradient_through_keras_is_the_same(family: str) -> None:
    backbone, ids = build_backbone(family), draw_ids(24)
    exact, keras = (plain.grad_l2(backbone, ids, 20, exact=exact) for exact in (True, False))
    assert (keras - exact).norm() / exact.norm() < 1e-4


@pytest.mark.parametrize("family", transformers_models.NEWER_FAMILIES)
def test_the_plain_gradient_through_transformers_is_the_same(family: str) -> None:
    model, ids = build_transformers_model(family, 300), draw_ids(24)
    exact, theirs = (plain.grad_l2(model, ids, 20, exact=exact) for exact in (True, False))
    assert (theirs - exact).norm() / exact.norm() < 1e-4


@pytest.mark.parametrize("family", ["gemma4_e", "gemma3n"])
def test_the_joint_gradient_is_that_of_what_enters_the_network(family: str) -> None:
    backbone, ids = build_backbone(family), draw_ids(16)
    joint, main = (plain.grad_l2(backbone, ids, 14, main_only=main_only) for main_only in (False, True))
    rows = plain.embed(backbone, ids)
    scale = torch.ones(rows.shape[1], dtype=rows.dtype)
    scale[:32], scale[32:] = 32**0.5, 16**0.5  # sqrt(D) and sqrt(P), with which the network takes the two parts
    entering = (rows.detach() * scale).requires_grad_()
    log_probs = plain.log_probabilities(backbone, entering / scale)
    (gradient,) = torch.autograd.grad(log_probs[13, ids[14]], entering)
    assert torch.allclose(joint[0], 32**0.5 * gradient.norm(dim=-1))
    assert torch.allclose(main[0], 32**0.5 * gradient[:, :32].norm(dim=-1))
    assert (joint[0, :14] / main[0, :14]).max() > 1.1  # or the test says little about the second table
