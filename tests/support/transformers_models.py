"""Tiny Gemma models of Hugging Face transformers, with random weights."""

# pyright: standard

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.model import Model

VOCABULARY = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"


def build_transformers_model(family: str, vocabulary_size: int, **options: Any) -> Any:
    """A model of ``gemma``, ``gemma2`` or ``gemma3``; ``options`` are further keys of its config."""
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
    config = getattr(transformers, f"{name}Config")(**sizes | options)
    torch.manual_seed(0)
    model = getattr(transformers, f"{name.removesuffix('Text')}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def save_folder(model: Any, folder: Path, **options: Any) -> Path:
    """A folder as transformers writes it, with the demo's vocabulary."""
    model.save_pretrained(folder, **options)
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    return folder


def find_difference(ours: Model, theirs: Any, n: int = 60) -> float:
    """How far log-probabilities are from transformers', at most, over a text of random tokens."""
    n_pieces = ours.decoder.embedding.shape[0]
    ids = torch.randint(4, n_pieces, (1, n), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = theirs(input_ids=ids).logits.log_softmax(-1)
        found = ours.decoder.logits(ours.decoder.hidden(ours.decoder.embed(ids))).log_softmax(-1)
    return float((found - expected).abs().max())
