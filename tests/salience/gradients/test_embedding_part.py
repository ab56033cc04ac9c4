"""The option to take gradients by the main embedding alone; ``test_newer.py`` has the numbers."""

# pyright: standard

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.errors import UsageError
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import EmbeddingPart, MethodOptions
from promptlight.salience.types import Method, SalienceMap
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


def test_noise_is_on_the_main_rows_alone(decoder: Decoder) -> None:
    joint = MethodOptions(smoothgrad_samples=3)
    maps = [explain(decoder, Method.SMOOTHGRAD, options).scores for options in (MAIN, joint)]
    assert maps[0] is not None
    assert maps[1] is not None
    assert not np.allclose(maps[0], maps[1])
    still = MethodOptions(embedding=EmbeddingPart.MAIN, smoothgrad_samples=3, smoothgrad_noise=1e-9)
    found, norms = explain(decoder, Method.SMOOTHGRAD, still).scores, explain(decoder, Method.GRAD_L2).scores
    assert found == pytest.approx(norms, rel=1e-4)


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
