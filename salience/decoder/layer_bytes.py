"""How much memory one decoder layer takes, forward and backward.

``narrow`` and ``wide`` are the bytes of a number in the weights' dtype, and in the wide one.

Shapes: T positions (L of one sequence), D width, F feed-forward width, N query heads, K key/value heads, H head width,
C targets.
"""

from __future__ import annotations

from promptlight.salience.decoder.layer import Layer, row_block
from promptlight.salience.decoder.tensors import count_bytes


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
    return int(n_targets * each + min(n_targets * length, row_block(on_gpu=on_gpu)) * row)
