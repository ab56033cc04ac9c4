"""Convert all tensors of a dataclass at once, and choose dtypes that are wide enough for reductions.

Weights and activations are dataclasses that hold tensors, other such dataclasses, or tuples of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

Owner = TypeVar("Owner")


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """float64 stays float64, anything narrower becomes float32."""
    return torch.promote_types(dtype, torch.float32)


def multiply(x: Tensor, matrix: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """x [..., in] times a matrix of weights [in, out], in the weights' dtype or another one."""
    return x.to(dtype or matrix.dtype) @ matrix.to(dtype or matrix.dtype)


def convert_tensors(owner: Owner, change: Callable[[Tensor], Tensor]) -> Owner:
    """Copy the owner with every tensor changed, say detached from autograd or moved to another device."""
    return cast("Owner", _convert(owner, change))


def in_dtype(owner: Owner, dtype: torch.dtype) -> Owner:
    """Convert the owner to another dtype; tensors that already have it are not copied."""
    return convert_tensors(owner, lambda tensor: tensor.to(dtype))


def count_bytes(owner: object) -> int:
    """Count the bytes of all tensors in the owner."""
    return sum(tensor.nbytes for tensor in _find_tensors(owner))


def _convert(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_convert(part, change) for part in cast("tuple[Any, ...]", value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: _convert(part, change) for name, part in parts.items()})
    return value


def _find_tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in cast("tuple[Any, ...]", value):
            yield from _find_tensors(part)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):  # not what it made of them
            yield from _find_tensors(getattr(value, field.name))
