"""Find the tensors of a decoder in a folder's safetensors by name, and read them one by one.

Every tensor in the files is one of the decoder's, or known to be unused; all shapes are checked before one is read.
"""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, Shape, list_shapes, name_in_layer
from promptlight.salience.loading.weight_files import SAFETENSORS, SAFETENSORS_INDEX, read_index

FLOATS = ("F64", "F32", "F16", "BF16")
_PARTS = {
    "attention_norm": "input_layernorm",
    **{name: f"self_attn.{name[0]}_proj" for name in ("query", "key", "value", "output")},
    "query_norm": "self_attn.q_norm",
    "key_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "feed_forward_norm": "pre_feedforward_layernorm",
    **{name: f"mlp.{name}_proj" for name in ("gate", "up", "down")},
    "post_feed_forward_norm": "post_feedforward_layernorm",
}
_HEADS = ("lm_head.weight", "language_model.lm_head.weight")
# buffers that old versions stored and that follow from the config; what reads images
_UNUSED = re.compile(r".*\brotary_emb(_local)?\.(\w+_)?inv_freq")
_VISION = re.compile(r"(model\.)?(vision_tower|multi_modal_projector)\..+")
_PREFIXES = ("model.", "", "language_model.model.", "model.language_model.", "language_model.")
_ROWS = 8192  # of two matrices that are compared


@dataclass(frozen=True)
class _Stored:
    """A tensor in a file."""

    path: Path
    name: str
    shape: Shape

    def read(self) -> Tensor:
        """The tensor, mapped from its file; the mapping ends with it."""
        with safe_open(self.path, framework="pt") as file:
            return file.get_tensor(self.name)

    def blocks(self) -> Iterator[Tensor]:
        """Its rows, some at a time."""
        with safe_open(self.path, framework="pt") as file:
            rows = file.get_slice(self.name)
            for start in range(0, self.shape[0], _ROWS):
                yield rows[start : start + _ROWS]


@dataclass(frozen=True)
class StoredTensors:
    """The tensors of a decoder in their files, by canonical name, and the architecture that they really have."""

    architecture: Architecture
    tensors: dict[str, _Stored]

    def read(self, name: str, dtype: torch.dtype) -> Tensor:
        """A tensor in memory of its own."""
        return self.tensors[name].read().to(dtype, copy=True)


def find_tensors(folder: Path, name: str, architecture: Architecture, *, has_vision: bool) -> StoredTensors:
    """Find every tensor of an architecture in a folder; ``name`` is what the user calls it.

    A head that is there is used, even if config.json says that it is the embedding, unless it is equal to that: so
    does transformers. Raises ModelError for a tensor that is missing, of another shape, or unknown.
    """
    stored = _list_stored(folder, name)
    names = _name_tensors(architecture, stored, name)
    head = _find_head(stored, name)
    if head is None and architecture.has_own_head:
        raise ModelError(f"{name}: config.json has tie_word_embeddings false, and no file has {_HEADS[0]}")
    if head is not None:
        names = {"head": head} | names
        if names["embedding"] not in stored and not architecture.has_own_head:
            names["embedding"] = head  # one matrix, stored under the other name
    _check_shapes(list_shapes(replace(architecture, has_own_head=head is not None)), names, stored, name)
    _check_unknown(stored, set(names.values()), name, has_vision=has_vision)
    tensors = {canonical: stored[one] for canonical, one in names.items()}
    has_own_head = head is not None and not (
        tensors["head"] == tensors["embedding"]
        or (not architecture.has_own_head and _are_equal(tensors["head"], tensors["embedding"]))
    )
    return StoredTensors(replace(architecture, has_own_head=has_own_head), tensors)


