"""The gradient of many targets through a Gemma decoder at once.

The method, for one sequence of L positions and a chunk of C targets:
 1. Run forward once, keeping each layer's input, and its activations if memory allows (``trace.py``).
 2. Go back through the logits: ``backward_logits`` in ``decoder.py``.
 3. In the top layer, each target's gradient starts at one row. Only that row goes back through the feed-forward half
    and the attention query, and only keys and values spread it over the prefix.
 4. In every lower layer, top to bottom, push [L, C, D] through it. If memory is short, a layer's activations are
    recomputed from its input instead of being kept.
No gradient of a weight is ever computed; the work is the matrix products that the chain rule cannot avoid.

Steps 3 and 4 are written out by hand for what Gemma 1 to 3 have (here and in ``layer.py``). Any other layer goes back
by autograd, part by part (``_layerwise.py``). Why by hand: torch's autograd takes one target at a time, or repeats its
bookkeeping for each. Here C targets share every recomputed activation, and each product runs over L x C rows.
``tests/oracles`` has a plain version.

Gradients have the shape [L, C, D] (position first, so that a position's saved values broadcast over targets), in
float32 or better; the operands of matrix products have the weights' dtype.

Shapes: L positions of the sequence, L' of them that a chunk's targets see, C targets, D width, E width of an embedding,
S streams, P width of a layer's own vector.
"""

# pyright: standard

from __future__ import annotations

import torch
from torch import Tensor

from promptlight.salience.decoder._layerwise import Ranges, count_layerwise_bytes, pull_layerwise
from promptlight.salience.decoder.attention import attend_at, backward_attention_at
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.layer import (
    add_backward_heads,
    backward_after_attention,
    backward_layer,
    run_after_attention,
    run_layer,
)
from promptlight.salience.decoder.layer_bytes import count_backward_bytes, count_saved_bytes
from promptlight.salience.decoder.rope import take_angles
from promptlight.salience.decoder.trace import Trace


def pull_to_embeddings(decoder: Decoder, trace: Trace, units: Ranges, by_output: Tensor) -> Tensor:
    """Gradients by the rows of all targets [G, S D] -> of each unit's sum by the unscaled embeddings [L', units, E], in
    float32 or better. ``units`` are ranges of targets, in order."""
    if not trace.by_hand:
        return pull_layerwise(decoder, trace, units, by_output)
    start, stop = units[0][0], units[-1][1]
    gradient = _backward_top_layer(decoder, trace, slice(start, stop), by_output[start:stop])
    if len(units) < stop - start:  # below the top layer, each unit's gradients are one sum
        gradient = torch.stack([gradient[:, a - start : b - start].sum(1) for a, b in units], dim=1)
    return _backward_lower_layers(decoder, trace, gradient)


def _backward_top_layer(decoder: Decoder, trace: Trace, targets: slice, gradient: Tensor) -> Tensor:
    """The gradient of C targets by the top layer's output rows [C, D] -> by that layer's input [L', C, D]."""
    layer, rows = decoder.layers[-1], trace.rows[targets]
    seen = slice(int(rows.max()) + 1)
    x, heads, angles = trace.inputs[-1][seen], trace.top_heads.take(seen), take_angles(trace.angles[layer.rope], seen)
    others = (heads.key, heads.value)
    read = attend_at(layer.attention, heads.query[:, rows], others, rows)
    after = run_after_attention(layer, x[rows], layer.attention.project(read.attended), save=x.dtype)
    by_middle, by_attended = backward_after_attention(layer, after, gradient)
    by_row_query, *by_others = backward_attention_at(layer.attention, others, read, by_attended)
    places = (rows, torch.arange(len(rows), device=rows.device))
    by_query = by_row_query.new_zeros(len(x), *by_row_query.shape)
    by_query[places] = by_row_query
    by_input = by_middle.new_zeros(len(x), *by_middle.shape)
    by_input[places] = by_middle
    return add_backward_heads(layer, x, heads, angles, (by_query, by_others[0], by_others[1]), by_input)


def _backward_lower_layers(decoder: Decoder, trace: Trace, gradient: Tensor) -> Tensor:
    """From the top layer's input down to the unscaled embeddings: [L', C, D] -> [L', C, D], float32 or better."""
    seen = len(gradient)
    for number in reversed(range(len(decoder.layers) - 1)):
        layer = decoder.layers[number]
        angles = take_angles(trace.angles[layer.rope], slice(seen))
        if trace.kept:
            saved = trace.kept[number].first(seen)
        else:
            x = trace.inputs[number][:seen]
            saved = run_layer(layer, x, angles, save=x.dtype)
        gradient = backward_layer(layer, saved, angles, gradient)
    return gradient * decoder.embedding_scale


def activation_bytes(decoder: Decoder, n_positions: int) -> int:
    """Bytes of all layers' activations if memory allows to keep them; above the top layer there are only a few rows."""
    narrow, _ = decoder.itemsizes
    return sum(count_saved_bytes(layer, n_positions, narrow) for layer in decoder.layers[: decoder.top + 1])


def chunk_bytes(decoder: Decoder, n_positions: int, n_targets: int) -> int:
    """Bytes of the backward pass of a chunk of targets, in the layer that takes most."""
    on_gpu = decoder.embedding.device.type != "cpu"
    if not all(layer.by_hand for layer in decoder.layers):
        return count_layerwise_bytes(decoder, n_positions, n_targets, on_gpu=on_gpu)
    return max(
        count_backward_bytes(layer, n_positions, n_targets, *decoder.itemsizes, on_gpu=on_gpu)
        for layer in decoder.layers
    )
