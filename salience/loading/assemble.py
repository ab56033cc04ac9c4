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
from promptlight.salience.decoder.experts import Experts
from promptlight.salience.decoder.feedforward import FeedForward
from promptlight.salience.decoder.heads import HeadProjection
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm
from promptlight.salience.decoder.per_layer import PerLayerInputs, PerLayerStep, RowTable
from promptlight.salience.decoder.streams import StreamEnds, Streams
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import (
    Architecture,
    ExpertSizes,
    LayerOptions,
    PerLayerSizes,
    Shape,
    list_shapes,
    name_in_layer,
)

Read = Callable[[str], Tensor]
"""The tensor of a canonical name, in any float dtype: matrices [out, in], norms without the 1. Its memory must be its
own, not that of a mapped file, as a tensor that has the right dtype already is not copied."""


def assemble_decoder(
    architecture: Architecture, read: Read, *, device: torch.device, dtype: torch.dtype, table: RowTable | None = None
) -> Decoder:
    """The decoder of an architecture with the tensors that ``read`` gives, and the table of per-layer embeddings.

    Raises ModelError for a tensor of another shape, by its canonical name.
    """
    weights = _Weights(list_shapes(architecture), read, device, dtype, architecture.epsilon, architecture.norm_offset)
    per_layer = architecture.per_layer
    return Decoder(
        embedding=weights.take("embedding"),
        own_head=weights.take("head") if architecture.has_own_head else None,
        layers=tuple(_assemble_layer(architecture, weights, n) for n in range(len(architecture.layers))),
        final_norm=weights.norm("final_norm"),
        final_soft_cap=architecture.final_soft_cap,
        per_layer=None if per_layer is None else _assemble_inputs(weights, table, per_layer, len(architecture.layers)),
        streams=None
        if architecture.streams is None
        else StreamEnds(
            projections=weights.take("stream_projections").mT,
            unprojections=weights.take("stream_unprojections").mT,
        ),
    )


def _assemble_inputs(weights: _Weights, table: RowTable | None, sizes: PerLayerSizes, n_layers: int) -> PerLayerInputs:
    expected = [sizes.n_rows, n_layers * sizes.width]
    if table is None or [table.n_rows, table.width] != expected:
        found = "none" if table is None else f"{[table.n_rows, table.width]}"
        raise ModelError(f"per_layer_table: expected a table of shape {expected}, found {found}")
    return PerLayerInputs(
        table=table, projection=weights.take("per_layer_projection").T, norm=weights.norm("per_layer_norm")
    )


@dataclass(frozen=True)
class _Weights:
    """Where tensors come from, and how they are wanted."""

    shapes: Mapping[str, Shape]
    read: Read
    device: torch.device
    dtype: torch.dtype
    epsilon: float
    norm_offset: float

    def norm(self, name: str) -> Norm:
        """A norm with its factor."""
        return Norm(self.take(name), self.epsilon, self.norm_offset)

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


@dataclass(frozen=True)
class _InLayer:
    """The weights of one layer, by the names of its parts."""

    weights: _Weights
    number: int

    def norm(self, part: str) -> Norm:
        """A norm with its factor."""
        return self.weights.norm(name_in_layer(self.number, part))

    def take(self, part: str) -> Tensor:
        """A tensor as files store it."""
        return self.weights.take(name_in_layer(self.number, part))

    def matrix(self, part: str) -> Tensor:
        """A matrix, or several, as [in, out]."""
        return self.take(part).mT

    def stack(self, parts: list[str]) -> Tensor:
        """Several tensors one below the other."""
        return self.weights.stack([name_in_layer(self.number, part) for part in parts])


def _assemble_layer(architecture: Architecture, weights: _Weights, n: int) -> Layer:
    part, options = _InLayer(weights, n), architecture.layers[n]
    has_post_norms = architecture.has_post_norms
    return Layer(
        attention=_assemble_attention(architecture, part, options),
        post_attention_norm=part.norm("post_attention_norm") if has_post_norms else None,
        feed_forward=FeedForward(
            norm=part.norm("feed_forward_norm"),
            gate=part.matrix("gate"),
            up=part.matrix("up"),
            down=part.matrix("down"),
            sparsity=options.sparsity,
        ),
        post_feedforward_norm=part.norm("post_feed_forward_norm") if has_post_norms else None,
        experts=None if architecture.experts is None else _assemble_experts(part, architecture.experts),
        per_layer=None if architecture.per_layer is None else _assemble_step(part),
        scale=part.take("scale") if architecture.has_layer_scales else None,
        streams=None if architecture.streams is None else _assemble_streams(part),
    )


def _assemble_attention(architecture: Architecture, part: _InLayer, options: LayerOptions) -> Attention:
    has_bias, has_keys = architecture.has_attention_bias, options.source is None
    fused = ["query", *(["key"] if has_keys else []), *(["value"] if has_keys and not options.ties_values else [])]
    heads = HeadProjection(
        norm=part.norm("attention_norm"),
        query_key_value=part.stack(fused).T,
        query_norm=part.norm("query_norm") if architecture.has_head_norms else None,
        key_norm=part.norm("key_norm") if architecture.has_head_norms and has_keys else None,
        n_query_heads=architecture.n_query_heads,
        n_key_value_heads=architecture.n_key_value_heads_of(options),
        head_dim=architecture.head_dim_of(options),
        query_scale=architecture.query_scale,
        rope=options.rope,
        bias=part.stack([f"{one}_bias" for one in fused]) if has_bias else None,
        value_norm=Norm(None, architecture.epsilon) if architecture.has_value_norms and has_keys else None,
        ties_values=options.ties_values,
        source=options.source,
    )
    return Attention(
        heads=heads,
        output=part.matrix("output"),
        soft_cap=architecture.attention_soft_cap,
        window=options.window,
        output_bias=part.take("output_bias") if has_bias else None,
    )


def _assemble_experts(part: _InLayer, sizes: ExpertSizes) -> Experts:
    return Experts(
        router_norm=part.norm("router_norm"),
        router=part.matrix("router"),
        expert_scale=part.take("expert_scale"),
        norm=part.norm("experts_norm"),
        gate=part.matrix("expert_gate"),
        up=part.matrix("expert_up"),
        down=part.matrix("expert_down"),
        n_chosen=sizes.n_chosen,
        dense_norm=part.norm("dense_output_norm"),
        output_norm=part.norm("experts_output_norm"),
    )


def _assemble_step(part: _InLayer) -> PerLayerStep:
    return PerLayerStep(
        gate=part.matrix("per_layer_gate"), up=part.matrix("per_layer_up"), norm=part.norm("per_layer_norm")
    )


def _assemble_streams(part: _InLayer) -> Streams:
    return Streams(
        router_norm=part.norm("stream_router_norm"),
        router=part.matrix("stream_router"),
        prediction=part.matrix("stream_prediction"),
        correction=part.matrix("stream_correction"),
        scale=part.take("stream_scale"),
        laurel_left=part.matrix("laurel_left"),
        laurel_right=part.matrix("laurel_right"),
        laurel_norm=part.norm("laurel_norm"),
    )
