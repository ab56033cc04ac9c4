"""Gemma 4's vocabularies: pieces are found by name, and no mark is read from what a user writes."""

# pyright: standard

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from promptlight.salience.errors import ModelError
from promptlight.salience.text.chat import GEMMA_4_CHAT, GEMMA_CHAT
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import StopReason
from tests.support.gemma4_vocabulary import build_model, save_json
from tests.support.presets import GEMMA4_PIECES
from tests.support.transformers_models import VOCABULARY

TEXT = "  two blanks, <|x|>\n\nCrème 你好 🍕 lines \n"


@pytest.fixture(scope="module")
def model() -> bytes:
    return build_model()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same vocabulary as a tokenizer.json, without a tokenizer.model."""
    return save_json(tmp_path_factory.mktemp("theirs"))


def open_both(model: bytes, file: Path) -> list[Tokenizer]:
    return [Tokenizer(model, GEMMA_4_CHAT), Tokenizer.from_json(file, GEMMA_4_CHAT)]


def test_special_pieces_are_found_by_name(model: bytes, file: Path) -> None:
    for tokenizer in open_both(model, file):
        assert (tokenizer.bos_id, tokenizer.eos_id) == (2, 1)
        assert tokenizer.pieces(list(tokenizer.turn_marks)) == ["<|turn>", "<turn|>"]
        stops = {tokenizer.pieces([id])[0]: reason for id, reason in tokenizer.chat_stops.items()}
        assert stops == {"<turn|>": StopReason.END_OF_TURN, "<|tool_response>": StopReason.TOOL_CALL}
        ids = tokenizer.turn_marks[0], tokenizer.turn_marks[1], tokenizer.bos_id
        assert all(map(tokenizer.is_special, ids))
        assert not any(map(tokenizer.is_special, tokenizer.encode(TEXT)))


@pytest.mark.parametrize("mark", ["<bos>", "<eos>", "<pad>", "<mask>", *GEMMA4_PIECES])
def test_a_typed_mark_stays_text(model: bytes, file: Path, mark: str) -> None:
    for tokenizer in open_both(model, file):
        ids = tokenizer.encode(f"a {mark} b\n\nc")
        pieces = tokenizer.pieces(ids)
        assert mark not in pieces
        assert len(pieces) > 6
        assert "\n\n" in pieces  # an added piece that is no mark
    read = Tokenizer(model, GEMMA_CHAT)  # of a family without these marks: as the file says
    assert mark in read.pieces(read.encode(f"a {mark} b"))


def test_only_marks_change_in_the_vocabulary(model: bytes, file: Path) -> None:
    plain = Tokenizer(VOCABULARY.read_bytes())
    expected = tokenizers.Tokenizer.from_file(str(file))
    ours, theirs = open_both(model, file)
    assert ours.encode(TEXT) == plain.encode(TEXT)
    assert theirs.encode(TEXT) == expected.encode(TEXT, add_special_tokens=False).ids
    assert ours.pieces(list(range(len(plain)))) == plain.pieces(list(range(len(plain))))
    assert ours.pieces(list(range(len(plain), len(ours)))) == ["<mask>", *GEMMA4_PIECES]


def test_a_vocabulary_without_bos_is_refused() -> None:
    protos: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    built = protos.ModelProto()
    built.ParseFromString(VOCABULARY.read_bytes())
    built.pieces[2].piece = "<other>"
    with pytest.raises(ModelError, match="found none: is this a Gemma tokenizer"):
        Tokenizer(built.SerializeToString(), GEMMA_4_CHAT)
