"""Root-mean-square norm, forward and backward. Gemma 1 to 3 multiply by 1 + scale, Gemma 3n and 4 by the scale."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.tensors import at_least_float32


@dataclass(frozen=True)
class Norm:
    """A norm over the last axis, of width W."""

    scale: Tensor | None  # [W], as it is stored: without the offset; None: no factor
    epsilon: float
    offset: float = 1.0

    def factor(self, dtype: torch.dtype) -> Tensor | float:
        """What the normalised numbers are multiplied by, [W]."""
        return 1.0 if self.scale is None else self.offset + self.scale.to(dtype)


def rms_norm(x: Tensor, norm: Norm) -> Tensor:
    """x [..., W] / rms(x) * (offset + scale), computed in float32 or better, returned in x's dtype."""
    wide = x.to(at_least_float32(x.dtype))
    normed = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + norm.epsilon)
    return (normed * norm.factor(wide.dtype)).to(x.dtype)


def optional_norm(x: Tensor, norm: Norm | None) -> Tensor:
    """``rms_norm`` if the family has that norm, else x."""
    return x if norm is None else rms_norm(x, norm)


def backward_norm(x: Tensor, norm: Norm, gradient: Tensor) -> Tensor:
    """Through ``rms_norm``: x [rows, ..., W], and a gradient that may have a target axis after the first.

    With r = 1 / rms(x) and s = gradient * (offset + scale), the gradient by x is r (s - x r^2 mean(s x)).
    """
    wide = at_least_float32(x.dtype)
    x = broadcast_rows(x.to(wide), gradient)
    reciprocal = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + norm.epsilon)
    scaled = gradient.to(wide) * norm.factor(wide)
    along = (scaled * x).mean(dim=-1, keepdim=True) * reciprocal.square()
    return scaled.addcmul_(x, along, value=-1).mul_(reciprocal)


def backward_optional_norm(x: Tensor, norm: Norm | None, gradient: Tensor) -> Tensor:
    """``backward_norm`` if the family has that norm, else the gradient itself."""
    return gradient if norm is None else backward_norm(x, norm, gradient)


def broadcast_rows(x: Tensor, gradient: Tensor) -> Tensor:
    """Add a target axis to saved values if the gradient has one: [L, ...] -> [L, 1, ...]."""
    return x if x.ndim == gradient.ndim else x.unsqueeze(1)
