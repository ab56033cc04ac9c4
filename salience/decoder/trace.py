"""The gradient of many targets through a Gemma decoder at once, written out by hand.

The method, for one sequence of L positions and a chunk of C targets:
 1. forward once, keeping each layer's input, and its activations where memory allows (``forward``);
 2. the top layer: each target's gradient starts at one row, so only that row goes back through its feed-forward half
    and its attention query, and only keys and values spread it over the prefix (``backward_top_layer``);
 3. every lower layer, top to bottom: push [L, C, D] through it (``backward_layer``). Where memory is short, a layer's
    activations are computed again from its input instead of being kept.
No gradient of a weight is ever formed, and the work is the matrix products that the chain rule cannot avoid.

Why by hand: torch's autograd takes one target at a time, or repeats its bookkeeping for each; here C targets share
every recomputed activation and each product runs over L x C rows. ``tests/oracles`` has the plain version of it.

Gradients are carried as [L, C, D] (position first: what a position saved then broadcasts over targets) in float32 or
better; the operands of matrix products have the weights' dtype.

Shapes as in ``decoder.py``, and: L positions of the sequence, C targets, M = N / K query heads per key head.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import (
    Angles,
    Decoder,
    Layer,
    Owner,
    Rope,
    at_least_float32,
    attend_causally,
    attention_scores,
    causal_blocks,
    change_tensors,
    mix_values,
    optional_norm,
    rms_norm,
    rotate,
    split_heads,
    visible_keys,
)
from promptlight.salience.decoder.precision import forward_dtype

ROW_BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What the backward pass needs of the forward one, for one sequence of L positions.

    ``inputs`` are the layers' inputs [L, D]. ``kept`` are the activations of all layers but the last, if memory allows
    to keep them; otherwise each is computed again when it is needed.
    """

    inputs: tuple[Tensor, ...]
    kept: tuple[Activations, ...]
    top_heads: Heads
    rows: Tensor  # [G] the positions whose output predicts a target
    output: Tensor  # [G, D] the last layer's output there
    angles: dict[Rope, Angles]


def forward(decoder: Decoder, embeddings: Tensor, rows: Tensor, *, keep: bool) -> Trace:
    """Run the layers over one sequence: unscaled embeddings [L, D].

    Of the last layer, everything after attention is computed at ``rows`` alone. Computes in ``forward_dtype`` and saves
    in the weights' dtype; only ``output`` stays as wide as it was computed.
    """
    narrow, wide = decoder.embedding.dtype, forward_dtype(decoder)
    angles = decoder.angles(torch.arange(len(embeddings), device=embeddings.device), wide)
    x = decoder.scale_embeddings(embeddings.to(wide))
    inputs, kept = [x.to(narrow)], []
    for layer in decoder.layers[:-1]:
        activations = Activations.of(in_dtype(layer, wide), x, angles[layer.rope], narrow)
        x = activations.feed_forward.output
        if keep:
            kept.append(activations.save(inputs[-1]))
        inputs.append(kept[-1].feed_forward.output if keep else x.to(narrow))
    top = in_dtype(decoder.layers[-1], wide)
    heads = Heads.of(top, x, angles[top.rope])
    attended = attend_causally(top, heads.query, heads.key, heads.value)[rows]
    output = FeedForward.of(top, HalfBlock.of(top, x[rows], attended).output).output
    return Trace(
        inputs=tuple(inputs),
        kept=tuple(kept),
        top_heads=in_dtype(heads, narrow),
        rows=rows,
        output=output,
        angles={rope: (cos.to(narrow), sin.to(narrow)) for rope, (cos, sin) in angles.items()},
    )


def in_dtype(owner: Owner, dtype: torch.dtype) -> Owner:
    """A layer, or what a part of it saved, in another dtype; itself where it has that already."""
    return change_tensors(owner, lambda tensor: tensor.to(dtype))


