"""Run forward once over a sequence, and keep what the backward pass needs.

Shapes: L positions of the sequence, G rows that predict a target, D width, E width of an embedding, S streams, n
layers, P width of a layer's own vector.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from promptlight.salience.decoder._autograd import Recorded
from promptlight.salience.decoder.attention import Attention, attend_rows
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.heads import Heads, KeyValue
from promptlight.salience.decoder.layer import Activations
from promptlight.salience.decoder.precision import forward_dtype
from promptlight.salience.decoder.rope import Angles, Rope
from promptlight.salience.decoder.tensors import in_dtype

Blocks = Iterable[tuple[slice, Recorded]]
"""Blocks of rows in order, each with a part of a layer that was run over them."""


@dataclass(frozen=True)
class LayerRecord:
    """A layer that was run again for a backward pass by autograd."""

    heads: Heads
    attended: Tensor  # [L, N H] the weighted values
    reading: Blocks  # from the layer's input to the heads
    writing: Blocks  # from the input, the weighted values and the tokens' vectors to the output


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The forward pass of one sequence of L positions.

    ``inputs`` are the layers' inputs [L, S D] up to the top layer, ``row_inputs`` those of the layers above it
    [G, S D]. ``kept`` are the activations of all layers below the top one if memory allows and the backward pass is
    written by hand; otherwise each layer's are recomputed when needed, and collected in ``records`` if it ``keeps``
    them. ``shared`` are the keys and values of the top
    layer and of all that others read.
    """

    by_hand: bool
    inputs: tuple[Tensor, ...]
    kept: tuple[Activations, ...]
    top_heads: Heads
    shared: Mapping[int, KeyValue]
    row_inputs: tuple[Tensor, ...]
    own: Tensor | None  # [L, n, P] the tokens' vectors for each layer
    rows: Tensor  # [G] the positions whose output predicts a target
    output: Tensor  # [G, S D] the last layer's output there
    angles: dict[Rope, Angles]
    embeddings: Tensor  # [L, E], unscaled
    keeps: bool
    records: dict[int, LayerRecord] = field(default_factory=dict[int, LayerRecord])


def trace_layers(
    decoder: Decoder, embeddings: Tensor, rows: Tensor, *, keep: bool, exact: bool = True, by_hand: bool | None = None
) -> Trace:
    """Run the layers over one sequence: unscaled embeddings [L, E].

    From the top layer's attention on, everything is computed at ``rows`` only. Computes in ``forward_dtype`` if
    ``exact`` and saves in the weights' dtype; only ``output`` stays in the dtype in which it was computed. ``by_hand``
    overrides the choice of the backward pass, to compare the two.
    """
    narrow = decoder.embedding.dtype
    wide = forward_dtype(decoder) if exact else narrow
    if by_hand is None:
        by_hand = all(layer.by_hand for layer in decoder.layers)
    angles = decoder.angles(torch.arange(len(embeddings), device=embeddings.device), wide)
    residual = decoder.start(embeddings, angles, wide)
    own = residual.own
    inputs, kept, row_inputs = [residual.x.to(narrow)], [], []
    for number in range(decoder.top):
        activations = residual.run(number, save=narrow if by_hand else None)
        if keep and by_hand:
            kept.append(activations.save(inputs[-1]))
        inputs.append(kept[-1].output if kept else residual.x.to(narrow))

    def attend_from_all(attention: Attention, heads: Heads) -> Tensor:
        return attend_rows(attention, heads.query[:, rows], (heads.key, heads.value), rows)

    def attend_from_rows(attention: Attention, heads: Heads) -> Tensor:
        return attend_rows(attention, heads.query, (heads.key, heads.value), rows)

    activations = residual.run(decoder.top, attend_from_all, pick=lambda x: x[rows])
    top_heads = in_dtype(activations.heads, narrow)
    residual.angles = {rope: (cos[rows], sin[rows]) for rope, (cos, sin) in angles.items()}
    for number in range(decoder.top + 1, len(decoder.layers)):
        row_inputs.append(residual.x.to(narrow))
        residual.run(number, attend_from_rows)
    shared = {number: in_dtype(pair, narrow) for number, pair in residual.shared.items()}
    return Trace(
        by_hand=by_hand,
        inputs=tuple(inputs),
        kept=tuple(kept),
        top_heads=top_heads,
        shared=shared | {decoder.top: (top_heads.key, top_heads.value)},
        row_inputs=tuple(row_inputs),
        own=None if own is None else own.to(narrow),
        rows=rows,
        output=residual.x,
        angles={rope: in_dtype(pair, narrow) for rope, pair in angles.items()},
        embeddings=embeddings,
        keeps=keep,
    )
