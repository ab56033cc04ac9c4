"""The gradient of many targets through a Gemma decoder at once, written out by hand.

The method, for one sequence of L positions and a chunk of C targets:
 1. Run forward once, keeping each layer's input, and its activations if memory allows (``trace_layers``).
 2. Go back through the logits: ``backward_logits`` in ``decoder.py``.
 3. In the top layer, each target's gradient starts at one row. Only that row goes back through the feed-forward half
    and the attention query, and only keys and values spread it over the prefix (``backward_top_layer``).
 4. In every lower layer, top to bottom, push [L, C, D] through it (``backward_lower_layers``, ``backward_layer``). If
    memory is short, a layer's activations are recomputed from its input instead of being kept.
No gradient of a weight is ever computed; the work is the matrix products that the chain rule cannot avoid.

Why by hand: torch's autograd takes one target at a time, or repeats its bookkeeping for each. Here C targets share
every recomputed activation, and each product runs over L x C rows. ``tests/oracles`` has a plain version.

Gradients have the shape [L, C, D] (position first, so that a position's saved values broadcast over targets), in
float32 or better; the operands of matrix products have the weights' dtype.

Shapes: L positions of the sequence, L' of them that a chunk's targets see, C targets, D width.
"""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.attention import Attention, attend_at, attend_causally, backward_attention_at
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.heads import Heads
from promptlight.salience.decoder.layer import (
    Activations,
    add_backward_heads,
    backward_after_attention,
    backward_layer,
    count_backward_bytes,
    count_saved_bytes,
    run_after_attention,
    run_layer,
)
from promptlight.salience.decoder.precision import forward_dtype
from promptlight.salience.decoder.rope import Angles, Rope, take_angles
from promptlight.salience.decoder.tensors import in_dtype


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What the backward pass needs from the forward pass, for one sequence of L positions.

    ``inputs`` are the layers' inputs [L, D]. ``kept`` are the activations of all layers but the last if memory allows;
    otherwise each layer's are recomputed when needed.
    """

    inputs: tuple[Tensor, ...]
    kept: tuple[Activations, ...]
    top_heads: Heads
    rows: Tensor  # [G] the positions whose output predicts a target
    output: Tensor  # [G, D] the last layer's output there
    angles: dict[Rope, Angles]


def trace_layers(decoder: Decoder, embeddings: Tensor, rows: Tensor, *, keep: bool, exact: bool = True) -> Trace:
    """Run the layers over one sequence: unscaled embeddings [L, D].

    In the last layer, everything after attention is computed at ``rows`` only. Computes in ``forward_dtype`` if
    ``exact`` and saves in the weights' dtype; only ``output`` stays in the dtype in which it was computed.
    """
    narrow = decoder.embedding.dtype
    wide = forward_dtype(decoder) if exact else narrow
    angles = decoder.angles(torch.arange(len(embeddings), device=embeddings.device), wide)
    x = decoder.scale_embeddings(embeddings.to(wide))
    inputs, kept = [x.to(narrow)], []
    for layer in decoder.layers[:-1]:
        activations = run_layer(in_dtype(layer, wide), x, angles[layer.rope], save=narrow)
        x = activations.output
        if keep:
            kept.append(activations.save(inputs[-1]))
        inputs.append(kept[-1].output if keep else x.to(narrow))

    def attend_for_rows(attention: Attention, heads: Heads) -> Tensor:
        return attend_causally(attention, heads)[rows]

    top = in_dtype(decoder.layers[-1], wide)
    activations = run_layer(top, x, angles[top.rope], attend_for_rows, pick=lambda x: x[rows], save=narrow)
    return Trace(
        inputs=tuple(inputs),
        kept=tuple(kept),
        top_heads=in_dtype(activations.heads, narrow),
        rows=rows,
        output=activations.output,
        angles={rope: in_dtype(pair, narrow) for rope, pair in angles.items()},
    )


def backward_top_layer(decoder: Decoder, trace: Trace, targets: slice, gradient: Tensor) -> Tensor:
    """The gradient of C targets by the top layer's output rows [C, D] -> by that layer's input [L', C, D]."""
    layer, rows = decoder.layers[-1], trace.rows[targets]
    seen = slice(int(rows.max()) + 1)
    x, heads, angles = trace.inputs[-1][seen], trace.top_heads.take(seen), take_angles(trace.angles[layer.rope], seen)
    read = attend_at(layer.attention, heads, rows)
    after = run_after_attention(layer, x[rows], layer.attention.project(read.attended), save=x.dtype)
    by_middle, by_attended = backward_after_attention(layer, after, gradient)
    by_heads = backward_attention_at(layer.attention, heads, read, by_attended)
    by_input = by_middle.new_zeros(len(x), *by_middle.shape)
    by_input[rows, torch.arange(len(rows), device=rows.device)] = by_middle
    return add_backward_heads(layer, x, heads, angles, by_heads, by_input)


def backward_lower_layers(decoder: Decoder, trace: Trace, gradient: Tensor) -> Tensor:
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
    """Bytes of all layers' activations if ``trace_layers`` keeps them."""
    narrow, _ = decoder.itemsizes
    return sum(count_saved_bytes(layer, n_positions, narrow) for layer in decoder.layers)


def chunk_bytes(decoder: Decoder, n_positions: int, n_targets: int) -> int:
    """Bytes of the backward pass of a chunk of targets, in the layer that takes most."""
    on_gpu = decoder.embedding.device.type != "cpu"
    return max(
        count_backward_bytes(layer, n_positions, n_targets, *decoder.itemsizes, on_gpu=on_gpu)
        for layer in decoder.layers
    )
