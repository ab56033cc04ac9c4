"""A model whose output head is not its embedding, against transformers with the same weights."""

# pyright: standard

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from promptlight.salience.ablation.forward import score_ablations
from promptlight.salience.ablation.streams import lay_out_streams
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.generate import generate
from promptlight.salience.decoder.tensors import count_bytes, in_dtype
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.loading.load import load_model
from promptlight.salience.options.methods import AblationKind, Baseline, MethodOptions
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import FloatArray, Method
from tests.oracles.tiny import FAMILIES
from tests.support.transformers_models import VOCABULARY, build_transformers_model

P, T = 14, 20
IDS = [2, *torch.randint(300, 1000, (T - 1,), generator=torch.Generator().manual_seed(0)).tolist()]
Pair = tuple[Any, Decoder]


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A float64 model of transformers with a head of its own, and our decoder with the same weights."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    theirs = build_transformers_model(request.param, len(Tokenizer.from_file(VOCABULARY)))
    theirs.save_pretrained(folder)
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    tied = in_dtype(load_model(str(folder)).decoder, torch.float64)
    table = theirs.get_input_embeddings().weight
    head = 0.3 * torch.randn(table.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    theirs.double().lm_head.weight = torch.nn.Parameter(head)
    assert theirs.get_input_embeddings().weight is not theirs.lm_head.weight
    return theirs, dataclasses.replace(tied, own_head=head)


def embed(theirs: Any) -> Tensor:
    """Unscaled embeddings [T, D]; transformers' own embedding layer multiplies them by sqrt(D)."""
    return theirs.get_input_embeddings().weight[torch.tensor(IDS)].detach().clone().requires_grad_()


def score_targets(theirs: Any, embeddings: Tensor) -> Tensor:
    """The log-probability of each target, [G]."""
    scaled = embeddings * embeddings.shape[1] ** 0.5
    log_probs = theirs(inputs_embeds=scaled[None]).logits[0].double().log_softmax(-1)
    return log_probs[torch.arange(P - 1, T - 1), torch.tensor(IDS[P:])]


def differentiate(theirs: Any) -> Tensor:
    """Gradients of the targets' log-probabilities by the embeddings, [G, T, D]."""
    x = embed(theirs)
    return torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0] for one in score_targets(theirs, x)])


def explain(decoder: Decoder, method: Method, **options: Any) -> Any:
    setting = Setting(options=MethodOptions(**options))
    return compute_salience(decoder, IDS, P, {}, methods=(method,), setting=setting)


def row_errors(scores: FloatArray | None, expected: Tensor) -> Tensor:
    assert scores is not None
    return (torch.from_numpy(scores).double() - expected).norm(dim=1) / expected.norm(dim=1)


def test_logits_and_greedy_completions_are_those_of_transformers(pair: Pair) -> None:
    theirs, ours = pair
    ids = torch.tensor([IDS])
    with torch.no_grad():
        expected = theirs(ids).logits
    assert (ours.logits(ours.hidden(ours.embed(ids))) - expected).abs().max() < 1e-4
    written = theirs.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=None)[0, T:].tolist()
    (generated,) = generate(ours, [IDS], max_new_tokens=8, context_length=128, stops={})
    assert list(generated.ids) == written


def test_log_probabilities_and_gradients_are_those_of_autograd(pair: Pair) -> None:
    theirs, ours = pair
    gradients, x = differentiate(theirs), embed(theirs).detach()
    found = explain(ours, Method.GRAD_L2)
    assert found.log_probs == pytest.approx(score_targets(theirs, x).tolist(), abs=1e-5)
    assert row_errors(found.maps[Method.GRAD_L2].scores, gradients.norm(dim=-1)).max() < 1e-5
    products = explain(ours, Method.GRAD_DOT_INPUT).maps[Method.GRAD_DOT_INPUT].scores
    assert row_errors(products, (gradients * x).sum(-1)).max() < 1e-5
    smooth = explain(ours, Method.SMOOTHGRAD, smoothgrad_noise=1e-6).maps[Method.SMOOTHGRAD].scores
    assert row_errors(smooth, gradients.norm(dim=-1)).max() < 1e-4


def test_integrated_gradients_add_up_to_the_change_that_transformers_sees(pair: Pair) -> None:
    theirs, ours = pair
    method = Method.INTEGRATED_GRADIENTS
    found = explain(ours, method, ig_steps=96, ig_baseline=Baseline.ZERO).maps[method]
    x = embed(theirs).detach()
    baseline = torch.zeros_like(x)
    baseline[0] = x[0]
    with torch.no_grad():
        change = (score_targets(theirs, x) - score_targets(theirs, baseline)).numpy()
    (missed,) = found.completeness_error.values()
    assert found.scores is not None
    np.testing.assert_allclose(found.scores.sum(axis=1, dtype=np.float64) - missed, change, atol=1e-4)
    assert np.abs(missed).max() < 0.2 * np.abs(change).max()


def test_ablations_read_the_own_head(pair: Pair) -> None:
    theirs, ours = pair
    targets = [(place, place + 1) for place in range(P, T)]
    layout = lay_out_streams(list(range(T + 1)), targets, torch.device("cpu"))
    removable = np.eye(T, dtype=bool)[1:2]
    kept = np.array([[True], [False]])
    full, without = score_ablations(ours, IDS, layout, removable, kept, ablate=AblationKind.PAD)
    x = embed(theirs).detach()
    with torch.no_grad():
        np.testing.assert_allclose(full, score_targets(theirs, x), atol=1e-5)
        x[1] = theirs.get_input_embeddings().weight[0]
        np.testing.assert_allclose(without, score_targets(theirs, x), atol=1e-5)


def test_a_head_of_its_own_is_converted_and_counted_and_a_tied_one_only_once(pair: Pair) -> None:
    _, ours = pair
    tied = dataclasses.replace(ours, own_head=None)
    assert tied.head is tied.embedding
    assert count_bytes(ours) - count_bytes(tied) == ours.embedding.nbytes
    narrow, narrow_tied = (in_dtype(decoder, torch.float32) for decoder in (ours, tied))
    assert narrow.head.dtype is torch.float32
    assert torch.equal(narrow.head, ours.head.float())
    assert narrow_tied.own_head is None
