"""The option to take gradients by the main embedding alone; ``test_newer.py`` has the numbers."""

# pyright: standard

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.errors import UsageError
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.gradients.smooth import start_noise
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import EmbeddingPart, MethodOptions
from promptlight.salience.types import Method, SalienceMap
from tests.oracles import plain
from tests.oracles.tiny import build_backbone, draw_ids
from tests.support.newer_decoders import make_decoder

IDS, P = draw_ids(40), 30
MAIN = MethodOptions(embedding=EmbeddingPart.MAIN, ig_steps=16, smoothgrad_samples=3)


@pytest.fixture(scope="module", params=["gemma4_e", "gemma3n"])
def backbone(request: pytest.FixtureRequest) -> Any:
    return build_backbone(request.param)


@pytest.fixture(scope="module")
def decoder(backbone: Any) -> Decoder:
    return make_decoder(backbone)


def explain(decoder: Decoder, method: Method, options: MethodOptions = MAIN) -> SalienceMap:
    return compute_salience(decoder, IDS, P, {}, methods=(method,), setting=Setting(options=options)).maps[method]


def test_noise_is_on_the_main_rows_alone_and_as_large_as_they_are(backbone: Any, decoder: Decoder) -> None:
    rows, width, target = plain.embed(backbone, IDS).detach(), decoder.width, len(IDS) - 1
    special = [place == 0 for place in range(len(IDS))]
    draw = start_noise(rows[:-1, :width], special, MAIN.smoothgrad_noise, "0 ")
    norms: list[torch.Tensor] = []
    for _ in range(MAIN.smoothgrad_samples):
        moved = rows.clone()
        moved[:-1, :width] += draw()
        gradient = plain.gradient_of(backbone, moved, lambda log_probs: log_probs[target - 1, IDS[target]])
        norms.append(gradient[:, :width].norm(dim=1))
    found = explain(decoder, Method.SMOOTHGRAD).scores
    assert found is not None
    expected = torch.stack(norms).mean(dim=0)
    assert found[-1].tolist() == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-9)


def test_a_model_with_one_table_has_the_same_scores() -> None:
    decoder = make_decoder(build_backbone("gemma4"))
    for method in (Method.GRAD_L2, Method.GRAD_DOT_INPUT):
        found, expected = explain(decoder, method).scores, explain(decoder, method, MethodOptions()).scores
        assert found is not None
        assert expected is not None
        assert np.array_equal(found, expected)


def test_the_part_is_recorded_and_is_for_gradient_methods() -> None:
    assert AnalysisOptions(method_options=MAIN).describe()["embedding"] == "main"
    assert "embedding" not in AnalysisOptions().describe()
    with pytest.raises(UsageError, match="expected a gradient method with the main embedding, found occlusion"):
        AnalysisOptions(methods=(Method.OCCLUSION,), method_options=MAIN)


def test_settings_give_the_part_back() -> None:
    assert MethodOptions.from_settings(MAIN.describe([Method.GRAD_L2])).embedding is EmbeddingPart.MAIN
    assert MethodOptions.from_settings({}).embedding is EmbeddingPart.JOINT
