"""One decoder layer, forward and backward.

Forward, from x [..., T, D] (``run_layer``):
 1. Heads: normalise x, project it, rotate queries and keys (``project_heads``).
 2. Attention: each query mixes the values of its visible keys (``attend``, which the caller may choose).
 3. Project the mix to the width D, normalise it if the family does so, and add it to x: the middle.
 4. Feed-forward: normalise the middle and gate it (``run_feed_forward``).
 5. Normalise that if the family does so, and add it to the middle: the output.

Backward goes through the same steps from 5 to 1: ``backward_after_attention`` does 5 to 3, ``backward_layer`` all.
Generation, ablation and the gradient pass differ only in ``attend``, and in the rows that continue after it.

Shapes: T positions (L of one sequence), D width, C targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.attention import Attend, Attention, attend_causally, backward_attention
from promptlight.salience.decoder.feedforward import (
    FeedForward,
    FeedForwardOutput,
    backward_feed_forward,
    run_feed_forward,
    trace_feed_forward,
)
from promptlight.salience.decoder.heads import Heads, backward_heads, project_heads
from promptlight.salience.decoder.norms import Norm, backward_optional_norm, optional_norm
from promptlight.salience.decoder.rope import Angles, Rope, take_angles
from promptlight.salience.decoder.tensors import count_bytes, in_dtype

# Rows, positions times targets, that go back together; a GPU needs many to be busy.
CPU_ROW_BLOCK, GPU_ROW_BLOCK = 1024, 2**14


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The weights and options of a layer. Pre-norms belong to its parts."""

    attention: Attention
    post_attention_norm: Norm | None  # [D]
    feed_forward: FeedForward
    post_feedforward_norm: Norm | None  # [D]

    @property
    def rope(self) -> Rope:
        """The rotary embedding of its heads."""
        return self.attention.heads.rope

    @property
    def window(self) -> int | None:
        """How many positions a query sees, including itself; None: all before it."""
        return self.attention.window


@dataclass(frozen=True)
class AfterAttention:
    """Steps 3 to 5, [rows, D] each."""

    projected: Tensor  # the mix of values, before its norm
    middle: Tensor
    fed: FeedForwardOutput
    output: Tensor

    def take(self, rows: slice) -> AfterAttention:
        """The same for some rows alone."""
        return AfterAttention(self.projected[rows], self.middle[rows], self.fed.take(rows), self.output[rows])


@dataclass(frozen=True)
class Activations:
    """All activations of a layer that its backward pass needs."""

    x: Tensor  # [..., T, D] the layer's input
    heads: Heads
    after: AfterAttention

    @property
    def output(self) -> Tensor:
        """[..., T, D], or fewer rows if the caller picked some."""
        return self.after.output

    def save(self, x: Tensor) -> Activations:
        """Convert to the dtype of ``x``, which is the layer's input in that dtype."""
        return in_dtype(Activations(x, self.heads, self.after), x.dtype)

    def first(self, length: int) -> Activations:
        """The same for the first positions alone: nothing earlier depends on later ones."""
        rows = slice(length)
        return Activations(self.x[rows], self.heads.take(rows), self.after.take(rows))


# ---- forward -------------------------------------------------------------------------------------------------------


def run_layer(
    layer: Layer,
    x: Tensor,
    angles: Angles,
    attend: Attend = attend_causally,
    *,
    pick: Callable[[Tensor], Tensor] | None = None,
    save: torch.dtype | None = None,
) -> Activations:
    """Steps 1 to 5 over x [..., T, D].

    If ``attend`` returns only some rows, ``pick`` takes the same rows of x. ``save`` is the dtype in which the
    feed-forward network saves what its backward pass needs (None: it saves nothing).
    """
    heads = project_heads(layer.attention.heads, x, angles)
    projected = layer.attention.project(attend(layer.attention, heads))
    return Activations(x, heads, run_after_attention(layer, x if pick is None else pick(x), projected, save))


def run_after_attention(layer: Layer, x: Tensor, projected: Tensor, save: torch.dtype | None) -> AfterAttention:
    """The rest of step 3, and steps 4 and 5: x and the projected mix, [rows, D] each."""
    middle = x + optional_norm(projected, layer.post_attention_norm)
    if save is None:
        fed = run_feed_forward(layer.feed_forward, middle)
    else:
        fed = trace_feed_forward(layer.feed_forward, middle, save)
    return AfterAttention(projected, middle, fed, middle + optional_norm(fed.value, layer.post_feedforward_norm))


# ---- backward ------------------------------------------------------------------------------------------------------