# ---- what each part of a block saves -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heads:
    """Queries, keys and values of a sequence, and what they were before norm and rotation."""

    raw_query: Tensor | None  # [N, L, H]; None where the family has no norm there
    raw_key: Tensor | None  # [K, L, H]
    query: Tensor  # [N, L, H] normalised, rotated, scaled
    key: Tensor  # [K, L, H] normalised, rotated
    value: Tensor  # [K, L, H]

    @classmethod
    def of(cls, layer: Layer, x: Tensor, angles: Angles) -> Heads:
        normed = rms_norm(x, layer.pre_attention_norm, layer.epsilon)
        raw_query, raw_key, value = split_heads(layer, normed @ layer.query_key_value)
        query = rotate(optional_norm(raw_query, layer.query_norm, layer.epsilon), angles) * layer.query_scale
        key = rotate(optional_norm(raw_key, layer.key_norm, layer.epsilon), angles)
        if layer.query_norm is None:
            raw_query = raw_key = None
        return cls(raw_query, raw_key, query, key, value)

    def first(self, length: int) -> Heads:
        parts = {name: part[:, :length] for name, part in vars(self).items() if part is not None}
        return dataclasses.replace(self, **parts)


@dataclass(frozen=True)
class HalfBlock:
    """The attention half after its weighted values: projection and residual sum, [rows, D] each."""

    projected: Tensor
    output: Tensor

    @classmethod
    def of(cls, layer: Layer, x: Tensor, attended: Tensor) -> HalfBlock:
        projected = attended @ layer.attention_output
        return cls(projected, x + optional_norm(projected, layer.post_attention_norm, layer.epsilon))

    def first(self, length: int) -> HalfBlock:
        return HalfBlock(self.projected[:length], self.output[:length])


@dataclass(frozen=True)
class FeedForward:
    """The feed-forward half: entry, projection and output [rows, D], and its product's two derivatives [rows, F]."""

    entry: Tensor
    by_up: Tensor  # gelu(gate)
    by_gate: Tensor  # up gelu'(gate)
    projected: Tensor
    output: Tensor

    @classmethod
    def of(cls, layer: Layer, entry: Tensor, dtype: torch.dtype | None = None) -> FeedForward:
        """In blocks of rows, so that few temporaries are there at once; the wide derivatives are saved in ``dtype``."""
        by_up, by_gate = (entry.new_empty(len(entry), layer.gate.shape[1], dtype=dtype) for _ in range(2))
        projected = torch.empty_like(entry)
        for start in range(0, len(entry), ROW_BLOCK):
            block = slice(start, start + ROW_BLOCK)
            normed = rms_norm(entry[block], layer.pre_feedforward_norm, layer.epsilon)
            gate, up = normed @ layer.gate, normed @ layer.up
            activated = torch.nn.functional.gelu(gate, approximate="tanh")
            by_up[block] = activated
            projected[block] = activated.mul_(up) @ layer.down
            by_gate[block] = up.mul_(gelu_slope(gate))
        output = entry + optional_norm(projected, layer.post_feedforward_norm, layer.epsilon)
        return cls(entry, by_up, by_gate, projected, output)

    def first(self, length: int) -> FeedForward:
        return FeedForward(*(part[:length] for part in vars(self).values()))


@dataclass(frozen=True)
class Activations:
    """All that one layer's backward pass needs."""

    x: Tensor  # [L, D] the layer's input
    heads: Heads
    half: HalfBlock
    feed_forward: FeedForward

    @classmethod
    def of(cls, layer: Layer, x: Tensor, angles: Angles, dtype: torch.dtype | None = None) -> Activations:
        heads = Heads.of(layer, x, angles)
        half = HalfBlock.of(layer, x, attend_causally(layer, heads.query, heads.key, heads.value))
        return cls(x, heads, half, FeedForward.of(layer, half.output, dtype))

    def save(self, x: Tensor) -> Activations:
        """The same in the dtype of ``x``, which is the layer's input in it; what is one tensor stays one."""
        half = in_dtype(self.half, x.dtype)
        feed_forward = in_dtype(dataclasses.replace(self.feed_forward, entry=half.output), x.dtype)
        return Activations(x, in_dtype(self.heads, x.dtype), half, feed_forward)

    def first(self, length: int) -> Activations:
        """The same for the first positions alone: nothing earlier depends on them."""
        return Activations(
            self.x[:length], self.heads.first(length), self.half.first(length), self.feed_forward.first(length)
        )


