"""Find the tensors of a decoder in a folder's safetensors by name, and read them one by one.

Every tensor in the files is one of the decoder's, or known to be unused; all shapes are checked before one is read.
"""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, Shape, list_shapes
from promptlight.salience.loading.row_table import StoredTable, find_safetensors_table
from promptlight.salience.loading.transformers._names import (
    HEADS,
    PREFIXES,
    TABLE,
    Origin,
    is_buffer,
    is_of_tower,
    list_unread,
    name_tensors,
)
from promptlight.salience.loading.transformers._stored import Stored, list_stored


@dataclass(frozen=True)
class StoredTensors:
    """The tensors of a decoder in their files, and the architecture that they really have.

    ``origins`` has canonical names, ``stored`` those of the files. ``table`` is the per-layer embedding, if there is
    one: it stays in its file.
    """

    architecture: Architecture
    origins: dict[str, Origin]
    stored: dict[str, Stored]
    table: StoredTable | None

    def read(self, name: str, dtype: torch.dtype) -> Tensor:
        """A tensor in memory of its own."""
        origin = self.origins[name]
        found = [self.stored[one] for one in origin.names]
        if origin.stacks:
            return torch.stack([one.read().to(dtype) for one in found])
        return (found[0].read() if origin.half is None else found[0].read_half(origin.half)).to(dtype, copy=True)


def find_tensors(folder: Path, name: str, architecture: Architecture, config_keys: frozenset[str]) -> StoredTensors:
    """Find every tensor of an architecture in a folder; ``name`` is what the user calls it.

    ``config_keys`` are those of config.json: they say whether there may be tensors for images and sounds. A head that
    is there is used, even if config.json says that it is the embedding, unless it is equal to that: so does
    transformers. Raises ModelError for a tensor that is missing, of another shape, or unknown.
    """
    stored = list_stored(folder, name)
    prefix = _find_prefix(stored, name)
    origins = name_tensors(architecture, prefix)
    head = _find_head(stored, name)
    if head is None and architecture.has_own_head:
        raise ModelError(f"{name}: config.json has tie_word_embeddings false, and no file has {HEADS[0]}")
    if head is not None:
        origins = {"head": Origin((head,))} | origins
        if origins["embedding"].names[0] not in stored and not architecture.has_own_head:
            origins["embedding"] = origins["head"]  # one matrix, stored under the other name
    _check_shapes(list_shapes(replace(architecture, has_own_head=head is not None)), origins, stored, name)
    table = _find_table(architecture, prefix + TABLE, stored, name)
    read = {one for origin in origins.values() for one in origin.names} | ({prefix + TABLE} if table else set())
    _check_unknown(stored, read | list_unread(architecture, prefix), config_keys, name)
    has_own_head = head is not None and not _is_embedding(head, origins, stored, compares=not architecture.has_own_head)
    return StoredTensors(replace(architecture, has_own_head=has_own_head), origins, stored, table)


def _find_prefix(stored: dict[str, Stored], name: str) -> str:
    """What the names of a language model's tensors begin with."""
    prefixes = [one for one in PREFIXES if f"{one}layers.0.input_layernorm.weight" in stored]
    if len(prefixes) != 1:
        found = ", ".join(sorted(stored)[:4]) or "nothing"
        raise ModelError(f"{name}: expected the layers of one language model in its safetensors, found {found}, ...")
    return prefixes[0]


def _find_head(stored: dict[str, Stored], name: str) -> str | None:
    found = [one for one in HEADS if one in stored]
    if len(found) > 1:
        raise ModelError(f"{name}: has {' and '.join(found)}; expected one")
    return found[0] if found else None


def _is_embedding(head: str, origins: dict[str, Origin], stored: dict[str, Stored], *, compares: bool) -> bool:
    """Whether the head is the embedding under another name, or with ``compares`` equal to it."""
    embedding = origins["embedding"].names[0]
    return head == embedding or (compares and _are_equal(stored[head], stored[embedding]))


def _find_table(architecture: Architecture, theirs: str, stored: dict[str, Stored], name: str) -> StoredTable | None:
    """The per-layer embedding of an architecture; ``theirs`` is what the files call it."""
    if architecture.per_layer is None:
        return None
    shape = architecture.per_layer.n_rows, len(architecture.layers) * architecture.per_layer.width
    _check_shape(theirs, shape, stored, name)
    return find_safetensors_table(stored[theirs].path, theirs, shape, name)


def _check_shapes(shapes: dict[str, Shape], origins: dict[str, Origin], stored: dict[str, Stored], name: str) -> None:
    assert shapes.keys() == origins.keys()
    for canonical, shape in shapes.items():
        for theirs in origins[canonical].names:
            _check_shape(theirs, origins[canonical].find_stored_shape(shape), stored, name)


def _check_shape(theirs: str, shape: Shape, stored: dict[str, Stored], name: str) -> None:
    if theirs not in stored:
        raise ModelError(f"{name}: its files have no {theirs}, which config.json asks for")
    found = stored[theirs].shape
    if found != shape:
        raise ModelError(
            f"{name}: {theirs} in {stored[theirs].path.name} has shape {list(found)}; expected {list(shape)}, as"
            " config.json says"
        )


def _check_unknown(stored: dict[str, Stored], known: set[str], config_keys: frozenset[str], name: str) -> None:
    unknown = [key for key in sorted(stored.keys() - known) if not is_buffer(key) and not is_of_tower(key, config_keys)]
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise ModelError(
            f"{name}: {stored[unknown[0]].path.name} has {unknown[0]}{more}, which config.json does not ask for and"
            " promptlight does not know; it might change every number"
        )


def _are_equal(first: Stored, second: Stored) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.blocks(), second.blocks(), strict=True))
