"""An independent check on real file formats: folders that Hugging Face transformers wrote."""

# pyright: standard

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from promptlight.salience.decoder.generate import generate
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Method
from tests.oracles.tiny import FAMILIES
from tests.support.transformers_models import VOCABULARY, build_transformers_model

P, T = 40, 52


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Model]:
    """A transformers model, and what ``load_model`` makes of its folder."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    theirs = build_transformers_model(request.param, len(Tokenizer.from_file(VOCABULARY)))
    theirs.save_pretrained(folder)
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    return theirs, load_model(str(folder))


def draw_text_ids(model: Model, n: int) -> list[int]:
    generator = torch.Generator().manual_seed(0)
    return [2, *torch.randint(300, len(model.tokenizer), (n - 1,), generator=generator).tolist()]


def test_logits_are_those_of_transformers(pair: tuple[Any, Model]) -> None:
    theirs, ours = pair
    ids = torch.tensor([draw_text_ids(ours, T)])
    with torch.no_grad():
        expected = theirs(ids).logits
        logits = ours.decoder.logits(ours.decoder.hidden(ours.decoder.embed(ids)))
    assert expected.std() > 0.5
    assert (logits - expected).abs().max() < 1e-4


def test_greedy_completions_are_those_of_transformers(pair: tuple[Any, Model]) -> None:
    theirs, ours = pair
    ids = draw_text_ids(ours, P)
    expected = theirs.generate(torch.tensor([ids]), max_new_tokens=20, do_sample=False, eos_token_id=None)
    (generated,) = generate(ours.decoder, [ids], max_new_tokens=20, context_length=128, stops={})
    assert list(generated.ids) == expected[0, P:].tolist()


def test_salience_is_autograd_on_the_transformers_model(pair: tuple[Any, Model]) -> None:
    theirs, ours = pair
    ids = draw_text_ids(ours, T)
    # transformers' embedding layer multiplies by sqrt(D) itself, so its table is what is unscaled
    table = theirs.get_input_embeddings()
    factor = table.embed_scale.float()
    embeddings = table.weight[torch.tensor(ids)].detach().clone().requires_grad_()
    log_probs = theirs(inputs_embeds=(embeddings * factor)[None]).logits[0].log_softmax(-1)
    scores = compute_salience(ours.decoder, ids, P, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    for target in (P, P + 5, T - 1):
        gradient = torch.autograd.grad(log_probs[target - 1, ids[target]], embeddings, retain_graph=True)[0]
        expected = gradient.norm(dim=-1)
        error = (torch.from_numpy(scores[target - P]) - expected).norm() / expected.norm()
        assert error < 1e-4


def test_context_length_is_read_from_the_folder(pair: tuple[Any, Model]) -> None:
    assert pair[1].facts.context_length == 128
