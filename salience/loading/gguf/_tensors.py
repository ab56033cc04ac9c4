"""The tensors of a GGUF file: their names, types and shapes, checked before one is read, and then their numbers.

llama.cpp stores the norms of Gemma 1 to 3 with the 1 added, and matrices as [out, in]. Numbers are dequantised block by
block into the tensor that is used, so that no second copy of a large matrix is in memory.
"""

# pyright: standard

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, list_shapes
from promptlight.salience.loading.gguf._header import Header, TensorPlace

INSTALL = "pip install 'promptlight[gguf]'"
FULL_TYPES = ("F32", "F16", "BF16")  # not quantised
FILE_TYPE = "general.file_type"

_BLOCK = 2**18  # numbers that are dequantised at once: ten times faster than by 16 rows, as gguf does it by itself
_WHOLE = {"embedding": "token_embd.weight", "head": "output.weight", "final_norm": "output_norm.weight"}
_IN_LAYER = {
    "attention_norm": "attn_norm.weight",
    "query": "attn_q.weight",
    "key": "attn_k.weight",
    "value": "attn_v.weight",
    "output": "attn_output.weight",
    "query_bias": "attn_q.bias",
    "key_bias": "attn_k.bias",
    "value_bias": "attn_v.bias",
    "output_bias": "attn_output.bias",
    "query_norm": "attn_q_norm.weight",
    "key_norm": "attn_k_norm.weight",
    "post_attention_norm": "post_attention_norm.weight",
    "feed_forward_norm": "ffn_norm.weight",
    "gate": "ffn_gate.weight",
    "up": "ffn_up.weight",
    "down": "ffn_down.weight",
    "post_feed_forward_norm": "post_ffw_norm.weight",
}
_UNUSED = ("v.", "mm.")  # the part that reads images, which Ollama keeps in the same file


def _import_gguf() -> Any:
    """ggml-org's package. Raises ModelError if it is not installed."""
    try:
        import gguf
    except ImportError as error:
        raise ModelError(f"GGUF files need the package {error.name}, which is missing: {INSTALL}") from error
    return gguf


@dataclass(frozen=True)
class TensorReader:
    """Reads a checked file's tensors by their canonical names."""

    places: Mapping[str, TensorPlace]
    dtype: torch.dtype

    def read(self, name: str) -> Tensor:
        """A tensor on the CPU in the dtype of use; norms without the 1. Raises ModelError if the file got shorter."""
        place = self.places[name]
        numbers = torch.empty(place.shape, dtype=self.dtype)
        for start, block in _dequantise(place):
            if not np.isfinite(block).all():
                raise ModelError(f"{place.path}: damaged: {place.name} has values that are no numbers; fetch it again")
            if name.endswith("norm"):
                block = block - 1
            numbers.view(-1)[start : start + len(block)] = torch.from_numpy(block)
        return numbers


def check_tensors(header: Header, architecture: Architecture) -> dict[str, TensorPlace]:
    """Where each tensor of the decoder lies, by canonical name.

    Raises ModelError for a tensor that is missing, unknown, of another shape, of a type that can't be dequantised, or
    beyond the end of the file.
    """
    shapes = list_shapes(architecture)
    names = {canonical: _name_in_file(canonical) for canonical in shapes}
    if missing := [name for name in names.values() if name not in header.tensors]:
        more = f" and {len(missing) - 1} more" * (len(missing) > 1)
        raise ModelError(f"{header.name}: not whole: it has no {missing[0]}{more}")
    unknown = header.tensors.keys() - set(names.values())
    if unknown := sorted(name for name in unknown if not name.startswith(_UNUSED)):
        raise ModelError(
            f"{header.name}: has the tensor {unknown[0]}, which promptlight does not know and would not use"
        )
    places = {canonical: header.tensors[name] for canonical, name in names.items()}
    for canonical, place in places.items():
        if place.shape != shapes[canonical]:
            expected, found = list(shapes[canonical]), list(place.shape)
            raise ModelError(f"{header.name}: {place.name} has the shape {found}; its header says {expected}")
    _check_places(header.name, places)
    return places


