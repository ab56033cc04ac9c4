"""Choose the file of a model's tokenizer, and read it.

Keras has ``vocabulary.spm``. transformers has ``tokenizer.model``, ``tokenizer.json``, or both. ``tokenizer.model``
goes first, as it opens much faster, unless tokens were added that only ``tokenizer.json`` has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import TOKENIZER, VOCABULARIES, read_json
from promptlight.salience.loading.families import Family, find_size_names, find_sizes, is_of_keras
from promptlight.salience.text.tokenizer import Tokenizer

TOKENIZER_CONFIG = "tokenizer_config.json"
ADDED_TOKENS = "added_tokens.json"
_OF_IMAGES = ("<image_soft_token>",)  # no text has it


def read_tokenizer(folder: Path, config: Mapping[str, Any], family: Family, name: str) -> Tokenizer:
    """The tokenizer of a model from its folder; ``name`` is what the user calls it. Raises ModelError."""
    chat = family.chat_of(config)
    keras, pieces = (folder / one for one in VOCABULARIES)
    if is_of_keras(config) and keras.is_file():
        return Tokenizer.from_file(keras, chat)
    file = folder / TOKENIZER
    if pieces.is_file():
        tokenizer = Tokenizer.from_file(pieces, chat)
        if not (file.is_file() and _find_last_added(folder, name) >= len(tokenizer)):
            return tokenizer
    if is_of_keras(config) or not file.is_file():
        expected = VOCABULARIES[0] if is_of_keras(config) else f"{VOCABULARIES[1]} or {TOKENIZER}"
        raise ModelError(f"{name}: expected {expected} in it, found none")
    return Tokenizer.from_json(file, chat)


def has_more_rows(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a model has more tokens than its ``tokenizer.model``, so that some may have been added."""
    size = find_sizes(config).get(find_size_names(config).vocabulary)
    return isinstance(size, int) and size > len(Tokenizer.from_file(folder / VOCABULARIES[1]))


def needs_json(folder: Path, name: str) -> bool:
    """Whether a folder with ``tokenizer.model`` has added tokens that only ``tokenizer.json`` spells."""
    last = _find_last_added(folder, name)
    return last >= 0 and last >= len(Tokenizer.from_file(folder / VOCABULARIES[1]))


def _find_last_added(folder: Path, name: str) -> int:
    """The largest id of an added token that a text may have, -1 if there is none."""
    return max((id for id, piece in _list_added_tokens(folder, name) if piece not in _OF_IMAGES), default=-1)


def _list_added_tokens(folder: Path, name: str) -> Iterator[tuple[int, str]]:
    """Ids and pieces that stand in the folder's small files."""
    if (path := folder / ADDED_TOKENS).is_file():
        yield from ((id, piece) for piece, id in read_json(path, name).items() if isinstance(id, int))
    if (path := folder / TOKENIZER_CONFIG).is_file():
        added = read_json(path, name).get("added_tokens_decoder")
        for id, token in cast("dict[str, Any]", added if isinstance(added, dict) else {}).items():
            content = cast("dict[str, Any]", token).get("content") if isinstance(token, dict) else None
            if id.isdecimal() and isinstance(content, str):
                yield int(id), content
