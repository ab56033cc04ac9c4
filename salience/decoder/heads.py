"""The heads of attention: from a layer's input to queries, keys and values, forward and backward.

 1. Normalise the input.
 2. Multiply it by one matrix, with the weights of queries, keys and values side by side, and add the bias if any.
 3. Split the product into heads (``_split_heads``). Where values are tied to keys, both begin as the same numbers.
 4. Normalise queries and keys (since Gemma 3) and values (Gemma 3n and 4), rotate queries and keys by their position,
    scale the queries.
Upper layers of Gemma 3n and of the small Gemma 4 have queries alone: they read the finished keys and values of a layer
below, their ``source``.

Shapes: T positions (L of one sequence), D width, N query heads, K key/value heads, H head width, C targets.
"""

# pyright: standard

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.norms import Norm, backward_norm, backward_optional_norm, optional_norm, rms_norm
from promptlight.salience.decoder.rope import Angles, Rope, backward_rotation, rotate
from promptlight.salience.decoder.tensors import multiply


@dataclass(frozen=True, kw_only=True)
class HeadProjection:
    """The weights and options of the steps above, and how many numbers each position takes."""

    norm: Norm  # [D]
    query_key_value: Tensor  # [D, (N + 2K) H]; without the values if they are tied, [D, N H] if there is a source
    query_norm: Norm | None  # [H]
    key_norm: Norm | None  # [H]
    n_query_heads: int
    n_key_value_heads: int
    head_dim: int
    query_scale: float
    rope: Rope
    bias: Tensor | None = None  # [(N + 2K) H]
    value_norm: Norm | None = None
    ties_values: bool = False
    source: int | None = None  # the number of the layer whose keys and values these heads read; None: their own

    @property
    def width(self) -> int:
        """Queries, keys and values of a position, (N + 2K) H."""
        return (self.n_query_heads + 2 * self.n_key_value_heads) * self.head_dim

    @property
    def run_size(self) -> int:
        """Forward: the product, its rotated parts, and temporaries of the rotation."""
        return 4 * self.width

    @property
    def saved_size(self) -> int:
        """Saved for the backward pass, at most: including queries and keys before their norms."""
        return 2 * self.width

    @property
    def backward_size(self) -> int:
        """Backward, for each target: gradients by the weighted values, queries, keys and values, (2N + 2K) H."""
        return (2 * self.n_query_heads + 2 * self.n_key_value_heads) * self.head_dim

    @property
    def backward_row_size(self) -> int:
        """Backward, for each row of a block, in the wide dtype."""
        return 3 * self.width


KeyValue = tuple[Tensor, Tensor]
"""Finished keys and values, [..., K, T, H] each."""


@dataclass(frozen=True)
class Heads:
    """Queries, keys and values, and queries and keys before norm and rotation."""

    raw_query: Tensor | None  # [..., N, T, H]; None if the family has no norm there
    raw_key: Tensor | None  # [..., K, T, H]
    query: Tensor  # [..., N, T, H] normalised, rotated, scaled
    key: Tensor  # [..., K, T, H] normalised, rotated
    value: Tensor  # [..., K, T, H]

    def take(self, rows: slice) -> Heads:
        """The same for some positions alone."""
        parts = {name: part[..., rows, :] for name, part in vars(self).items() if part is not None}
        return dataclasses.replace(self, **parts)


def project_heads(projection: HeadProjection, x: Tensor, angles: Angles, source: KeyValue | None = None) -> Heads:
    """The heads of a layer's input x [..., T, D], with the keys and values of a ``source`` if it has none."""
    fused = add_bias(multiply(rms_norm(x, projection.norm), projection.query_key_value), projection.bias)
    raw_query, *others = _split_heads(projection, fused)
    query = rotate(optional_norm(raw_query, projection.query_norm), angles) * projection.query_scale
    if source is not None:
        return Heads(None, None, query, *source)
    raw_key, value = others if len(others) > 1 else (others[0], others[0])
    key = rotate(optional_norm(raw_key, projection.key_norm), angles)
    value = optional_norm(value, projection.value_norm)
    if projection.query_norm is None:  # then the backward pass doesn't need them
        return Heads(None, None, query, key, value)
    return Heads(raw_query, raw_key, query, key, value)


def add_bias(product: Tensor, bias: Tensor | None) -> Tensor:
    """The product [..., W] with the bias [W], if there is one."""
    return product if bias is None else product + bias


def _split_heads(projection: HeadProjection, fused: Tensor) -> tuple[Tensor, ...]:
    """Cut the fused projection [..., T, (N + 2K) H] into query [..., N, T, H], and key and value [..., K, T, H] as far
    as the layer has them."""
    heads = fused.unflatten(-1, (-1, projection.head_dim)).transpose(-3, -2)
    n_others = 0 if projection.source is not None else 1 if projection.ties_values else 2
    return heads.split((projection.n_query_heads, *[projection.n_key_value_heads] * n_others), dim=-3)


def backward_heads(
    projection: HeadProjection,
    x: Tensor,
    heads: Heads,
    angles: Angles,
    by_query: Tensor,
    by_key: Tensor,
    by_value: Tensor,
) -> Tensor:
    """Gradient by queries, keys and values [L, C, heads, H] -> by the layer's input x [L, D]: [L, C, D]."""
    turned = backward_rotation(torch.cat([by_query * projection.query_scale, by_key], dim=2), angles)
    parts = [turned]
    if heads.raw_query is not None and heads.raw_key is not None:
        by_raw_query, by_raw_key = turned.split([by_query.shape[2], by_key.shape[2]], dim=2)
        raw_query, raw_key = heads.raw_query.transpose(0, 1), heads.raw_key.transpose(0, 1)
        parts = [
            backward_optional_norm(raw_query, projection.query_norm, by_raw_query),
            backward_optional_norm(raw_key, projection.key_norm, by_raw_key),
        ]
    by_fused = torch.cat([*parts, by_value], dim=2).flatten(2).to(projection.query_key_value.dtype)
    return backward_norm(x, projection.norm, by_fused @ projection.query_key_value.T)
