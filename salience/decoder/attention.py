"""Attention of heads: mask, scores, softmax, weighted values, forward and backward.

 1. Scores are products of queries and keys, soft-capped if the family does so.
 2. The mask hides later keys from a query, and with a sliding window also keys too far before it (``visible_keys``).
 3. Take the softmax over the visible keys and the weighted values, and project them back to the layer's width.

Attention runs on blocks of ``query_block`` queries, so that memory grows with the length and not with its square.
The projection into heads is in ``heads.py``.

Shapes: T positions (L of one sequence, q of a block, k keys that a block sees), N query heads, K key/value heads,
M = N / K query heads per key head, H head width, C targets.
"""

# pyright: standard

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder._soft_cap import backward_soft_cap, soft_cap
from promptlight.salience.decoder.heads import HeadProjection, Heads, KeyValue, add_bias
from promptlight.salience.decoder.tensors import at_least_float32, multiply

CPU_QUERY_BLOCK, GPU_QUERY_BLOCK = 128, 512
N_MASKS, LARGEST_MASK = 32, 2**19  # that are remembered, and their largest number of bytes: 16 MB in all


@dataclass(frozen=True, kw_only=True)
class Attention:
    """The weights and options of a layer's attention."""

    heads: HeadProjection
    output: Tensor  # [N H, D]
    soft_cap: float | None
    window: int | None
    output_bias: Tensor | None = None  # [D]

    def project(self, attended: Tensor) -> Tensor:
        """Weighted values [..., N H] -> [..., D]."""
        return add_bias(multiply(attended, self.output), self.output_bias)

    def block_size(self, length: int) -> int:
        """How many scores a block of queries has in a text of this length: N q min(L, window + q)."""
        block = min(query_block(self.output.device), length)
        seen = length if self.window is None else min(length, self.window + block)
        return self.heads.n_query_heads * block * seen

    def forward_block_size(self, length: int) -> int:
        """How many of these scores a forward pass holds in memory: none if torch has a fused kernel."""
        return 0 if self.is_plain else self.block_size(length)

    @property
    def is_plain(self) -> bool:
        """Whether torch has a fused kernel for this attention."""
        return self.soft_cap is None and self.window is None


Attend = Callable[[Attention, Heads], Tensor]
"""A function from heads to weighted values [..., T, N H]: ``attend_causally``, or a caller's own."""


# ---- the mask ------------------------------------------------------------------------------------------------------


def visible_keys(query_positions: Tensor, key_positions: Tensor, window: int | None) -> Tensor:
    """Which keys each query sees: causal, and at most ``window`` positions including itself; bool [..., Tq, Tk]."""
    distance = query_positions[..., :, None] - key_positions
    visible = distance >= 0
    return visible if window is None else visible & (distance < window)


def causal_blocks(length: int, window: int | None, device: torch.device) -> Iterator[tuple[slice, slice, Tensor]]:
    """Cut causal attention into blocks: a slice of queries, the slice of keys they see, and bool [queries, keys]."""
    size = query_block(device)
    for start in range(0, length, size):
        stop = min(start + size, length)
        first = 0 if window is None else max(0, start - window + 1)
        n_queries, n_keys = stop - start, stop - first
        make = _remember_mask if n_queries * n_keys <= LARGEST_MASK else _make_mask
        yield slice(start, stop), slice(first, stop), make(n_queries, n_keys, window, device)


def query_block(device: torch.device) -> int:
    """How many queries attend together; a GPU needs many to be busy."""
    return CPU_QUERY_BLOCK if device.type == "cpu" else GPU_QUERY_BLOCK


def _make_mask(n_queries: int, n_keys: int, window: int | None, device: torch.device) -> Tensor:
    """Which keys the last positions of n_keys see: bool [queries, keys], the same in all layers and for all targets."""
    keys = torch.arange(n_keys, device=device)
    return visible_keys(keys[n_keys - n_queries :], keys, window)


_remember_mask = functools.lru_cache(maxsize=N_MASKS)(_make_mask)


# ---- forward -------------------------------------------------------------------------------------------------------


