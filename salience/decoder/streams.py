"""Several residual streams instead of one, of which a layer runs on the first (Gemma 3n's AltUp, arXiv:2301.13310).

A position's state is [S D]: streams S_0 to S_{S-1}, one behind the other.
 1. At the start, S_0 is the scaled embedding, and S_j = A_j S_0, brought to the size of S_0 (``start_streams``).
 2. A layer first predicts all streams, S'_i = S_i + sum_f c_if S_f, with c from the router at S_0 (``predict``).
 3. It runs on S'_0, with a low-rank branch beside its attention (``run_laurel``).
 4. Its output y corrects all streams by what it changed, S'_i + (1 + c_i)(y - S'_0), with c from the router at y
    (``correct``). The per-layer embedding (``per_layer.py``) enters all streams but the first.
 5. At the end, the other streams are projected, brought to the size of S_0, and all averaged (``join_streams``).

Shapes: D width, S streams, R rank.
"""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.norms import Norm, rms_norm
from promptlight.salience.decoder.tensors import at_least_float32, multiply

SMALLEST_SQUARE = 1e-5  # the mean square of a stream counts as at least that


@dataclass(frozen=True, kw_only=True)
class Streams:
    """A layer's weights for steps 2 to 4."""

    router_norm: Norm  # [D]
    router: Tensor  # [D, S]
    prediction: Tensor  # [S, S S]
    correction: Tensor  # [S, S]
    scale: Tensor  # [D] of the first stream, where the per-layer embedding reads it
    laurel_left: Tensor  # [D, R]
    laurel_right: Tensor  # [R, D]
    laurel_norm: Norm  # [D]


@dataclass(frozen=True, kw_only=True)
class StreamEnds:
    """The weights of steps 1 and 5."""

    projections: Tensor  # [S - 1, D, D]
    unprojections: Tensor  # [S - 1, D, D]

    @property
    def n_streams(self) -> int:
        """S, including the first."""
        return self.projections.shape[0] + 1


def start_streams(ends: StreamEnds, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Step 1: scaled embeddings [..., D] -> [..., S D]; products are in ``dtype``."""
    others = [_bring_to_size(multiply(x, matrix, dtype).to(x.dtype), x) for matrix in ends.projections]
    return torch.cat([x, *others], dim=-1)


def join_streams(ends: StreamEnds, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Step 5: [..., S D] -> [..., D]; products are in ``dtype``."""
    first, *others = x.unflatten(-1, (ends.n_streams, -1)).unbind(-2)
    brought = [
        _bring_to_size(multiply(other, matrix, dtype).to(x.dtype), first)
        for other, matrix in zip(others, ends.unprojections, strict=True)
    ]
    return torch.stack([first, *brought]).mean(dim=0)


def predict(streams: Streams, x: Tensor) -> Tensor:
    """Step 2: [..., S D] -> [..., S, D]."""
    split = x.unflatten(-1, (streams.router.shape[1], -1))
    routed = _route(streams, split[..., 0, :])
    coefficients = multiply(routed, streams.prediction).unflatten(-1, (split.shape[-2], -1))  # [..., S', S]
    return split + coefficients.to(x.dtype) @ split


def correct(streams: Streams, predicted: Tensor, output: Tensor) -> Tensor:
    """Step 4: predicted streams [..., S, D] and the layer's output [..., D] -> [..., S, D]."""
    coefficients = multiply(_route(streams, output), streams.correction).to(output.dtype) + 1
    return predicted + coefficients[..., None] * (output - predicted[..., 0, :])[..., None, :]


def run_laurel(streams: Streams, normed: Tensor) -> Tensor:
    """The low-rank branch, from the normalised input of a layer [..., D]."""
    low = multiply(multiply(normed, streams.laurel_left), streams.laurel_right)
    return normed + rms_norm(low, streams.laurel_norm)


def _route(streams: Streams, x: Tensor) -> Tensor:
    """The router's numbers [..., S], from -1 to 1."""
    routed = multiply(rms_norm(x, streams.router_norm) / x.shape[-1], streams.router)
    return torch.tanh(routed.to(at_least_float32(routed.dtype))).to(x.dtype)


def _bring_to_size(x: Tensor, wanted: Tensor) -> Tensor:
    """Scale x [..., D] to the root mean square of another."""
    wide = at_least_float32(x.dtype)
    size = wanted.to(wide).square().mean(dim=-1, keepdim=True).sqrt()
    found = x.to(wide).square().mean(dim=-1, keepdim=True).clamp(min=SMALLEST_SQUARE).sqrt()
    return (x.to(wide) * size / found).to(x.dtype)