def _name_in_file(canonical: str) -> str:
    """``layers.3.gate`` -> ``blk.3.ffn_gate.weight``."""
    if canonical in _WHOLE:
        return _WHOLE[canonical]
    _, n, part = canonical.split(".")
    return f"blk.{n}.{_IN_LAYER[part]}"


def describe_quantisation(header: Header, places: Mapping[str, TensorPlace]) -> str | None:
    """How a file is quantised, such as ``Q4_K_M: Q4_K, Q6_K``, from its matrices; None if it is not."""
    gguf = _import_gguf()
    counts = Counter(gguf.GGMLQuantizationType(place.type).name for place in places.values() if len(place.shape) > 1)
    types = sorted(set(counts) - set(FULL_TYPES))
    if not types:
        return None
    found = ", ".join(types)
    try:
        name = gguf.LlamaFileType(header.fields[FILE_TYPE]).name.removeprefix("MOSTLY_")
    except (KeyError, ValueError, TypeError):
        return found
    return found if name == found else f"{name}: {found}"


def _check_places(name: str, places: Mapping[str, TensorPlace]) -> None:
    """Refuse tensors whose numbers can't be had, or that lie one over the other."""
    before: TensorPlace | None = None
    stop = 0
    for place in sorted(places.values(), key=lambda one: (one.path, one.start)):
        if before is not None and before.path == place.path and place.start < stop:
            raise ModelError(f"{place.path}: damaged: {place.name} begins within {before.name}; fetch it again")
        before, stop = place, _find_stop(name, place)


def _find_stop(name: str, place: TensorPlace) -> int:
    """The byte after a tensor. Raises ModelError if it can't be dequantised, or ends beyond the file."""
    gguf = _import_gguf()
    try:
        kind = gguf.GGMLQuantizationType(place.type)
        per_block, n_bytes = gguf.GGML_QUANT_SIZES[kind]
        _dequantise_block(np.zeros(n_bytes, np.uint8), kind)
    except (ValueError, KeyError, NotImplementedError):
        known = place.type in list(gguf.GGMLQuantizationType)
        kind = gguf.GGMLQuantizationType(place.type).name if known else place.type
        raise ModelError(f"{name}: {place.name} has the type {kind}, which the package gguf can't dequantise") from None
    if place.shape[-1] % per_block:
        raise ModelError(
            f"{name}: damaged: {place.name} has rows of {place.shape[-1]}, and {kind.name} blocks of {per_block}"
        )
    stop = place.start + math.prod(place.shape) // per_block * n_bytes
    if stop > place.file_size:
        found = f"{place.name} ends at byte {stop}, and the file has {place.file_size}"
        raise ModelError(f"{place.path}: cut off: {found}; fetch it again")
    return stop


def _dequantise(place: TensorPlace) -> Any:
    """The numbers of a tensor block by block: where a block starts, and float32 numbers [n]."""
    gguf = _import_gguf()
    kind = gguf.GGMLQuantizationType(place.type)
    per_block, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    n_blocks, at_once = math.prod(place.shape) // per_block, _BLOCK // per_block
    with place.path.open("rb", buffering=0) as file:
        for start in range(0, n_blocks, at_once):
            raw = bytearray(min(at_once, n_blocks - start) * n_bytes)
            file.seek(place.start + start * n_bytes)
            if file.readinto(raw) != len(raw):
                raise ModelError(f"{place.path}: got shorter while it was read")
            yield start * per_block, _dequantise_block(np.frombuffer(raw, np.uint8), kind)


def _dequantise_block(raw: np.ndarray, kind: Any) -> np.ndarray:
    """Bytes of whole blocks -> numbers [n]; as one row, which gguf computes at once."""
    return _import_gguf().dequantize(raw[None], kind)[0]
