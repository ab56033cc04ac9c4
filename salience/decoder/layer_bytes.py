"""How much memory one decoder layer takes, forward and backward.

``narrow`` and ``wide`` are the bytes of a number in the weights' dtype, and in the wide one.

Shapes: T positions (L of one sequence), D width, S streams, F feed-forward width, N query heads, K key/value heads,
H head width, C targets.
"""

from __future__ import annotations

from promptlight.salience.decoder.layer import Layer, row_block
from promptlight.salience.decoder.tensors import count_bytes


def count_run_bytes(layer: Layer, length: int, narrow: int, wide: int) -> int:
    """A forward pass of one text that saves nothing: the larger of its halves.

    (4 b + 2 w) D for each position, 3 b for each number of further streams, and: heads, and a block's scores with their
    softmax; or the feed-forward network and experts.
    """
    attention, width = layer.attention, layer.attention.output.shape[1]
    residual = (4 * narrow + 2 * wide) * width + 3 * narrow * (layer.width - width)
    feed_forward = layer.feed_forward.run_size + (0 if layer.experts is None else layer.experts.run_size)
    scores = attention.forward_block_size(length) * (2 * narrow + 2 * wide)
    return max(
        (residual + attention.heads.run_size * narrow) * length + scores,
        (residual + feed_forward * narrow) * length,
    )


def count_trace_bytes(layer: Layer, length: int, narrow: int, wide: int) -> int:
    """A forward pass in the wide dtype that saves what the backward one needs, in the narrow dtype, and a copy of the
    layer's weights where those are narrower: 7 D and heads for each position, derivatives, a block's scores."""
    attention = layer.attention
    per_position = (7 * layer.width + 3 * attention.heads.width) * max(wide, 4) + _count_fed(layer, 2) * narrow
    copied = count_bytes(layer) // narrow * wide if wide > narrow else 0
    return length * per_position + attention.forward_block_size(length) * 4 * wide + copied


def count_saved_bytes(layer: Layer, length: int, narrow: int) -> int:
    """The part that is kept for the backward pass: 4 D of residual stream, heads, derivatives for each position. What
    autograd records instead, partly in float32: 8 S D, heads twice, and three parts of the networks."""
    heads = layer.attention.heads
    if layer.by_hand:
        return length * (4 * layer.width + heads.saved_size + layer.feed_forward.saved_size) * narrow
    recorded = (8 * layer.width + heads.width) * max(narrow, 4)
    return length * (recorded + (2 * heads.width + _count_fed(layer, 3)) * narrow)


def _count_fed(layer: Layer, n_parts: int) -> int:
    """Numbers of a position in some parts of the networks' inner width: gate, up and the like."""
    inner = layer.feed_forward.gate.shape[1]
    return n_parts * (inner if layer.experts is None else inner + layer.experts.n_chosen * layer.experts.gate.shape[2])


def count_backward_bytes(layer: Layer, length: int, n_targets: int, narrow: int, wide: int, *, on_gpu: bool) -> int:
    """The backward pass of C targets: 3 D w of residual stream and heads for each position, and four blocks of scores,
    for each of them; and for each row of one block, the larger of 4 D w and 2.5 F b, and 3 D w and 3 (N + 2K) H w."""
    attention, width = layer.attention, layer.attention.output.shape[1]
    heads, feed_forward = attention.heads.backward_size, layer.feed_forward.backward_size
    each = length * (3 * width * wide + heads * narrow) + 4 * attention.block_size(length) * narrow
    row = max(4 * width * wide + feed_forward * narrow, 3 * width * wide + attention.heads.backward_row_size * wide)
    return int(n_targets * each + min(n_targets * length, row_block(on_gpu=on_gpu)) * row)
