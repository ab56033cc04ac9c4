"""Rotary position embedding (arXiv:2104.09864), forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.tensors import at_least_float32

Angles = tuple[Tensor, Tensor]
"""Cosine and sine, each [..., H / 2]."""


@dataclass(frozen=True)
class Rope:
    """One kind of rotary position embedding; a model may have several."""

    head_dim: int
    wavelength: float
    scaling: float


def rope_angles(rope: Rope, positions: Tensor, dtype: torch.dtype) -> Angles:
    """Cosine and sine of the rotation at these positions [...]: two tensors [..., H / 2]."""
    wide = at_least_float32(dtype)
    exponent = torch.arange(0, rope.head_dim, 2, device=positions.device, dtype=wide) / rope.head_dim
    frequency = torch.pow(torch.tensor(rope.wavelength, dtype=wide), -exponent) / rope.scaling
    angles = positions.to(wide)[..., None] * frequency
    return angles.cos().to(dtype), angles.sin().to(dtype)


def clip_angles(angles: Angles, length: int) -> Angles:
    """The angles of the first ``length`` positions."""
    return angles[0][:length], angles[1][:length]


def rotate(x: Tensor, angles: Angles) -> Tensor:
    """Rotate the two halves of the last axis against each other: x [..., T, H], angles [T, H / 2] each."""
    cos, sin = angles
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def backward_rotation(gradient: Tensor, angles: Angles) -> Tensor:
    """The inverse rotation: gradient [L, C, heads, H], angles [L, H / 2] each -> same shape."""
    cos, sin = angles
    return rotate(gradient, (cos[:, None, None], -sin[:, None, None]))
