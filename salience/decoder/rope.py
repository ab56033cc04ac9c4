"""Rotary position embedding (arXiv:2104.09864), forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.tensors import at_least_float32

Angles = tuple[Tensor, Tensor]
"""Cosine and sine, each [..., H]: both halves have the same angles, and the sines of the first are negated."""


@dataclass(frozen=True, kw_only=True)
class Yarn:
    """How YaRN (arXiv:2309.00071) stretches a context of ``original_length``: pairs that turn more than ``fast`` times
    in it keep their frequency, those that turn less than ``slow`` times are scaled, those between are mixed. Queries
    and keys are multiplied by ``attention_factor``."""

    original_length: int
    fast: float
    slow: float
    attention_factor: float


@dataclass(frozen=True)
class Rope:
    """One kind of rotary position embedding; a model may have several.

    ``scaling`` divides the frequencies. Of the pairs (i, i + H / 2), only the first ``n_pairs`` turn (None: all); the
    frequencies are the same as if all did.
    """

    head_dim: int
    wavelength: float
    scaling: float
    yarn: Yarn | None = None
    n_pairs: int | None = None


def rope_angles(rope: Rope, positions: Tensor, dtype: torch.dtype) -> Angles:
    """Cosine and sine of the rotation at these positions [...]: two tensors [..., H]."""
    wide = at_least_float32(dtype)
    exponent = torch.arange(0, rope.head_dim, 2, device=positions.device, dtype=wide) / rope.head_dim
    frequency = torch.pow(torch.tensor(rope.wavelength, dtype=wide), -exponent)
    if rope.n_pairs is not None:
        frequency[rope.n_pairs :] = 0
    kept = 0 if rope.yarn is None else _keep_frequencies(rope, rope.yarn).to(frequency)
    angles = positions.to(wide)[..., None] * (frequency / rope.scaling * (1 - kept) + frequency * kept)
    cos, sin = angles.cos(), angles.sin()
    if rope.yarn is not None:
        cos, sin = cos * rope.yarn.attention_factor, sin * rope.yarn.attention_factor
    return torch.cat([cos, cos], dim=-1).to(dtype), torch.cat([-sin, sin], dim=-1).to(dtype)


def _keep_frequencies(rope: Rope, yarn: Yarn) -> Tensor:
    """How much of each pair's frequency YaRN leaves unscaled, 0 to 1: [H / 2]."""

    def find_pair(turns: float) -> float:
        """The pair that turns so many times in the original length."""
        length = yarn.original_length / (turns * 2 * math.pi)
        return rope.head_dim * math.log(length) / (2 * math.log(rope.wavelength))

    first = max(math.floor(find_pair(yarn.fast)), 0)
    last = min(math.ceil(find_pair(yarn.slow)), rope.head_dim - 1)
    pairs = torch.arange(rope.head_dim // 2, dtype=torch.float64)
    return 1 - ((pairs - first) / (last - first or 0.001)).clamp(0, 1)


def take_angles(angles: Angles, rows: slice) -> Angles:
    """The angles of some positions."""
    return angles[0][rows], angles[1][rows]


def rotate(x: Tensor, angles: Angles) -> Tensor:
    """Rotate the two halves of the last axis against each other: x [..., T, H], angles [T, H] each."""
    cos, sin = angles
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


def backward_rotation(gradient: Tensor, angles: Angles) -> Tensor:
    """The inverse rotation: gradient [L, C, heads, H], angles [L, H] each -> same shape."""
    cos, sin = angles
    return rotate(gradient, (cos[:, None, None], -sin[:, None, None]))