# ---- backward ------------------------------------------------------------------------------------------------------


def backward_output(decoder: Decoder, output: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """Through soft-cap, tied projection, final norm: gradient by capped logits [C, V] -> by output rows [C, D]."""
    if decoder.final_soft_cap is not None:
        gradient = gradient * (1 - (logits / decoder.final_soft_cap).square())
    by_normed = gradient.to(decoder.embedding.dtype) @ decoder.embedding
    by_output = backward_norm(output, decoder.final_norm, decoder.epsilon, by_normed)
    return by_output.to(at_least_float32(decoder.embedding.dtype))


def backward_top_layer(decoder: Decoder, trace: Trace, targets: slice, gradient: Tensor) -> Tensor:
    """The gradient of C targets by the top layer's output rows [C, D] -> by that layer's input [L', C, D].

    L' is the number of positions that the last of these targets sees.
    """
    layer, x, rows = decoder.layers[-1], trace.inputs[-1], trace.rows[targets]
    seen = int(rows.max()) + 1
    x = x[:seen]
    angles = clip_angles(trace.angles[layer.rope], seen)
    heads = trace.top_heads.first(seen)
    query = heads.query[:, rows]
    visible = visible_keys(rows, torch.arange(seen, device=rows.device), layer.window)
    scores, weights = scores_and_weights(layer, query, heads.key, visible)
    attended = mix_values(layer, weights, heads.value)  # [C, N H]

    half = HalfBlock.of(layer, x[rows], attended)
    by_half = backward_feed_forward(layer, FeedForward.of(layer, half.output), gradient)
    by_attended = backward_attention_output(layer, half, by_half)  # [C, N H]

    by_mixed = split_groups(layer, by_attended)  # [K, M, C, H]
    by_scores = backward_softmax(layer, scores, weights, by_mixed @ heads.value.unsqueeze(1).transpose(-2, -1))
    by_query = by_scores @ heads.key.unsqueeze(1)  # [K, M, C, H]
    grouped_query = split_groups(layer, query.transpose(0, 1).flatten(1))
    by_key = torch.einsum("kmcl,kmch->lckh", by_scores, grouped_query)
    by_value = torch.einsum("kmcl,kmch->lckh", weights, by_mixed)

    n = len(rows)
    at_row = (rows, torch.arange(n, device=rows.device))
    spread_query = by_query.new_zeros(seen, n, layer.n_query_heads, layer.head_dim)
    spread_query[at_row] = by_query.flatten(0, 1).transpose(0, 1)
    by_input = backward_projection(layer, x, heads, angles, spread_query, by_key, by_value)
    by_input[at_row] += by_half
    return by_input


def backward_to_embeddings(decoder: Decoder, trace: Trace, gradient: Tensor) -> Tensor:
    """From the top layer's input down to the unscaled embeddings: [L', C, D] -> [L', C, D], float32 or better."""
    seen = len(gradient)
    for number in reversed(range(len(decoder.layers) - 1)):
        layer, angles = decoder.layers[number], clip_angles(trace.angles[decoder.layers[number].rope], seen)
        if trace.kept:
            activations = trace.kept[number].first(seen)
        else:
            activations = Activations.of(layer, trace.inputs[number][:seen], angles)
        gradient = backward_layer(layer, activations, angles, gradient)
    return gradient * decoder.embedding_scale


def backward_layer(layer: Layer, saved: Activations, angles: Angles, gradient: Tensor) -> Tensor:
    """Push the gradients of C targets by a layer's output to its input, [L, C, D] -> [L, C, D]."""
    by_half = backward_feed_forward(layer, saved.feed_forward, gradient)
    by_attended = backward_attention_output(layer, saved.half, by_half)
    by_query, by_key, by_value = backward_attention(layer, saved.heads, by_attended)
    return by_half.add_(backward_projection(layer, saved.x, saved.heads, angles, by_query, by_key, by_value))


def backward_feed_forward(layer: Layer, saved: FeedForward, gradient: Tensor) -> Tensor:
    """Through the feed-forward half and around it: gradient [rows, (C,) D] -> same shape."""
    by_projected = backward_optional_norm(saved.projected, layer.post_feedforward_norm, layer.epsilon, gradient)
    by_product = by_projected.to(layer.down.dtype) @ layer.down.T
    by_gate = by_product * broadcast_rows(saved.by_gate, by_product)
    by_up = by_product.mul_(broadcast_rows(saved.by_up, by_product))
    flat = torch.addmm(by_gate.flatten(0, -2) @ layer.gate.T, by_up.flatten(0, -2), layer.up.T)
    by_normed = flat.view(gradient.shape)
    return backward_norm(saved.entry, layer.pre_feedforward_norm, layer.epsilon, by_normed).add_(gradient)


def backward_attention_output(layer: Layer, half: HalfBlock, gradient: Tensor) -> Tensor:
    """Gradient by the attention half's output [rows, (C,) D] -> by its weighted values [rows, (C,) N H]."""
    by_projected = backward_optional_norm(half.projected, layer.post_attention_norm, layer.epsilon, gradient)
    return by_projected.to(layer.attention_output.dtype) @ layer.attention_output.T


def backward_attention(layer: Layer, heads: Heads, by_attended: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient by weighted values [L, C, N H] -> by query [L, C, N, H], key and value [L, C, K, H].

    Block by block over the queries; a block's weights are computed once for all C targets, and every product is one
    batched matrix product over the K key heads, with the targets as further rows or columns.
    """
    length, n, _ = by_attended.shape
    groups, width = layer.n_key_value_heads, layer.head_dim
    by_query = by_attended.new_empty(length, n, layer.n_query_heads, width)
    by_key = by_attended.new_zeros(groups, length, n * width)
    by_value = by_attended.new_zeros(groups, length, n * width)
    for block, seen, visible in causal_blocks(length, layer.window, by_attended.device):
        key, value = heads.key[:, seen], heads.value[:, seen]
        scores, weights = scores_and_weights(layer, heads.query[:, block], key, visible)  # [K, M, q, k]
        by_mixed = by_attended[block].unflatten(-1, (groups, -1, width)).permute(2, 3, 0, 1, 4)  # [K, M, q, C, H]
        by_mixed = by_mixed.reshape(groups, -1, n * width)  # [K, M q, C H]
        by_weights = (by_mixed.view(groups, -1, width) @ value.transpose(1, 2)).view(*weights.shape[:3], n, -1)
        by_scores = backward_softmax(layer, scores.unsqueeze(-2), weights.unsqueeze(-2), by_weights)  # [K, M, q, C, k]
        by_scores = by_scores.view(groups, -1, n * by_scores.shape[-1])  # [K, M q, C k]
        by_block_query = (by_scores.view(groups, -1, key.shape[1]) @ key).view(*weights.shape[:3], n, width)
        by_query[block] = by_block_query.permute(2, 3, 0, 1, 4).flatten(2, 3)
        by_value[:, seen] += weights.flatten(1, 2).transpose(1, 2) @ by_mixed
        query = heads.query[:, block].unflatten(0, (groups, -1)).flatten(1, 2)  # [K, M q, H]
        by_block_key = (query.transpose(1, 2) @ by_scores).view(groups, width, n, -1)  # [K, H, C, k]
        by_key[:, seen] += by_block_key.permute(0, 3, 2, 1).flatten(2)
    by_key, by_value = (part.view(groups, length, n, width).permute(1, 2, 0, 3) for part in (by_key, by_value))
    return by_query, by_key, by_value


def backward_projection(
    layer: Layer, x: Tensor, heads: Heads, angles: Angles, by_query: Tensor, by_key: Tensor, by_value: Tensor
) -> Tensor:
    """Gradient by queries, keys and values [L, C, heads, H] -> by the layer's input through its pre-norm [L, C, D]."""
    by_raw_query = backward_rotation(by_query * layer.query_scale, angles)
    by_raw_key = backward_rotation(by_key, angles)
    if heads.raw_query is not None and heads.raw_key is not None:
        raw_query, raw_key = heads.raw_query.transpose(0, 1), heads.raw_key.transpose(0, 1)
        by_raw_query = backward_optional_norm(raw_query, layer.query_norm, layer.epsilon, by_raw_query)
        by_raw_key = backward_optional_norm(raw_key, layer.key_norm, layer.epsilon, by_raw_key)
    by_fused = torch.cat([by_raw_query, by_raw_key, by_value], dim=2).flatten(2).to(layer.query_key_value.dtype)
    by_normed = by_fused @ layer.query_key_value.T
    return backward_norm(x, layer.pre_attention_norm, layer.epsilon, by_normed)


def scores_and_weights(layer: Layer, query: Tensor, key: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Capped scores and their softmax over visible keys, [K, M, q, k] each."""
    scores = attention_scores(layer, query, key)
    wide = scores.to(at_least_float32(scores.dtype)).masked_fill(~visible, float("-inf"))
    return scores, wide.softmax(dim=-1).to(scores.dtype)


def backward_softmax(layer: Layer, scores: Tensor, weights: Tensor, by_weights: Tensor) -> Tensor:
    """Through softmax and soft-cap: all [..., k] -> gradient by the uncapped scores."""
    centred = by_weights - (by_weights * weights).sum(dim=-1, keepdim=True)
    if layer.soft_cap is not None:  # onto the weights first, which have no target axis yet
        weights = weights * (1 - (scores / layer.soft_cap).square())
    return centred.mul_(weights)


def backward_rotation(gradient: Tensor, angles: Angles) -> Tensor:
    """The inverse rotation: gradient [L, C, heads, H], angles [L, H / 2] each -> same shape."""
    cos, sin = angles
    return rotate(gradient, (cos[:, None, None], -sin[:, None, None]))


def backward_norm(x: Tensor, scale: Tensor, epsilon: float, gradient: Tensor) -> Tensor:
    """Through ``rms_norm``: x [rows, ..., W], and a gradient that may have a target axis after the first.

    With r = 1 / rms(x) and s = gradient * (1 + scale), the gradient by x is r (s - x r^2 mean(s x)).
    """
    wide = at_least_float32(x.dtype)
    x = broadcast_rows(x.to(wide), gradient)
    reciprocal = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + epsilon)
    scaled = gradient.to(wide) * (1 + scale.to(wide))
    along = (scaled * x).mean(dim=-1, keepdim=True) * reciprocal.square()
    return scaled.addcmul_(x, along, value=-1).mul_(reciprocal)


def backward_optional_norm(x: Tensor, scale: Tensor | None, epsilon: float, gradient: Tensor) -> Tensor:
    """``backward_norm`` where the family has that norm, else the gradient itself."""
    return gradient if scale is None else backward_norm(x, scale, epsilon, gradient)


def broadcast_rows(x: Tensor, gradient: Tensor) -> Tensor:
    """Give what a position saved a target axis if the gradient has one: [L, ...] -> [L, 1, ...]."""
    return x if x.ndim == gradient.ndim else x.unsqueeze(1)


def gelu_slope(x: Tensor) -> Tensor:
    """Derivative of the tanh form of GELU."""
    c = 0.7978845608028654  # sqrt(2 / pi)
    square = x.square()
    t = square.mul(0.044715).add_(1).mul_(x).mul_(c).tanh_()
    inner = square.mul_(3 * 0.044715).add_(1).mul_(x).mul_(0.5 * c)  # half x times the slope of tanh's argument
    return inner.sub_(inner * t.square()).add_(t.add_(1).mul_(0.5))


def split_groups(layer: Layer, joined: Tensor) -> Tensor:
    """[C, N H] -> [K, M, C, H]."""
    return joined.unflatten(-1, (layer.n_key_value_heads, -1, layer.head_dim)).permute(1, 2, 0, 3)


def clip_angles(angles: Angles, length: int) -> Angles:
    """The angles of the first ``length`` positions."""
    return angles[0][:length], angles[1][:length]