def backward_layer(layer: Layer, saved: Activations, angles: Angles, gradient: Tensor) -> Tensor:
    """Push the gradients of C targets by a layer's output to its input, [L, C, D] -> [L, C, D]."""
    by_middle, by_attended = torch.empty_like(gradient), None
    for rows in _cut_rows(gradient):
        by_middle[rows], part = backward_after_attention(layer, saved.after.take(rows), gradient[rows])
        if by_attended is None:
            by_attended = part.new_empty(*gradient.shape[:2], part.shape[2])
        by_attended[rows] = part
    assert by_attended is not None
    by_heads = backward_attention(layer.attention, saved.heads, by_attended)
    del by_attended
    return add_backward_heads(layer, saved.x, saved.heads, angles, by_heads, by_middle)


def add_backward_heads(
    layer: Layer, x: Tensor, heads: Heads, angles: Angles, by_heads: tuple[Tensor, Tensor, Tensor], by_input: Tensor
) -> Tensor:
    """Add the gradient through the heads to that along the residual sum, in place: [L, C, D]."""
    for rows in _cut_rows(by_input):
        parts = (part[rows] for part in by_heads)
        by_input[rows] += backward_heads(
            layer.attention.heads, x[rows], heads.take(rows), take_angles(angles, rows), *parts
        )
    return by_input


def _cut_rows(gradient: Tensor) -> Iterator[slice]:
    """Blocks of positions, so that temporaries stay small and in the processor's cache."""
    length, n_targets = gradient.shape[:2]
    n_together = max(1, _row_block(on_gpu=gradient.device.type != "cpu") // n_targets)
    for start in range(0, length, n_together):
        yield slice(start, start + n_together)


def _row_block(*, on_gpu: bool) -> int:
    return GPU_ROW_BLOCK if on_gpu else CPU_ROW_BLOCK


def backward_after_attention(layer: Layer, saved: AfterAttention, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient by the output [rows, (C,) D] -> by the middle [rows, (C,) D], which is also that by x along the
    residual sum, and by the weighted values [rows, (C,) N H]."""
    by_value = backward_optional_norm(saved.fed.value, layer.post_feedforward_norm, gradient)
    by_middle = backward_feed_forward(layer.feed_forward, saved.middle, saved.fed, by_value).add_(gradient)
    by_projected = backward_optional_norm(saved.projected, layer.post_attention_norm, by_middle)
    return by_middle, by_projected.to(layer.attention.output.dtype) @ layer.attention.output.T


# ---- bytes; b and w are the bytes of a number in the weights' dtype and in the wide one ------------------------------


def count_run_bytes(layer: Layer, length: int, narrow: int, wide: int) -> int:
    """A forward pass of one text that saves nothing: the larger of its halves.

    (4 b + 2 w) D for each position, and: heads, and a block's scores with their softmax; or the feed-forward network.
    """
    attention, width = layer.attention, layer.attention.output.shape[1]
    residual = (4 * narrow + 2 * wide) * width
    scores = attention.forward_block_size(length) * (2 * narrow + 2 * wide)
    return max(
        (residual + attention.heads.run_size * narrow) * length + scores,
        (residual + layer.feed_forward.run_size * narrow) * length,
    )


def count_trace_bytes(layer: Layer, length: int, narrow: int, wide: int) -> int:
    """A forward pass in the wide dtype that saves what the backward one needs, in the narrow dtype, and a copy of the
    layer's weights where those are narrower: 7 D and heads for each position, derivatives, a block's scores."""
    attention, width = layer.attention, layer.attention.output.shape[1]
    fused = attention.heads.query_key_value.shape[1]
    per_position = (7 * width + 3 * fused) * max(wide, 4) + layer.feed_forward.saved_size * narrow
    copied = count_bytes(layer) // narrow * wide if wide > narrow else 0
    return length * per_position + attention.forward_block_size(length) * 4 * wide + copied


def count_saved_bytes(layer: Layer, length: int, narrow: int) -> int:
    """The part that is kept for the backward pass: 4 D of residual stream, heads, derivatives for each position."""
    width = layer.attention.output.shape[1]
    per_position = 4 * width + layer.attention.heads.saved_size + layer.feed_forward.saved_size
    return length * per_position * narrow


def count_backward_bytes(layer: Layer, length: int, n_targets: int, narrow: int, wide: int, *, on_gpu: bool) -> int:
    """The backward pass of C targets: 3 D w of residual stream and heads for each position, and four blocks of scores,
    for each of them; and for each row of one block, the larger of 4 D w and 2.5 F b, and 3 D w and 3 (N + 2K) H w."""
    attention, width = layer.attention, layer.attention.output.shape[1]
    heads, feed_forward = attention.heads.backward_size, layer.feed_forward.backward_size
    each = length * (3 * width * wide + heads * narrow) + 4 * attention.block_size(length) * narrow
    row = max(4 * width * wide + feed_forward * narrow, 3 * width * wide + attention.heads.backward_row_size * wide)
    return int(n_targets * each + min(n_targets * length, _row_block(on_gpu=on_gpu)) * row)
