"""An independent check on real file formats: folders that Hugging Face transformers wrote."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from promptlight.salience.decoder.generate import generate
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Method
from tests.oracles.tiny import FAMILIES

VOCABULARY = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
P, T = 40, 52


def build_transformers_model(family: str, vocabulary_size: int) -> Any:
    import transformers

    sizes: dict[str, Any] = {
        "vocab_size": vocabulary_size,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 7 if family == "gemma3" else 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 1 if family == "gemma" else 2,
        "head_dim": 16,
        "max_position_embeddings": 128,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "attn_implementation": "eager",
    }
    if family != "gemma":
        sizes |= {"sliding_window": 16, "query_pre_attn_scalar": 16}
    name = {"gemma": "Gemma", "gemma2": "Gemma2", "gemma3": "Gemma3Text"}[family]
    config = getattr(transformers, f"{name}Config")(**sizes)
    torch.manual_seed(0)
    model = getattr(transformers, f"{name.removesuffix('Text')}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


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