def attend_causally(attention: Attention, heads: Heads) -> Tensor:
    """Attention over whole sequences: weighted values [..., T, N H]."""
    query, key, value = heads.query, heads.key, heads.value
    if attention.is_plain:
        alone = query.ndim == 3  # without a batch axis, torch would use a kernel that needs T squared memory
        query, key, value = (part[None] if alone else part for part in (query, key, value))
        attended = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=1.0, enable_gqa=True
        )
        return (attended[0] if alone else attended).transpose(-3, -2).flatten(-2)
    blocks = [
        attend_to(attention, query[..., block, :], key[..., seen, :], value[..., seen, :], visible)
        for block, seen, visible in causal_blocks(query.shape[-2], attention.window, query.device)
    ]
    return torch.cat(blocks, dim=-2)


def attend_to(attention: Attention, query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """Weighted values of the visible keys: query [..., N, Tq, H], key and value [..., K, Tk, H] -> [..., Tq, N H].

    ``visible`` is bool and broadcasts against scores [..., K, M, Tq, Tk].
    """
    return _mix_values(_weigh_keys(_score_keys(attention, query, key), visible), value)


def _score_keys(attention: Attention, query: Tensor, key: Tensor) -> Tensor:
    """Capped scores before the mask, query heads grouped by the key head that they share: [..., K, M, Tq, Tk]."""
    grouped = query.unflatten(-3, (key.shape[-3], -1))
    flat = grouped.flatten(-3, -2) @ key.transpose(-2, -1)  # the group's heads as rows: keys are never repeated
    return soft_cap(flat, attention.soft_cap).unflatten(-2, grouped.shape[-3:-1])


def _weigh_keys(scores: Tensor, visible: Tensor) -> Tensor:
    """Softmax over the visible keys, computed in float32 or better, in the scores' dtype and shape."""
    wide = torch.where(visible, scores.to(at_least_float32(scores.dtype)), float("-inf"))
    return wide.softmax(dim=-1).to(scores.dtype)


def _mix_values(weights: Tensor, value: Tensor) -> Tensor:
    """Weighted values: weights [..., K, M, Tq, Tk], value [..., K, Tk, H] -> [..., Tq, N H]."""
    mixed = (weights.flatten(-3, -2) @ value).unflatten(-2, weights.shape[-3:-1])  # [..., K, M, Tq, H]
    return mixed.flatten(-4, -3).transpose(-3, -2).flatten(-2)


# ---- backward ------------------------------------------------------------------------------------------------------


def backward_attention(attention: Attention, heads: Heads, by_attended: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Through ``attend_causally``: gradient by weighted values [L, C, N H] -> by query [L, C, N, H], key and value
    [L, C, K, H].

    Block by block over the queries; a block's weights are computed once for all C targets, and every product is one
    batched matrix product over the K key heads, with the targets as further rows or columns.
    """
    length, n, _ = by_attended.shape
    groups, width = heads.key.shape[0], heads.key.shape[2]
    by_query = by_attended.new_empty(length, n, heads.query.shape[0], width)
    by_key = by_attended.new_zeros(groups, length, n * width)
    by_value = by_attended.new_zeros(groups, length, n * width)
    for block, seen, visible in causal_blocks(length, attention.window, by_attended.device):
        key, value = heads.key[:, seen], heads.value[:, seen]
        scores = _score_keys(attention, heads.query[:, block], key)  # [K, M, q, k]
        weights = _weigh_keys(scores, visible)
        by_mixed = by_attended[block].unflatten(-1, (groups, -1, width)).permute(2, 3, 0, 1, 4)  # [K, M, q, C, H]
        by_mixed = by_mixed.reshape(groups, -1, n * width)  # [K, M q, C H]
        by_weights = (by_mixed.view(groups, -1, width) @ value.transpose(1, 2)).view(*weights.shape[:3], n, -1)
        by_scores = _backward_weights(attention, scores.unsqueeze(-2), weights.unsqueeze(-2), by_weights)
        by_scores = by_scores.view(groups, -1, n * by_scores.shape[-1])  # [K, M q, C k]
        by_block_query = (by_scores.view(groups, -1, key.shape[1]) @ key).view(*weights.shape[:3], n, width)
        by_query[block].unflatten(2, (groups, -1)).copy_(by_block_query.permute(2, 3, 0, 1, 4))
        by_value[:, seen].baddbmm_(weights.flatten(1, 2).transpose(1, 2), by_mixed)
        query = heads.query[:, block].unflatten(0, (groups, -1)).flatten(1, 2)  # [K, M q, H]
        by_block_key = (query.transpose(1, 2) @ by_scores).view(groups, width, n, -1)  # [K, H, C, k]
        by_key[:, seen].unflatten(2, (n, width)).add_(by_block_key.permute(0, 3, 2, 1))
    by_key, by_value = (part.view(groups, length, n, width).permute(1, 2, 0, 3) for part in (by_key, by_value))
    return by_query, by_key, by_value


def _backward_weights(attention: Attention, scores: Tensor, weights: Tensor, by_weights: Tensor) -> Tensor:
    """Through softmax and soft-cap: all [..., k] -> gradient by the uncapped scores."""
    centred = by_weights - (by_weights * weights).sum(dim=-1, keepdim=True)
    # apply the cap's slope to the weights first, which have no target axis yet
    return centred.mul_(backward_soft_cap(scores, attention.soft_cap, weights))


# ---- some rows of a sequence alone -----------------------------------------------------------------------------------


def attend_rows(attention: Attention, query: Tensor, heads: KeyValue, rows: Tensor) -> Tensor:
    """Attention of some rows [G] of a sequence alone, whose queries are [N, G, H]: weighted values [G, N H]."""
    key, value = heads
    positions, size = torch.arange(key.shape[-2], device=rows.device), query_block(rows.device)
    blocks = [
        attend_to(attention, queries, key, value, visible_keys(some, positions, attention.window))
        for queries, some in zip(query.split(size, dim=1), rows.split(size), strict=True)
    ]
    return torch.cat(blocks)


@dataclass(frozen=True)
class RowAttention:
    """The attention of C rows of a sequence to its first L positions."""

    query: Tensor  # [N, C, H]
    scores: Tensor  # [K, M, C, L]
    weights: Tensor  # [K, M, C, L]
    attended: Tensor  # [C, N H]


def attend_at(attention: Attention, query: Tensor, heads: KeyValue, rows: Tensor) -> RowAttention:
    """Attention of some rows [C] of a sequence alone, whose queries are [N, C, H]; saves what goes back through it."""
    key, value = heads
    visible = visible_keys(rows, torch.arange(key.shape[1], device=rows.device), attention.window)
    scores = _score_keys(attention, query, key)
    weights = _weigh_keys(scores, visible)
    return RowAttention(query, scores, weights, _mix_values(weights, value))


def backward_attention_at(
    attention: Attention, heads: KeyValue, saved: RowAttention, by_attended: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Through ``attend_at``, where the n-th target reads the n-th row: gradient by its weighted values [C, N H] -> by
    its row's query [C, N, H], key and value [L, C, K, H]."""
    key, value = heads
    by_mixed = _group_heads(by_attended, key)
    by_weights = by_mixed @ value.unsqueeze(1).transpose(-2, -1)
    by_scores = _backward_weights(attention, saved.scores, saved.weights, by_weights)
    by_row_query = by_scores @ key.unsqueeze(1)  # [K, M, C, H]
    query = _group_heads(saved.query.transpose(0, 1).flatten(1), key)
    by_key = torch.einsum("kmcl,kmch->lckh", by_scores, query)
    by_value = torch.einsum("kmcl,kmch->lckh", saved.weights, by_mixed)
    return by_row_query.flatten(0, 1).transpose(0, 1), by_key, by_value


def _group_heads(joined: Tensor, key: Tensor) -> Tensor:
    """[C, N H] -> [K, M, C, H]."""
    return joined.unflatten(-1, (key.shape[0], -1, key.shape[2])).permute(1, 2, 0, 3)