def _list_stored(folder: Path, name: str) -> dict[str, _Stored]:
    """Every tensor in the folder's files by its name there."""
    stored: dict[str, _Stored] = {}
    for path in _list_files(folder, name):
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 (it is no dict)
                    found = file.get_slice(key)
                    if key in stored:
                        raise ModelError(f"{name}: {key} is in {stored[key].path.name} and in {path.name}")
                    if found.get_dtype() not in FLOATS and not _UNUSED.fullmatch(key):
                        raise ModelError(
                            f"{name}: {path.name} has {key} in {found.get_dtype()}, which is not covered; expected"
                            f" {', '.join(FLOATS)}, not quantised"
                        )
                    stored[key] = _Stored(path, key, tuple(found.get_shape()))
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{name}: could not be loaded ({path.name}: {error})") from error
    return stored


def _list_files(folder: Path, name: str) -> list[Path]:
    single, index = folder / SAFETENSORS, folder / SAFETENSORS_INDEX
    if not index.is_file():
        return [single] if single.is_file() else sorted(folder.glob("model-*-of-*.safetensors"))
    if single.is_file():
        raise ModelError(f"{name}: has {SAFETENSORS} and {SAFETENSORS_INDEX}; delete the one that is left over")
    paths = [folder / one for one in read_index(index, name)]
    for path in paths:
        if not path.is_file():
            raise ModelError(f"{name}: {path.name} is missing, which {SAFETENSORS_INDEX} names")
    return paths


def _name_tensors(architecture: Architecture, stored: dict[str, _Stored], name: str) -> dict[str, str]:
    """What the files call the tensors of an architecture, but for the head: by canonical name."""
    prefixes = [one for one in _PREFIXES if f"{one}layers.0.input_layernorm.weight" in stored]
    if len(prefixes) != 1:
        found = ", ".join(sorted(stored)[:4]) or "nothing"
        raise ModelError(f"{name}: expected the layers of one language model in its safetensors, found {found}, ...")
    parts = _PARTS if architecture.has_post_norms else _PARTS | {"feed_forward_norm": "post_attention_layernorm"}
    names = {"embedding": f"{prefixes[0]}embed_tokens.weight", "final_norm": f"{prefixes[0]}norm.weight"}
    wanted = list_shapes(replace(architecture, has_own_head=False))
    for n in range(len(architecture.layers)):
        for part, theirs in parts.items():
            for canonical, end in ((part, "weight"), (f"{part}_bias", "bias")):
                if name_in_layer(n, canonical) in wanted:
                    names[name_in_layer(n, canonical)] = f"{prefixes[0]}layers.{n}.{theirs}.{end}"
    assert names.keys() == wanted.keys()
    return names


def _find_head(stored: dict[str, _Stored], name: str) -> str | None:
    found = [one for one in _HEADS if one in stored]
    if len(found) > 1:
        raise ModelError(f"{name}: has {' and '.join(found)}; expected one")
    return found[0] if found else None


def _check_shapes(shapes: dict[str, Shape], names: dict[str, str], stored: dict[str, _Stored], name: str) -> None:
    for canonical, shape in shapes.items():
        theirs = names[canonical]
        if theirs not in stored:
            raise ModelError(f"{name}: its files have no {theirs}, which config.json asks for")
        found = stored[theirs].shape
        if found != shape:
            raise ModelError(
                f"{name}: {theirs} in {stored[theirs].path.name} has shape {list(found)}; expected {list(shape)}, as"
                " config.json says"
            )


def _check_unknown(stored: dict[str, _Stored], used: set[str], name: str, *, has_vision: bool) -> None:
    unknown = [
        key
        for key in sorted(stored.keys() - used)
        if not _UNUSED.fullmatch(key) and not (has_vision and _VISION.fullmatch(key))
    ]
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise ModelError(
            f"{name}: {stored[unknown[0]].path.name} has {unknown[0]}{more}, which config.json does not ask for and"
            " promptlight does not know; it might change every number"
        )


def _are_equal(first: _Stored, second: _Stored) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.blocks(), second.blocks(), strict=True))
