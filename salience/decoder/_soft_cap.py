"""Soft-cap of attention scores and logits: squash to (-cap, cap), forward and backward."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_cap(x: Tensor, cap: float | None) -> Tensor:
    """cap * tanh(x / cap); x itself if there is no cap."""
    return x if cap is None else torch.tanh(x / cap) * cap


def backward_soft_cap(capped: Tensor, cap: float | None, gradient: Tensor) -> Tensor:
    """Through ``soft_cap``, from what it returned: the slope of tanh is 1 - tanh^2."""
    return gradient if cap is None else gradient * (1 - (capped / cap).square())
