"""One decoder layer, forward and backward.

Forward, from x [..., T, D] (``run_layer``):
 1. Heads: normalise x, project it, rotate queries and keys (``project_heads``).
 2. Attention: each query mixes the values of its visible keys (``attend``, which the caller may choose).
 3. Project the mix to the width D, normalise it if the family does so, and add it to x: the middle.
 4. Feed-forward: normalise the middle and gate it (``run_feed_forward``), perhaps beside experts (``experts.py``).
 5. Normalise that if the family does so, and add it to the middle: the output.
 6. Some families add a vector of the token's own (``per_layer.py``), and multiply by a stored number.
Gemma 3n's layers do this to one of several streams (``streams.py``): then x is [..., T, S D].

All but step 2 looks at one position alone. Generation, ablation and the gradient pass differ only in ``attend``, and in
the rows that continue after it.

Backward, written by hand for layers without what came after Gemma 3 (``by_hand``), goes through the same steps from 5
to 1: ``backward_after_attention`` does 5 to 3, ``backward_layer`` all. ``_layerwise.py`` does it for any layer.

Shapes: T positions (L of one sequence), D width, S streams, P width of a layer's own vector, C targets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.attention import Attend, Attention, attend_causally, backward_attention
from promptlight.salience.decoder.experts import Experts, add_experts
from promptlight.salience.decoder.feedforward import (
    FeedForward,
    FeedForwardOutput,
    backward_feed_forward,
    run_feed_forward,
    trace_feed_forward,
)
from promptlight.salience.decoder.heads import Heads, KeyValue, backward_heads, project_heads
from promptlight.salience.decoder.norms import Norm, backward_optional_norm, optional_norm, rms_norm
from promptlight.salience.decoder.per_layer import PerLayerStep, run_per_layer
from promptlight.salience.decoder.rope import Angles, Rope, take_angles
from promptlight.salience.decoder.streams import Streams, correct, predict, run_laurel
from promptlight.salience.decoder.tensors import in_dtype

# Rows, positions times targets, that go back together; a GPU needs many to be busy.
CPU_ROW_BLOCK, GPU_ROW_BLOCK = 1024, 2**14


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The weights and options of a layer. Pre-norms belong to its parts."""

    attention: Attention
    post_attention_norm: Norm | None  # [D]
    feed_forward: FeedForward
    post_feedforward_norm: Norm | None  # [D]
    experts: Experts | None = None
    per_layer: PerLayerStep | None = None
    scale: Tensor | None = None  # [1]
    streams: Streams | None = None

    @property
    def source(self) -> int | None:
        """The number of the layer below whose keys and values it reads; None if it has its own."""
        return self.attention.heads.source

    @property
    def width(self) -> int:
        """The width of what goes from layer to layer, D or S D."""
        return self.attention.output.shape[1] * (1 if self.streams is None else self.streams.router.shape[1])

    @property
    def by_hand(self) -> bool:
        """Whether its backward pass is written by hand: it has only what Gemma 1 to 3 have."""
        heads = self.attention.heads
        later = (self.experts, self.per_layer, self.scale, self.streams, self.feed_forward.sparsity, heads.value_norm)
        return all(part is None for part in later) and not heads.ties_values and heads.source is None

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
    source: KeyValue | None = None,
    own: Tensor | None = None,
    pick: Callable[[Tensor], Tensor] | None = None,
    save: torch.dtype | None = None,
) -> Activations:
    """Steps 1 to 6 over x [..., T, D].

    ``source`` are the keys and values that this layer reads if it has none of its own. ``own`` are the tokens' vectors
    for this layer [..., T, P]. If ``attend`` returns only some rows, ``pick`` takes the same rows of x, and ``own`` has
    those alone. ``save`` is the dtype in which the feed-forward network saves what its backward pass needs (None: it
    saves nothing).
    """
    heads = project_layer_heads(layer, x, angles, source)
    projected = layer.attention.project(attend(layer.attention, heads))
    rows = x if pick is None else pick(x)
    return Activations(x, heads, run_after_attention(layer, rows, projected, own=own, save=save))


def project_layer_heads(layer: Layer, x: Tensor, angles: Angles, source: KeyValue | None = None) -> Heads:
    """Step 1."""
    read = x if layer.streams is None else predict(layer.streams, x)[..., 0, :]
    return project_heads(layer.attention.heads, read, angles, source)


def run_after_attention(
    layer: Layer, x: Tensor, projected: Tensor, *, own: Tensor | None = None, save: torch.dtype | None = None
) -> AfterAttention:
    """The rest of step 3, and steps 4 to 6: x and the projected mix, [rows, D] each."""
    if layer.streams is not None:
        return _run_streams_after_attention(layer, layer.streams, x, projected, own)
    middle = x + optional_norm(projected, layer.post_attention_norm)
    fed, output = _feed(layer, middle, save)
    if layer.per_layer is not None and own is not None:
        output = output + run_per_layer(layer.per_layer, output, own)
    return AfterAttention(projected, middle, fed, output if layer.scale is None else output * layer.scale)


