"""Convert text to token ids and back with a Gemma vocabulary (loads neither torch nor keras)."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import sentencepiece

from promptlight.salience.errors import ModelError
from promptlight.salience.text._control_pieces import make_control
from promptlight.salience.text._json_vocabulary import BOS, EOS, JsonVocabulary
from promptlight.salience.text.chat import GEMMA_CHAT, ChatFormat
from promptlight.salience.types import StopReason


class Tokenizer:
    """A vocabulary with Gemma's special pieces: a SentencePiece model, or a ``tokenizer.json``.

    ``encode`` adds no special tokens; ``bos_id`` and ``eos_id`` are for the caller to use.
    ``chat`` is the model's chat format, whose marks are pieces of the vocabulary.
    """

    def __init__(self, vocabulary: bytes | JsonVocabulary, chat: ChatFormat = GEMMA_CHAT) -> None:
        """``vocabulary`` is the serialised model of SentencePiece, or was read from ``tokenizer.json``."""
        if vocabulary == b"":  # SentencePiece takes it for one that is still to come
            raise ModelError("expected a vocabulary, found an empty file")
        self.chat = chat
        self._processor: Any = _open_model(vocabulary, chat) if isinstance(vocabulary, bytes) else vocabulary
        self._n_pieces: int = self._processor.vocab_size()
        bos, eos = self._id_of(BOS), self._id_of(EOS)  # what the file calls so may be another, such as <turn|>
        if bos is None or eos is None:
            raise ModelError("expected a vocabulary with <bos> and <eos>, found none: is this a Gemma tokenizer?")
        self.bos_id, self.eos_id = bos, eos

    @classmethod
    def from_file(cls, path: str | Path, chat: ChatFormat = GEMMA_CHAT) -> Tokenizer:
        """Read a ``vocabulary.spm`` or ``tokenizer.model`` file."""
        return cls(Path(path).read_bytes(), chat)

    @classmethod
    def from_json(cls, path: str | Path, chat: ChatFormat = GEMMA_CHAT) -> Tokenizer:
        """Read a ``tokenizer.json`` of transformers."""
        return cls.from_json_text(Path(path).read_text(encoding="utf-8-sig"), chat)

    @classmethod
    def from_json_text(cls, text: str, chat: ChatFormat = GEMMA_CHAT) -> Tokenizer:
        """The same from the text of such a file."""
        return cls(JsonVocabulary(text, (chat.opening, chat.closing, *chat.control)), chat)

    def __len__(self) -> int:
        return self._n_pieces

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without <bos>."""
        return self._processor.encode(text, return_type=int)

    def encode_own(self, text: str) -> list[int]:
        """Token ids of what the model itself said in a chat: here, the marks of thoughts and tool calls are read."""
        marks = {mark: id for mark in self.chat.own_marks if (id := self._id_of(mark)) is not None}
        if not marks:
            return self.encode(text)
        parts = re.split(f"({'|'.join(map(re.escape, marks))})", text)
        return [id for part in parts for id in ([marks[part]] if part in marks else self.encode(part))]

    def id_of_mark(self, piece: str) -> int:
        """The id of a mark of the chat format. Raises ModelError if the vocabulary has none."""
        found = self._id_of(piece)
        if found is None:
            raise ModelError(
                f"expected a model that chats, found a vocabulary without {piece}: ask for no chat",
                parameters=("chat",),
            )
        return found

    def pieces(self, ids: list[int]) -> list[str]:
        """The vocabulary's string for each id; ``<token 1536>`` for one without, as a resized embedding has them."""
        return [self._piece(id) for id in ids]

    def is_special(self, id: int) -> bool:
        """Whether a token has no text: control tokens such as <bos>, and the marks of a turn."""
        return id < self._n_pieces and (self._processor.is_control(id) or id in self._turn_ids)

    @property
    def turn_marks(self) -> tuple[int, int]:
        """The ids of the pieces that open and close a turn. Raises ModelError if the vocabulary has none."""
        return self.id_of_mark(self.chat.opening), self.id_of_mark(self.chat.closing)

    @cached_property
    def chat_stops(self) -> dict[int, StopReason]:
        """The ids that end a completion of a chat, of those that the vocabulary has."""
        found = ((self._id_of(piece), reason) for piece, reason in self.chat.stops.items())
        return {id: reason for id, reason in found if id is not None}

    @cached_property
    def _turn_ids(self) -> set[int | None]:
        return {self._id_of(self.chat.opening), self._id_of(self.chat.closing)} - {None}

    def _piece(self, id: int) -> str:
        try:
            return self._processor.id_to_piece(id)
        except IndexError:
            return f"<token {id}>"

    def _id_of(self, piece: str) -> int | None:
        id = self._processor.piece_to_id(piece)
        return None if id == self._processor.unk_id() else id


def _open_model(model: bytes, chat: ChatFormat) -> Any:
    """A SentencePiece model that reads none of the chat's control pieces from text."""
    processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
    control = {piece for piece in chat.control if processor.piece_to_id(piece) != processor.unk_id()}
    if all(processor.is_control(processor.piece_to_id(piece)) for piece in control):
        return processor
    return sentencepiece.SentencePieceProcessor(model_proto=make_control(model, control))
