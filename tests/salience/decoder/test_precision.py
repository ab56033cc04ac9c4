"""How many digits the numbers keep, on the trained demo model, against the float64 reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from promptlight.io import read_prompts
from promptlight.salience import Analysis, AnalysisOptions, Model, Prompt, analyze, load_model
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.types import FloatArray, Method
from tests.oracles import plain
from tests.oracles.presets import load_backbone
from tests.support.paths import EXAMPLES


@pytest.fixture(scope="module")
def analyses(demo_model: Model) -> list[Analysis]:
    """The tutorial's three prompts."""
    prompts = [record for record in read_prompts(EXAMPLES / "prompts.jsonl") if isinstance(record, Prompt)][:3]
    results = list(analyze(prompts, demo_model, AnalysisOptions(max_new_tokens=32)))
    return [result for result in results if isinstance(result, Analysis)]


def explain(model: Model, analysis: Analysis) -> FloatArray:
    completion = analysis.completion
    scores = compute_salience(model.decoder, completion.ids, completion.n_prompt_tokens, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    return scores


def test_float32_keeps_its_digits_where_the_model_is_certain_too(demo_model: Model, analyses: list[Analysis]) -> None:
    assert len(analyses) == 3
    backbone, n_certain = load_backbone(DEMO_FOLDER), 0
    for analysis in analyses:
        completion = analysis.completion
        exact = plain.grad_l2(backbone, completion.ids, completion.n_prompt_tokens).numpy()
        errors = np.linalg.norm(explain(demo_model, analysis) - exact, axis=1) / np.linalg.norm(exact, axis=1)
        assert errors.max() < 2e-6
        log_probs = [token.log_prob for token in completion.tokens[completion.n_prompt_tokens :]]
        n_certain += sum(log_prob is not None and log_prob > np.log(0.99) for log_prob in log_probs)
    assert n_certain > 10  # else nothing hard was tested


def test_bfloat16_is_fine_to_look_at(demo_model: Model, analyses: list[Analysis]) -> None:
    half = load_model("demo", device="cpu", dtype="bfloat16")
    assert half.decoder.embedding.dtype == torch.bfloat16
    for analysis in analyses:
        rough, fine = explain(half, analysis), explain(demo_model, analysis)
        strongest = [(row.argmax(), other.argmax()) for row, other in zip(rough, fine, strict=True)]
        assert np.mean([a == b for a, b in strongest]) >= 0.9
        for row, other in zip(rough, fine, strict=True):
            seen = other > 0
            assert np.corrcoef(row[seen].argsort().argsort(), other[seen].argsort().argsort())[0, 1] > 0.95
