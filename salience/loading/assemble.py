"""Assemble a decoder from tensors that a reader gives one by one, so that each weight is in memory once.

Does not know: file formats, what a file calls a tensor.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.attention import Attention
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.feedforward import FeedForward
from promptlight.salience.decoder.heads import HeadProjection
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, LayerOptions, Shape, list_shapes, name_in_layer

Read = Callable[[str], Tensor]
"""The tensor of a canonical name, in any float dtype: matrices [out, in], norms without the 1. Its memory must be its
own, not that of a mapped file, as a tensor that has the right dtype already is not copied."""


def assemble_decoder(architecture: Architecture, read: Read, *, device: torch.device, dtype: torch.dtype) -> Decoder:
    """The decoder of an architecture with the tensors that ``read`` gives.

    Raises ModelError for a tensor of another shape, by its canonical name.
    """
    weights = _Weights(list_shapes(architecture), read, device, dtype)
    return Decoder(
        embedding=weights.take("embedding"),
        own_head=weights.take("head") if architecture.has_own_head else None,
        layers=tuple(_assemble_layer(architecture, weights, n) for n in range(len(architecture.layers))),
        final_norm=Norm(weights.take("final_norm"), architecture.epsilon),
        final_soft_cap=architecture.final_soft_cap,
    )


@dataclass(frozen=True)
class _Weights:
    """Where tensors come from, and how they are wanted."""

    shapes: Mapping[str, Shape]
    read: Read
    device: torch.device
    dtype: torch.dtype

    def take(self, name: str) -> Tensor:
        """A tensor on its device in its dtype."""
        return self._read(name).to(self.device, self.dtype)

    def stack(self, names: list[str]) -> Tensor:
        """Several tensors one below the other, in memory that is allocated once."""
        n_rows = [self.shapes[name][0] for name in names]
        stacked = torch.empty(sum(n_rows), *self.shapes[names[0]][1:], device=self.device, dtype=self.dtype)
        for name, rows in zip(names, stacked.split(n_rows), strict=True):
            rows.copy_(self._read(name))
        return stacked

    def _read(self, name: str) -> Tensor:
        found = self.read(name)
        if tuple(found.shape) != self.shapes[name]:
            raise ModelError(f"{name}: expected shape {list(self.shapes[name])}, found {list(found.shape)}")
        return found


def _assemble_layer(architecture: Architecture, weights: _Weights, n: int) -> Layer:
    def norm(part: str) -> Norm:
        return Norm(weights.take(name_in_layer(n, part)), architecture.epsilon)

    has_post_norms = architecture.has_post_norms
    return Layer(
        attention=_assemble_attention(architecture, weights, n, architecture.layers[n]),
        post_attention_norm=norm("post_attention_norm") if has_post_norms else None,
        feed_forward=FeedForward(
            norm=norm("feed_forward_norm"),
            gate=weights.take(name_in_layer(n, "gate")).T,
            up=weights.take(name_in_layer(n, "up")).T,
            down=weights.take(name_in_layer(n, "down")).T,
        ),
        post_feedforward_norm=norm("post_feed_forward_norm") if has_post_norms else None,
    )


def _assemble_attention(architecture: Architecture, weights: _Weights, n: int, options: LayerOptions) -> Attention:
    def norm(part: str) -> Norm:
        return Norm(weights.take(name_in_layer(n, part)), architecture.epsilon)

    heads = HeadProjection(
        norm=norm("attention_norm"),
        query_key_value=weights.stack([name_in_layer(n, part) for part in ("query", "key", "value")]).T,
        query_norm=norm("query_norm") if architecture.has_head_norms else None,
        key_norm=norm("key_norm") if architecture.has_head_norms else None,
        n_query_heads=architecture.n_query_heads,
        n_key_value_heads=architecture.n_key_value_heads,
        head_dim=architecture.head_dim,
        query_scale=architecture.query_scale,
        rope=options.rope,
        bias=weights.stack([name_in_layer(n, f"{part}_bias") for part in ("query", "key", "value")])
        if architecture.has_attention_bias
        else None,
    )
    return Attention(
        heads=heads,
        output=weights.take(name_in_layer(n, "output")).T,
        soft_cap=architecture.attention_soft_cap,
        window=options.window,
        output_bias=weights.take(name_in_layer(n, "output_bias")) if architecture.has_attention_bias else None,
    )
