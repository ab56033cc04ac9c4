"""Convert text to token ids and back with a Gemma vocabulary (loads neither torch nor keras)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import sentencepiece

from promptlight.salience.errors import ModelError
from promptlight.salience.text._json_vocabulary import JsonVocabulary
from promptlight.salience.text.chat import TURN_MARKS


class Tokenizer:
    """A vocabulary with Gemma's special pieces: a SentencePiece model, or a ``tokenizer.json``.

    ``encode`` adds no special tokens; ``bos_id``, ``eos_id`` and ``end_of_turn_id`` are for the caller to use.
    ``turn_marks`` are the pieces that open and close a turn of a chat.
    """

    def __init__(self, vocabulary: bytes | JsonVocabulary, turn_marks: tuple[str, str] = TURN_MARKS) -> None:
        """``vocabulary`` is the serialised model of SentencePiece, or was read from ``tokenizer.json``."""
        is_model = isinstance(vocabulary, bytes)
        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=vocabulary) if is_model else vocabulary
        self._n_pieces: int = self._processor.vocab_size()
        self._turn_marks = turn_marks
        self.bos_id: int = self._processor.bos_id()
        self.eos_id: int = self._processor.eos_id()
        if self.bos_id < 0 or self.eos_id < 0:
            raise ModelError("expected a vocabulary with <bos> and <eos>, found none: is this a Gemma tokenizer?")

    @classmethod
    def from_file(cls, path: str | Path, turn_marks: tuple[str, str] = TURN_MARKS) -> Tokenizer:
        """Read a ``vocabulary.spm`` or ``tokenizer.model`` file."""
        return cls(Path(path).read_bytes(), turn_marks)

    @classmethod
    def from_json(cls, path: str | Path, turn_marks: tuple[str, str] = TURN_MARKS) -> Tokenizer:
        """Read a ``tokenizer.json`` of transformers."""
        return cls(JsonVocabulary(Path(path).read_text(encoding="utf-8"), turn_marks), turn_marks)

    def __len__(self) -> int:
        return self._n_pieces

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without <bos>."""
        return self._processor.encode(text, return_type=int)

    def pieces(self, ids: list[int]) -> list[str]:
        """The vocabulary's string for each id; ``<token 1536>`` for one without, as a resized embedding has them."""
        return [self._piece(id) for id in ids]

    def is_special(self, id: int) -> bool:
        """Whether a token has no text: control tokens such as <bos>, and the marks of a turn."""
        return id < self._n_pieces and (self._processor.is_control(id) or id in self._turn_ids)

    @property
    def turn_marks(self) -> tuple[int, int]:
        """The ids of the pieces that open and close a turn. Raises ModelError if the vocabulary has none."""
        opening, closing = self._start_of_turn_id, self.end_of_turn_id
        if opening is None or closing is None:
            raise ModelError(
                f"expected a model that chats, found a vocabulary without {self._turn_marks[0]}: ask for no chat",
                parameters=("chat",),
            )
        return opening, closing

    @cached_property
    def end_of_turn_id(self) -> int | None:
        """The id of the piece that closes a turn, if the vocabulary has it."""
        return self._id_of(self._turn_marks[1])

    @cached_property
    def _start_of_turn_id(self) -> int | None:
        return self._id_of(self._turn_marks[0])

    @cached_property
    def _turn_ids(self) -> set[int | None]:
        return {self._start_of_turn_id, self.end_of_turn_id} - {None}

    def _piece(self, id: int) -> str:
        try:
            return self._processor.id_to_piece(id)
        except IndexError:
            return f"<token {id}>"

    def _id_of(self, piece: str) -> int | None:
        id = self._processor.piece_to_id(piece)
        return None if id == self._processor.unk_id() else id
