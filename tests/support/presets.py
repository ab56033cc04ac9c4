"""Make presets and damage them for a test."""

# pyright: standard

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.transformers_models import VOCABULARY

_SENTINELS = {"image": ("<|image>", "<|image|>", "<image|>"), "audio": ("<|audio>", "<|audio|>", "<audio|>")}
GEMMA4_PIECES = (
    *("<|turn>", "<turn|>", "<|think|>", "<|channel>", "<channel|>", "<|tool>", "<tool|>", "<|tool_call>"),
    *("<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>', "<|video|>"),
    *_SENTINELS["image"],
    *_SENTINELS["audio"],
)
GEMMA3N_PIECES = (
    *("<image_soft_token>", "<audio_soft_token>", "<start_of_image>", "<end_of_image>"),
    *("<start_of_audio>", "<end_of_audio>", "<mask>", "[multimodal]"),
)
"""What Keras's tokenizers ask for and the demo's vocabulary lacks."""


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def extend_vocabulary(pieces: Sequence[str]) -> bytes:
    """The demo's vocabulary with user-defined pieces at its end."""
    protos: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    model = protos.ModelProto()
    model.ParseFromString(VOCABULARY.read_bytes())
    for piece in pieces:
        model.pieces.add(piece=piece, score=0.0, type=model.SentencePiece.USER_DEFINED)
    return model.SerializeToString()


def save_newer_preset(family: str, folder: Path, *, max_shard_bytes: int | None = None, **options: Any) -> Any:
    """Save a tiny model of Gemma 4 or 3n as a Keras preset, in shards if it is larger than that; gives its backbone.

    ``options`` replace arguments of the backbone's constructor. A large ``hidden_size_per_layer_input`` makes the table
    of per-layer embeddings most of the file.
    """
    import keras_nlp
    import sentencepiece

    from tests.oracles.tiny import build_backbone

    name = "Gemma3n" if family == "gemma3n" else "Gemma4"
    proto = extend_vocabulary(GEMMA3N_PIECES if family == "gemma3n" else GEMMA4_PIECES)
    n_pieces = sentencepiece.SentencePieceProcessor(model_proto=proto).vocab_size()
    backbone = build_backbone(family, vocabulary_size=n_pieces, **options)
    task = getattr(keras_nlp.models, f"{name}CausalLM")(backbone=backbone, preprocessor=None)
    task.save_to_preset(str(folder), max_shard_size=None if max_shard_bytes is None else max_shard_bytes / 1024**3)
    getattr(keras_nlp.models, f"{name}Tokenizer")(proto=proto).save_to_preset(str(folder))
    return backbone
