"""Rebuild the tokenizer of a Gemma from the pieces, types, and scores or merges in a GGUF header.

With scores, as Gemma 1 to 3n have them, the result is SentencePiece's own ModelProto, written field by field: a BPE
model with byte fallback that leaves the text as it is (no normalisation, no blank in front, no blank removed), as
Gemma's published one is. Gemma 4 has merges instead (``_merges``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._family import ARCHITECTURE, find_gguf_family
from promptlight.salience.loading.gguf._header import Header, Value
from promptlight.salience.loading.gguf._merges import write_tokenizer_json
from promptlight.salience.text.chat import ChatFormat
from promptlight.salience.text.tokenizer import Tokenizer

_EMBEDDING = "token_embd.weight"
_MODEL, _PIECES = "tokenizer.ggml.model", "tokenizer.ggml.tokens"
_SCORES, _TYPES = "tokenizer.ggml.scores", "tokenizer.ggml.token_type"
_IDS = {  # with Gemma's ids where a header has none
    "pad": ("tokenizer.ggml.padding_token_id", 0),
    "eos": ("tokenizer.ggml.eos_token_id", 1),
    "bos": ("tokenizer.ggml.bos_token_id", 2),
    "unk": ("tokenizer.ggml.unknown_token_id", 3),
}
_AS_GEMMA = {  # what Gemma's tokenizer does not do; a header that asks for it is of another
    "tokenizer.ggml.add_space_prefix": False,
    "tokenizer.ggml.remove_extra_whitespaces": False,
    "tokenizer.ggml.escape_whitespaces": True,
}
_SENTENCEPIECE = "llama"  # llama.cpp's name for BPE with scores, as SentencePiece has it
_GEMMA4 = "gemma4"  # the architecture, and its vocabulary with merges: llama.cpp's name for the model, Ollama's for PRE
_PRE = "tokenizer.ggml.pre"
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # SentencePiece's numbers, and ggml's
_KNOWN_TYPES = range(1, 7)
_MARK = "\N{LOWER ONE EIGHTH BLOCK}".encode()  # stands for a blank

# Fields of SentencePiece's protocol buffers, and what they are.
_NUMBER, _BYTES, _FLOAT = 0, 2, 5
_BPE = 2


def build_tokenizer(header: Header) -> Tokenizer:
    """The tokenizer of a GGUF file. Raises ModelError if it is none of Gemma's."""
    family = find_gguf_family(header)
    chat = family.chat_with(header.fields.get(f"{header.fields[ARCHITECTURE]}.embedding_length_per_layer_input"))
    embedding = header.tensors.get(_EMBEDDING)
    n_rows = embedding.shape[0] if embedding and embedding.shape else 0
    if _has_merges(header.fields):
        pieces, types = _read_pieces(header.fields, header.name, n_rows)
        return _build_from_json(write_tokenizer_json(header.fields, header.name, pieces, types), header.name, chat)
    proto = _build_proto(header.fields, header.name, n_rows, (chat.opening, chat.closing, *chat.control))
    try:
        return Tokenizer(proto, chat)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{header.name}: damaged: SentencePiece does not accept its vocabulary") from error


def _build_from_json(text: str, name: str, chat: ChatFormat) -> Tokenizer:
    try:
        return Tokenizer.from_json_text(text, chat)
    except ModelError as error:
        raise ModelError(f"{name}: its vocabulary is damaged: {error}") from error


def _has_merges(fields: Mapping[str, Value]) -> bool:
    """Whether a vocabulary is Gemma 4's, and not SentencePiece's; its file may have scores too, which say nothing."""
    return _GEMMA4 in (fields.get(_MODEL), fields.get(_PRE), fields.get(ARCHITECTURE))


