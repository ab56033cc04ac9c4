"""Rebuild Gemma 4's vocabulary from the pieces and merges in a GGUF header, as a ``tokenizer.json`` would have it.

Byte-pair encoding over characters: a blank becomes U+2581, merges apply in their order, and a character without a piece
becomes its bytes. llama.cpp's converter gives a type to special pieces alone, so that a run of line breaks looks like
any other piece, although Gemma's tokenizers find it before any merge. It is found first here as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._header import Value

MERGES = "tokenizer.ggml.merges"

_CONTROL, _USER_DEFINED = 3, 4  # ggml's numbers of types
_MARK = "\N{LOWER ONE EIGHTH BLOCK}"  # stands for a blank
_UNKNOWN = "<unk>"


def write_tokenizer_json(fields: Mapping[str, Value], name: str, pieces: list[bytes], types: NDArray[np.int64]) -> str:
    """The text of a ``tokenizer.json``; ``name`` is the file's. Raises ModelError for merges that are none."""
    texts = [piece.decode() for piece in pieces]
    model = {
        "type": "BPE",
        "vocab": {text: id for id, text in enumerate(texts)},
        "merges": [*_read_merges(fields, name)],
        "unk_token": _UNKNOWN,
        "fuse_unk": True,
        "byte_fallback": True,
    }
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [*_list_added(texts, types)],
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": _MARK},
            "model": model,
        }
    )


def _read_merges(fields: Mapping[str, Value], name: str) -> Iterator[list[str]]:
    merges = fields.get(MERGES)
    if not isinstance(merges, list):
        raise ModelError(f"{name}: no vocabulary of Gemma 4: expected {MERGES} in it")
    for merge in merges:
        parts = merge.decode(errors="replace").split(" ")
        if len(parts) != 2 or not all(parts):
            raise ModelError(f"{name}: {MERGES} has {merge!r}; expected two pieces with a blank between them")
        yield parts


def _list_added(texts: list[str], types: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """The pieces that are found in a text before any merge."""
    for id, (text, kind) in enumerate(zip(texts, types.tolist(), strict=True)):
        if kind in (_CONTROL, _USER_DEFINED) or (text and not text.strip("\n")):
            yield {
                "id": id,
                "content": text,
                "special": kind == _CONTROL,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
            }
