"""What each method takes away: the same spans on both sides, or smaller ones of the completion."""

# pyright: standard

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from promptlight.io import read_prompts
from promptlight.salience.ablation.maps import explain_by_ablation
from promptlight.salience.errors import UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.run.batches import complete
from promptlight.salience.text.spans import segment
from promptlight.salience.types import Completion, Granularity, Method, Objective, Prompt
from tests.support.paths import EXAMPLES

if TYPE_CHECKING:
    from promptlight.salience import Model

LINE, WORD, TOKEN = Granularity.LINE, Granularity.WORD, Granularity.TOKEN


@pytest.fixture(scope="module")
def completion(demo_model: Model) -> Completion:
    prompt = next(iter(read_prompts([EXAMPLES / "prompts.jsonl"])))
    assert isinstance(prompt, Prompt)
    (found,) = complete([prompt], demo_model, AnalysisOptions(max_new_tokens=24))
    assert isinstance(found, Completion)
    return found


def explain(model: Model, completion: Completion, options: MethodOptions) -> np.ndarray:
    cuts = {cut: segment(completion, cut) for cut in (TOKEN, LINE)}
    scores = explain_by_ablation(model.decoder, completion, cuts, Method.OCCLUSION, Objective.LOGPROB, options).scores
    assert scores is not None
    return scores


def test_occlusion_may_take_smaller_spans_of_the_completion(demo_model: Model, completion: Completion) -> None:
    """Each span is taken away alone, so each side is as in a run that cuts both sides alike."""
    border = completion.n_prompt_tokens
    lines, words = (explain(demo_model, completion, MethodOptions(sources=cut)) for cut in (LINE, WORD))
    found = explain(demo_model, completion, MethodOptions(own_sources=WORD))
    np.testing.assert_allclose(found[:, :border], lines[:, :border], atol=1e-5)
    np.testing.assert_allclose(found[:, border:], words[:, border:], atol=1e-5)
    assert np.abs(found[:, border:] - lines[:, border:]).max() > 0.01


def test_own_sources_are_for_occlusion() -> None:
    own = MethodOptions(own_sources=WORD)
    with pytest.raises(UsageError, match="expected the method occlusion with own sources, found grad_l2, shap"):
        AnalysisOptions(methods=(Method.GRAD_L2, Method.SHAP), method_options=own)
    assert AnalysisOptions(methods=(Method.OCCLUSION,), method_options=own).describe()["own_sources"] == "word"
    assert "own_sources" not in replace(AnalysisOptions(), methods=(Method.OCCLUSION,)).describe()
