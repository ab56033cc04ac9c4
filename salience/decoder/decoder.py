"""A Gemma decoder in plain torch that runs the weights of a Keras backbone where they lie.

Gemma 1, Gemma 2 and the text part of Gemma 3 differ only in options that the backbone's own layers carry: norms after
each half-block, norms of queries and keys, soft-caps, sliding windows, RoPE wavelengths. ``borrow_decoder`` reads those
options layer by layer, so nothing here asks for a model's name.

What this module does NOT know: how a backbone was loaded, tokens, sampling, salience.

Shapes: B batch, T positions, D width, N query heads, K key/value heads, H head width, F feed-forward width,
V vocabulary.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

QUERY_BLOCK = 128

Owner = TypeVar("Owner")
Angles = tuple[Tensor, Tensor]  # cosine and sine, each [..., H / 2]


@dataclass(frozen=True)
class Rope:
    """One kind of rotary position embedding."""

    head_dim: int
    wavelength: float
    scaling: float


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The weights and options of one decoder block. Norm scales are stored as Keras stores them (used as 1 + scale)."""

    pre_attention_norm: Tensor  # [D]
    query_key_value: Tensor  # [D, (N + 2K) H]
    query_norm: Tensor | None  # [H]
    key_norm: Tensor | None  # [H]
    attention_output: Tensor  # [N H, D]
    post_attention_norm: Tensor | None  # [D]
    pre_feedforward_norm: Tensor  # [D]
    gate: Tensor  # [D, F]
    up: Tensor  # [D, F]
    down: Tensor  # [F, D]
    post_feedforward_norm: Tensor | None  # [D]
    n_query_heads: int
    n_key_value_heads: int
    head_dim: int
    query_scale: float
    soft_cap: float | None
    window: int | None
    rope: Rope
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A whole Gemma text decoder with a tied embedding."""

    embedding: Tensor  # [V, D]
    layers: tuple[Layer, ...]
    final_norm: Tensor  # [D]
    final_soft_cap: float | None
    epsilon: float

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings before Gemma's sqrt(D) factor: ids [..., T] -> [..., T, D]."""
        return torch.nn.functional.embedding(ids, self.embedding)

    def hidden(self, embeddings: Tensor) -> Tensor:
        """Run all layers over whole sequences: unscaled embeddings [B, T, D] -> last layer's output [B, T, D]."""
        angles = self.angles(torch.arange(embeddings.shape[-2], device=embeddings.device))
        x = self.scale_embeddings(embeddings)
        for layer in self.layers:
            x = run_layer(layer, x, angles[layer.rope])[0]
        return x

    def angles(self, positions: Tensor, dtype: torch.dtype | None = None) -> dict[Rope, Angles]:
        """Rotary angles of these positions [...] for each kind of RoPE; by default in the weights' dtype."""
        kinds = {layer.rope for layer in self.layers}
        return {rope: rope_angles(rope, positions, dtype or self.embedding.dtype) for rope in kinds}

    @property
    def embedding_scale(self) -> float:
        """sqrt(D), rounded to the model's dtype as Keras rounds it."""
        return torch.tensor(math.sqrt(self.embedding.shape[1]), dtype=self.embedding.dtype).item()

    def scale_embeddings(self, embeddings: Tensor) -> Tensor:
        """Gemma's first step."""
        return embeddings * self.embedding_scale

    def logits(self, hidden: Tensor) -> Tensor:
        """Final norm, tied projection and soft-cap: [..., D] -> [..., V]."""
        normed = rms_norm(hidden, self.final_norm, self.epsilon)
        return soft_cap(normed @ self.embedding.T, self.final_soft_cap)


def run_layer(layer: Layer, x: Tensor, angles: Angles) -> tuple[Tensor, Tensor, Tensor]:
    """One causal block over whole sequences: x [B, T, D] -> output [B, T, D], and its keys and values [B, K, T, H]."""
    normed = rms_norm(x, layer.pre_attention_norm, layer.epsilon)
    query, key, value = project_heads(layer, normed, angles)
    x = finish_layer(layer, x, attend_causally(layer, query, key, value))
    return x, key, value


def finish_layer(layer: Layer, x: Tensor, attended: Tensor) -> Tensor:
    """What follows attention: x [..., D] and attended [..., N H] -> the block's output [..., D]."""
    x = x + optional_norm(attended @ layer.attention_output, layer.post_attention_norm, layer.epsilon)
    normed = rms_norm(x, layer.pre_feedforward_norm, layer.epsilon)
    gated = torch.nn.functional.gelu(normed @ layer.gate, approximate="tanh") * (normed @ layer.up)
    return x + optional_norm(gated @ layer.down, layer.post_feedforward_norm, layer.epsilon)


def project_heads(layer: Layer, normed: Tensor, angles: Angles) -> tuple[Tensor, Tensor, Tensor]:
    """Project, normalise, rotate: [..., T, D] -> scaled query [..., N, T, H], key and value [..., K, T, H]."""
    query, key, value = split_heads(layer, normed @ layer.query_key_value)
    query = rotate(optional_norm(query, layer.query_norm, layer.epsilon), angles) * layer.query_scale
    return query, rotate(optional_norm(key, layer.key_norm, layer.epsilon), angles), value