def _build_proto(fields: Mapping[str, Value], name: str, n_rows: int, marks: tuple[str, ...]) -> bytes:
    """A serialised ModelProto. Pieces beyond the embedding's rows, which Ollama leaves in, are dropped."""
    pieces, types = _read_pieces(fields, name, n_rows)
    scores = _read_scores(fields, name, len(types))
    ids = {one: _find_id(fields, name, key, default, len(pieces)) for one, (key, default) in _IDS.items()}
    for mark in marks:  # typed by a user, they stay text: some files have them as user-defined pieces
        for id in (id for id, piece in enumerate(pieces) if piece == mark.encode()):
            types[id] = _CONTROL
    types[types == _UNKNOWN] = 1
    types[[ids["pad"], ids["eos"], ids["bos"]]] = _CONTROL
    types[ids["unk"]] = _UNKNOWN
    for id in np.flatnonzero(types == _USER_DEFINED):
        pieces[id] = pieces[id].replace(b" ", _MARK)
    trainer = _number(3, _BPE) + _number(35, True)
    for number, one in ((45, "unk"), (46, "bos"), (47, "eos"), (48, "pad")):
        trainer += _bytes(number, pieces[ids[one]])
    normalizer = _bytes(1, b"identity") + _number(3, False) + _number(4, False) + _number(5, True)
    return _join_pieces(pieces, scores, types) + _bytes(2, trainer) + _bytes(3, normalizer)


def _read_pieces(fields: Mapping[str, Value], name: str, n_rows: int) -> tuple[list[bytes], NDArray[np.int64]]:
    """The pieces and ggml's types of a vocabulary, one for each of the embedding's rows."""
    for key, expected in _AS_GEMMA.items():
        if fields.get(key, expected) != expected:
            raise ModelError(f"{name}: {key} is {fields[key]}, which Gemma's tokenizers don't have and is not covered")
    pieces, types = fields.get(_PIECES), fields.get(_TYPES)
    if not isinstance(pieces, list) or not isinstance(types, np.ndarray):
        raise ModelError(f"{name}: no vocabulary: expected {_PIECES} and {_TYPES} in it")
    if len(pieces) != len(types):
        raise ModelError(f"{name}: damaged: {len(pieces)} pieces and {len(types)} types")
    if len(pieces) < n_rows:
        raise ModelError(f"{name}: its embedding has {n_rows} rows, and its vocabulary {len(pieces)} pieces")
    try:
        b"\n".join(pieces).decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"{name}: damaged: a piece of the vocabulary is no UTF-8") from error
    types = types[:n_rows].astype(np.int64)
    if unknown := sorted(set(types.tolist()) - set(_KNOWN_TYPES)):
        raise ModelError(f"{name}: {_TYPES} has {unknown[0]}, which is unknown")
    return pieces[:n_rows], types


def _read_scores(fields: Mapping[str, Value], name: str, n_rows: int) -> list[float]:
    """SentencePiece's scores: the pair of pieces whose piece has the highest is merged first."""
    if (model := fields.get(_MODEL)) != _SENTENCEPIECE:
        raise ModelError(f"{name}: {_MODEL} is {model!r}, which is not covered; Gemma's is {_SENTENCEPIECE!r}")
    scores, pieces = fields.get(_SCORES), fields.get(_PIECES)
    if not isinstance(scores, np.ndarray):
        raise ModelError(f"{name}: no vocabulary: expected {_SCORES} in it")
    if isinstance(pieces, list) and len(scores) != len(pieces):
        raise ModelError(f"{name}: damaged: {len(pieces)} pieces and {len(scores)} scores")
    if not np.isfinite(scores).all():
        raise ModelError(f"{name}: damaged: {_SCORES} has values that are no numbers")
    return scores[:n_rows].tolist()


def _find_id(fields: Mapping[str, Value], name: str, key: str, default: int, n: int) -> int:
    id = fields.get(key, default)
    if not isinstance(id, int) or not 0 <= id < n:
        raise ModelError(f"{name}: damaged: {key} is {id}, and the vocabulary has {n} pieces")
    return id


def _join_pieces(pieces: list[bytes], scores: list[float], types: NDArray[np.int64]) -> bytes:
    """Field 1 of the model, once for each piece: 1 text, 2 score, 3 type."""
    kinds = {kind: _number(3, kind) for kind in _KNOWN_TYPES}
    heads = [_bytes(1, b"x" * n)[:-n] if n else _bytes(1, b"") for n in range(max(map(len, pieces), default=0) + 1)]
    pack = struct.Struct("<Bf").pack
    score_tag = 2 << 3 | _FLOAT
    parts: list[bytes] = []
    for piece, score, kind in zip(pieces, scores, types.tolist(), strict=True):
        body = heads[len(piece)] + piece + pack(score_tag, score) + kinds[kind]
        parts += (b"\x0a", _varint(len(body)) if len(body) > 127 else bytes((len(body),)), body)
    return b"".join(parts)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _NUMBER) + _varint(int(value))


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first; all but the last have the eighth bit set."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)
