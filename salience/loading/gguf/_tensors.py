"""The tensors of a GGUF file: their types and shapes, checked before one is read, and then their numbers.

llama.cpp stores the norms of Gemma 1 to 3 with the 1 added, those of later ones as they are, and matrices as [out, in].
"""

# pyright: standard

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, Shape, list_shapes
from promptlight.salience.loading.gguf._blocks import find_stop, import_gguf, read_numbers
from promptlight.salience.loading.gguf._header import Header, TensorPlace
from promptlight.salience.loading.gguf._names import (
    FUSED,
    ROPE_FACTORS,
    TABLE,
    is_fused,
    list_unused_keys,
    name_in_file,
)

FULL_TYPES = ("F32", "F16", "BF16")  # not quantised
FILE_TYPE = "general.file_type"

_HALVES = {"expert_gate": 0, "expert_up": 1}  # of each expert in a fused matrix
_UNUSED = ("v.", "a.", "mm.")  # the parts that read images and sound, which Ollama keeps in the same file


@dataclass(frozen=True)
class TensorReader:
    """Reads a checked file's tensors by their canonical names; a norm is stored with ``norm_offset`` added."""

    places: Mapping[str, TensorPlace]
    norm_offset: float
    dtype: torch.dtype

    def read(self, name: str) -> Tensor:
        """A tensor on the CPU in the dtype of use; norms without the offset. Raises ModelError if the file changed."""
        place = self.places[name]
        numbers = torch.empty(_find_shape(name, place), dtype=self.dtype)
        offset, start = self.norm_offset if name.endswith("norm") else 0.0, 0
        for run in _find_runs(name, place):
            for block in read_numbers(place, *run):
                numbers.view(-1)[start : start + len(block)] = torch.from_numpy(block - offset if offset else block)
                start += len(block)
        return numbers


def check_tensors(header: Header, architecture: Architecture) -> dict[str, TensorPlace]:
    """Where each tensor of the decoder lies, by canonical name, and the per-layer embedding under its own name.

    Raises ModelError for a tensor that is missing, unknown, of another shape, of a type that can't be dequantised, or
    beyond the end of the file.
    """
    shapes = list_shapes(architecture)
    names = {canonical: _find_name(header, canonical) for canonical in shapes}
    if (sizes := architecture.per_layer) is not None:
        names[TABLE], shapes[TABLE] = TABLE, (sizes.n_rows, len(architecture.layers) * sizes.width)
    if missing := [name for name in names.values() if name not in header.tensors]:
        more = f" and {len(missing) - 1} more" * (len(missing) > 1)
        raise ModelError(f"{header.name}: not whole: it has no {missing[0]}{more}")
    unknown = header.tensors.keys() - set(names.values()) - _list_unused(architecture)
    if unknown := sorted(name for name in unknown if not name.startswith(_UNUSED)):
        raise ModelError(
            f"{header.name}: has the tensor {unknown[0]}, which promptlight does not know and would not use"
        )
    places = {canonical: header.tensors[name] for canonical, name in names.items()}
    for canonical, place in places.items():
        if _find_shape(canonical, place) != shapes[canonical]:
            expected, found = list(shapes[canonical]), list(_find_shape(canonical, place))
            raise ModelError(f"{header.name}: {place.name} has the shape {found}; its header says {expected}")
    _check_places(header.name, places)
    return places


def _find_name(header: Header, canonical: str) -> str:
    """What the file calls a tensor: an expert's first two matrices may be one."""
    part, name = canonical.rpartition(".")[2], name_in_file(canonical)
    return name_in_file(canonical.replace(part, FUSED)) if part in _HALVES and name not in header.tensors else name


def _list_unused(architecture: Architecture) -> set[str]:
    """Tensors that a file may have and the decoder does not need."""
    layers = enumerate(architecture.layers)
    unused = {name for n, layer in layers if layer.source is not None for name in list_unused_keys(n)}
    return unused | {ROPE_FACTORS} if any(layer.rope.n_pairs is not None for layer in architecture.layers) else unused


def _is_half(name: str, place: TensorPlace) -> bool:
    """Whether a tensor is half of the one in the file, which has two matrices for each expert."""
    return name.rpartition(".")[2] in _HALVES and is_fused(place.name)


def _find_shape(name: str, place: TensorPlace) -> Shape:
    """The shape of a tensor in its place in the file."""
    if not _is_half(name, place) or len(place.shape) != 3 or place.shape[1] % 2:
        return place.shape
    n_experts, both, width = place.shape
    return n_experts, both // 2, width


def _find_runs(name: str, place: TensorPlace) -> Iterator[tuple[int, int]]:
    """Where the numbers of a tensor start and stop among those of its place."""
    if not _is_half(name, place):
        yield 0, math.prod(place.shape)
        return
    n_experts, n_rows, width = _find_shape(name, place)
    for half in range(_HALVES[name.rpartition(".")[2]], 2 * n_experts, 2):
        yield half * n_rows * width, (half + 1) * n_rows * width


def describe_quantisation(header: Header, places: Mapping[str, TensorPlace]) -> str | None:
    """How a file is quantised, such as ``Q4_K_M: Q4_K, Q6_K``, from its matrices; None if it is not."""
    gguf = import_gguf()
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
    different = {place.name: place for place in places.values()}
    for place in sorted(different.values(), key=lambda one: (one.path, one.start)):
        if before is not None and before.path == place.path and place.start < stop:
            raise ModelError(f"{place.path}: damaged: {place.name} begins within {before.name}; fetch it again")
        before, stop = place, find_stop(name, place)