def _feed(layer: Layer, middle: Tensor, save: torch.dtype | None = None) -> tuple[FeedForwardOutput, Tensor]:
    """Steps 4 and 5: what the networks give, and the output."""
    if save is None:
        fed = run_feed_forward(layer.feed_forward, middle)
    else:
        fed = trace_feed_forward(layer.feed_forward, middle, save)
    if layer.experts is not None:
        fed = FeedForwardOutput(add_experts(layer.experts, middle, fed.value))
    return fed, middle + optional_norm(fed.value, layer.post_feedforward_norm)


def _run_streams_after_attention(
    layer: Layer, streams: Streams, x: Tensor, projected: Tensor, own: Tensor | None
) -> AfterAttention:
    """Steps 3 to 6 on the first stream, and what becomes of the others: x [rows, S D]."""
    assert layer.per_layer is not None
    assert own is not None
    predicted = predict(streams, x)
    first = predicted[..., 0, :]
    branch = run_laurel(streams, rms_norm(first, layer.attention.heads.norm))
    middle = (first + optional_norm(projected, layer.post_attention_norm) + branch) / math.sqrt(2)
    fed, output = _feed(layer, middle)
    corrected = correct(streams, predicted, output)
    added = run_per_layer(layer.per_layer, corrected[..., 0, :] * streams.scale, own)
    others = corrected[..., 1:, :] + added[..., None, :]
    return AfterAttention(projected, middle, fed, torch.cat([corrected[..., :1, :], others], dim=-2).flatten(-2))


# ---- backward ------------------------------------------------------------------------------------------------------


def backward_layer(layer: Layer, saved: Activations, angles: Angles, gradient: Tensor) -> Tensor:
    """Push the gradients of C targets by a layer's output to its input, [L, C, D] -> [L, C, D]."""
    by_middle, by_attended = _backward_after_attention_in_blocks(layer, saved.after, gradient)
    by_heads = backward_attention(layer.attention, saved.heads, by_attended)
    del by_attended
    return add_backward_heads(layer, saved.x, saved.heads, angles, by_heads, by_middle)


def _backward_after_attention_in_blocks(layer: Layer, saved: AfterAttention, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """``backward_after_attention`` [L, C, D], block by block; a single block's parts are not copied."""
    first, *others = cut_rows(gradient.shape[0], gradient.shape[1], gradient.device)
    parts = backward_after_attention(layer, saved.take(first), gradient[first])
    if not others:
        return parts
    by_middle, by_attended = (part.new_empty(len(gradient), *part.shape[1:]) for part in parts)
    by_middle[first], by_attended[first] = parts
    for rows in others:
        by_middle[rows], by_attended[rows] = backward_after_attention(layer, saved.take(rows), gradient[rows])
    return by_middle, by_attended


def add_backward_heads(
    layer: Layer, x: Tensor, heads: Heads, angles: Angles, by_heads: tuple[Tensor, Tensor, Tensor], by_input: Tensor
) -> Tensor:
    """Add the gradient through the heads to that along the residual sum, in place: [L, C, D]."""
    for rows in cut_rows(by_input.shape[0], by_input.shape[1], by_input.device):
        parts = (part[rows] for part in by_heads)
        by_input[rows].add_(
            backward_heads(layer.attention.heads, x[rows], heads.take(rows), take_angles(angles, rows), *parts)
        )
    return by_input


def cut_rows(length: int, n_targets: int, device: torch.device) -> Iterator[slice]:
    """Blocks of positions, so that temporaries stay small and in the processor's cache."""
    n_together = max(1, row_block(on_gpu=device.type != "cpu") // n_targets)
    for start in range(0, length, n_together):
        yield slice(start, start + n_together)


def row_block(*, on_gpu: bool) -> int:
    """Rows, positions times targets, that go back together."""
    return GPU_ROW_BLOCK if on_gpu else CPU_ROW_BLOCK


def backward_after_attention(layer: Layer, saved: AfterAttention, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient by the output [rows, (C,) D] -> by the middle [rows, (C,) D], which is also that by x along the
    residual sum, and by the weighted values [rows, (C,) N H]."""
    by_value = backward_optional_norm(saved.fed.value, layer.post_feedforward_norm, gradient)
    by_middle = backward_feed_forward(layer.feed_forward, saved.middle, saved.fed, by_value).add_(gradient)
    by_projected = backward_optional_norm(saved.projected, layer.post_attention_norm, by_middle)
    return by_middle, by_projected.to(layer.attention.output.dtype) @ layer.attention.output.T
