"""Weights of Keras's layers as tensors: borrowed where they lie, expanded if they are int8."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def get_tensor(variable: Any) -> Tensor:
    """The torch tensor inside a Keras variable (not a copy); a kernel with an adapter is a tensor already."""
    return variable if isinstance(variable, Tensor) else variable.value


def get_kernel(dense: Any, dtype: torch.dtype | None = None) -> Tensor:
    """A dense layer's kernel; its last axis is always an output axis."""
    return expand_weights(dense, get_tensor(dense.kernel), "kernel_scale", dtype)


def fuse_heads(denses: Sequence[Any], dtype: torch.dtype | None = None) -> Tensor:
    """Kernels [heads, D, H] side by side as one [D, all heads x H]."""
    return torch.cat([get_kernel(dense, dtype).transpose(0, 1).flatten(1) for dense in denses], dim=1).contiguous()


def expand_weights(owner: Any, stored: Tensor, name: str, dtype: torch.dtype | None) -> Tensor:
    """Weights in the dtype of use; Keras's int8 weights are real weights times a scale for each output.

    Stored [V, D] has scales [V], [heads, D, H] has [1, 1, heads, H], others have one for each entry of the last axis.
    """
    if stored.dtype is not torch.int8:
        return stored
    scale = get_tensor(getattr(owner, name))
    if scale.ndim == 1:
        scale = scale[:, None]
    else:
        scale = scale.flatten(0, 1).transpose(0, 1) if scale.ndim == 4 else scale.flatten()
    return (stored.to(scale.dtype) / scale).to(dtype or scale.dtype)
