"""The demo's vocabulary with Gemma 4's pieces, in both formats, and a model that chats with it."""

# pyright: standard

from __future__ import annotations

import dataclasses
import importlib
import shutil
from pathlib import Path
from typing import Any

from promptlight.salience.model import Model
from promptlight.salience.text.chat import GEMMA_4_CHAT, ChatFormat
from promptlight.salience.text.tokenizer import Tokenizer
from tests.support.presets import GEMMA4_PIECES
from tests.support.transformers_models import VOCABULARY


def build_model() -> bytes:
    """As keras-hub builds Gemma 4's: every added piece is user-defined, <bos> too, and nothing says which is <bos>."""
    protos: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    built = protos.ModelProto()
    built.ParseFromString(VOCABULARY.read_bytes())
    for piece in ("<mask>", *GEMMA4_PIECES):
        built.pieces.add(piece=piece, score=0.0, type=built.SentencePiece.USER_DEFINED)
    for piece in built.pieces[:3]:
        piece.type = built.SentencePiece.USER_DEFINED
    for name in ("bos_piece", "eos_piece", "pad_piece"):
        built.trainer_spec.ClearField(name)
    return built.SerializeToString()


def save_json(folder: Path) -> Path:
    """As transformers saves it; the marks are special tokens. Gives the path of the tokenizer.json."""
    import transformers

    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    (folder / "config.json").write_text('{"model_type": "gemma2"}', encoding="utf-8")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": [*GEMMA4_PIECES]})
    tokenizer.save_pretrained(folder / "saved")
    return folder / "saved" / "tokenizer.json"


def replace_marks(model: Model, chat: ChatFormat = GEMMA_4_CHAT) -> Model:
    """The demo's weights with Gemma 4's marks in the place of its last pieces, to have a model that chats like it."""
    protos: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    built = protos.ModelProto()
    built.ParseFromString(VOCABULARY.read_bytes())
    for piece, mark in zip(built.pieces[-len(GEMMA4_PIECES) :], GEMMA4_PIECES, strict=True):
        piece.piece, piece.type = mark, built.SentencePiece.USER_DEFINED
    return dataclasses.replace(model, tokenizer=Tokenizer(built.SerializeToString(), chat))
