"""Gradients by the main embedding alone, where a model looks tokens up in two tables."""

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
from promptlight.salience.types import Granularity, Method, SalienceMap
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


def test_norms_are_of_the_main_part(backbone: Any, decoder: Decoder) -> None:
    found, joint = explain(decoder, Method.GRAD_L2).scores, explain(decoder, Method.GRAD_L2, MethodOptions()).scores
    assert found is not None
    assert joint is not None
    expected = plain.grad_l2(backbone, IDS, P, main_only=True)
    assert found == pytest.approx(expected.detach().numpy(), rel=1e-5, abs=1e-9)
    assert (found <= joint * (1 + 1e-6)).all()
    assert (joint - found).max() > 0.01 * joint.max()


def test_products_are_with_the_main_row(backbone: Any, decoder: Decoder) -> None:
    rows, width = plain.embed(backbone, IDS).detach(), decoder.width
    gradients = plain.gradients(backbone, IDS, P)
    expected = (gradients * rows)[..., :width].sum(dim=-1)
    found = explain(decoder, Method.GRAD_DOT_INPUT).scores
    assert found == pytest.approx(expected.numpy(), rel=1e-5, abs=1e-6)


def test_a_path_leaves_the_second_rows_where_they_are(backbone: Any, decoder: Decoder) -> None:
    """Sums are the change from the main table's mean, with the text's own second rows."""
    found = explain(decoder, Method.INTEGRATED_GRADIENTS)
    rows = plain.embed(backbone, IDS).detach()
    start = rows.clone()
    start[1:, : decoder.width] = decoder.mean_embedding()[: decoder.width]
    ends = [plain.log_probabilities(backbone, at).detach() for at in (rows, start)]
    changes = [(ends[0] - ends[1])[target - 1, IDS[target]].item() for target in range(P, len(IDS))]
    assert found.scores is not None
    sums = found.scores.sum(axis=1, dtype=np.float64) - found.completeness_error[Granularity.TOKEN]
    assert sums.tolist() == pytest.approx(changes, rel=1e-4, abs=1e-4)


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