def split_heads(layer: Layer, fused: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cut the fused projection [..., T, (N + 2K) H] into query [..., N, T, H], key and value [..., K, T, H]."""
    heads = fused.unflatten(-1, (-1, layer.head_dim)).transpose(-3, -2)
    query, key, value = heads.split((layer.n_query_heads, layer.n_key_value_heads, layer.n_key_value_heads), dim=-3)
    return query, key, value


def attend_causally(layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention over a whole sequence: query [..., N, T, H], key and value [..., K, T, H] -> [..., T, N H].

    Works through the queries in blocks, so that memory grows with T and not with T squared.
    """
    if layer.soft_cap is None and layer.window is None:  # what torch has a fused kernel for
        alone = query.ndim == 3  # without a batch's axis torch would take the way that needs T squared memory
        query, key, value = (heads[None] if alone else heads for heads in (query, key, value))
        attended = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=1.0, enable_gqa=True
        )
        return (attended[0] if alone else attended).transpose(-3, -2).flatten(-2)
    blocks = [
        mix_values(layer, attention_weights(layer, query[..., block, :], key[..., seen, :], mask), value[..., seen, :])
        for block, seen, mask in causal_blocks(query.shape[-2], layer.window, query.device)
    ]
    return torch.cat(blocks, dim=-2)


def causal_blocks(length: int, window: int | None, device: torch.device) -> Iterator[tuple[slice, slice, Tensor]]:
    """Cut causal attention into blocks: a slice of queries, the slice of keys they see, and bool [queries, keys]."""
    for start in range(0, length, QUERY_BLOCK):
        stop = min(start + QUERY_BLOCK, length)
        first = 0 if window is None else max(0, start - window + 1)
        queries = torch.arange(start, stop, device=device)
        keys = torch.arange(first, stop, device=device)
        yield slice(start, stop), slice(first, stop), visible_keys(queries, keys, window)


def visible_keys(query_positions: Tensor, key_positions: Tensor, window: int | None) -> Tensor:
    """Which keys each query sees: causal, and at most ``window`` positions including itself; bool [..., Tq, Tk]."""
    distance = query_positions[..., :, None] - key_positions
    visible = distance >= 0
    return visible if window is None else visible & (distance < window)


def attention_weights(layer: Layer, query: Tensor, key: Tensor, visible: Tensor) -> Tensor:
    """Softmax over visible keys: query [..., N, Tq, H], key [..., K, Tk, H] -> [..., K, N/K, Tq, Tk].

    ``visible`` is bool and broadcasts against the result.
    """
    scores = attention_scores(layer, query, key)
    weights = scores.to(at_least_float32(scores.dtype)).masked_fill(~visible, float("-inf")).softmax(dim=-1)
    return weights.to(query.dtype)


def attention_scores(layer: Layer, query: Tensor, key: Tensor) -> Tensor:
    """Capped scores before the mask, query heads grouped by the key head that they share: [..., K, N/K, Tq, Tk]."""
    grouped = query.unflatten(-3, (layer.n_key_value_heads, -1))
    flat = grouped.flatten(-3, -2) @ key.transpose(-2, -1)  # the group's heads as rows: keys are never repeated
    return soft_cap(flat, layer.soft_cap).unflatten(-2, grouped.shape[-3:-1])


def mix_values(layer: Layer, weights: Tensor, value: Tensor) -> Tensor:
    """Weighted values: weights [..., K, N/K, Tq, Tk], value [..., K, Tk, H] -> [..., Tq, N H]."""
    mixed = (weights.flatten(-3, -2) @ value).unflatten(-2, weights.shape[-3:-1])  # [..., K, N/K, Tq, H]
    return mixed.flatten(-4, -3).transpose(-3, -2).flatten(-2)


def rope_angles(rope: Rope, positions: Tensor, dtype: torch.dtype) -> Angles:
    """Cosine and sine of rotary position embedding (arXiv:2104.09864): positions [...] -> two tensors [..., H / 2]."""
    wide = at_least_float32(dtype)
    exponent = torch.arange(0, rope.head_dim, 2, device=positions.device, dtype=wide) / rope.head_dim
    frequency = torch.pow(torch.tensor(rope.wavelength, dtype=wide), -exponent) / rope.scaling
    angles = positions.to(wide)[..., None] * frequency
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, angles: Angles) -> Tensor:
    """Rotate the two halves of the last axis against each other: x [..., T, H], angles [T, H / 2] each."""
    cos, sin = angles
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def rms_norm(x: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    """Root-mean-square norm over the last axis, computed in float32 or better, returned in x's dtype."""
    wide = x.to(at_least_float32(x.dtype))
    normed = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + epsilon)
    return (normed * (1 + scale.to(wide.dtype))).to(x.dtype)


def optional_norm(x: Tensor, scale: Tensor | None, epsilon: float) -> Tensor:
    """``rms_norm`` where the family has that norm, else x."""
    return x if scale is None else rms_norm(x, scale, epsilon)


def soft_cap(x: Tensor, cap: float | None) -> Tensor:
    """Squash to (-cap, cap): cap * tanh(x / cap); x itself where there is no cap."""
    return x if cap is None else torch.tanh(x / cap) * cap


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """float64 stays float64, anything narrower becomes float32."""
    return torch.promote_types(dtype, torch.float32)


def convert_tensors(decoder: Decoder, change: Callable[[Tensor], Tensor]) -> Decoder:
    """The same decoder with every tensor changed: detached from autograd, say, or in another dtype."""

    layers = tuple(change_tensors(layer, change) for layer in decoder.layers)
    return dataclasses.replace(change_tensors(decoder, change), layers=layers)


def change_tensors(owner: Owner, change: Callable[[Tensor], Tensor]) -> Owner:
    """The same layer, or the same other dataclass, with every tensor that it holds itself changed."""
    changed = {name: change(value) for name, value in vars(owner).items() if isinstance(value, Tensor)}
    return dataclasses.replace(cast("Any", owner), **changed)
