"""A vocabulary from ``tokenizer.json``, as transformers 5 writes it alone: ids are those of the ``tokenizers`` library.

Control pieces, such as ``<start_of_turn>``, are not read from text, whatever the file says, as in SentencePiece.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from promptlight.salience.errors import ModelError

BOS, EOS, UNKNOWN = "<bos>", "<eos>", "<unk>"
_CONTROL = ("<pad>", EOS, BOS, UNKNOWN, "<mask>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")


class JsonVocabulary:
    """The vocabulary, with the methods of a ``SentencePieceProcessor`` that ``Tokenizer`` uses."""

    def __init__(self, text: str, marks: Iterable[str]) -> None:
        """``marks`` are control pieces of the family. Raises ModelError."""
        control = {*_CONTROL, *marks}
        self._tokenizer: Any = _build(text)
        if any(token.special and token.content not in control for token in self._added()):
            self._tokenizer = _build(_mark_special(text, control))
        self._tokenizer.add_special_tokens([token.content for token in self._added() if token.content in control])
        self._tokenizer.encode_special_tokens = True  # as text
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._control = {self.piece_to_id(piece) for piece in control} - {self.unk_id()}
        self._unread = {self.piece_to_id(piece) for piece in _CONTROL}

    def _added(self) -> Iterable[Any]:
        return self._tokenizer.get_added_tokens_decoder().values()

    def encode(self, text: str, return_type: type = int) -> list[int]:
        """Token ids of a text."""
        assert return_type is int
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def id_to_piece(self, id: int) -> str:
        """The piece of an id. Raises IndexError."""
        piece = self._tokenizer.id_to_token(id)
        if piece is None:
            raise IndexError(id)
        return piece

    def piece_to_id(self, piece: str) -> int:
        """The id of a piece, or that of the unknown piece."""
        found = self._tokenizer.token_to_id(piece)
        return self.unk_id() if found is None else found

    def is_control(self, id: int) -> bool:
        """Whether a piece has no text."""
        return id in self._control

    def vocab_size(self) -> int:
        """One more than the largest id of a text or chat: transformers adds ``<mask>`` behind a vocabulary without."""
        return max((id for id in self._tokenizer.get_vocab().values() if id not in self._unread), default=-1) + 1

    def unk_id(self) -> int:
        """The id of the unknown piece, -1 if there is none."""
        found = self._tokenizer.token_to_id(UNKNOWN)
        return -1 if found is None else found


def _build(text: str) -> Any:
    import tokenizers

    try:
        built: Any = tokenizers.Tokenizer.from_str(text)
    except Exception as error:
        raise ModelError(f"tokenizer.json could not be read ({str(error)[:200]})") from error
    if type(built.model).__name__ != "BPE" or built.model.dropout:
        raise ModelError(
            f"tokenizer.json has a {type(built.model).__name__} model"
            f"{' with dropout' if getattr(built.model, 'dropout', None) else ''}; expected Gemma's, BPE without dropout"
        )
    return built


def _mark_special(text: str, control: set[str]) -> str:
    """The file with just the control pieces as special tokens."""
    value = json.loads(text)
    for token in value["added_tokens"]:
        token["special"] = token["content"] in control
    return json.dumps(value)
