"""Root-mean-square norm, forward and backward. Gemma 1 to 3 multiply by 1 + scale, Gemma 3n and 4 by the scale."""

from __future__ import annotations

import functools
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
        if self.scale is None:
            return 1.0
        return self._factor if dtype == self._factor.dtype else self.offset + self.scale.to(dtype)

    @functools.cached_property
    def _factor(self) -> Tensor:
        """The factor in float32 or better, made once."""
        assert self.scale is not None
        return self.offset + self.scale.to(at_least_float32(self.scale.dtype))


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

    With r = 1 / rms(x), n = r x and s = r (offset + scale) gradient, the gradient by x is s - n mean(s n). What has no
    target axis is multiplied first: only three operations touch all targets.
    """
    x = broadcast_rows(x.to(at_least_float32(x.dtype)), gradient)
    reciprocal = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + norm.epsilon)
    normed = x * reciprocal
    scaled = gradient * (reciprocal * norm.factor(x.dtype))
    return scaled.addcmul_(normed, _dot_rows(scaled, normed), value=-1 / x.shape[-1])


def _dot_rows(gradient: Tensor, x: Tensor) -> Tensor:
    """Products summed over the last axis, which stays: [rows, ..., W] each -> [rows, ..., 1]."""
    if gradient.ndim == 3:
        return torch.bmm(gradient, x.transpose(1, 2))  # makes no product of all targets
    return (gradient * x).sum(dim=-1, keepdim=True)


def backward_optional_norm(x: Tensor, norm: Norm | None, gradient: Tensor) -> Tensor:
    """``backward_norm`` if the family has that norm, else the gradient itself."""
    return gradient if norm is None else backward_norm(x, norm, gradient)


def broadcast_rows(x: Tensor, gradient: Tensor) -> Tensor:
    """Add a target axis to saved values if the gradient has one: [L, ...] -> [L, 1, ...]."""
    return x if x.ndim == gradient.ndim else x.unsqueeze(1)
