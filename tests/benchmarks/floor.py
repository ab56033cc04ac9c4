"""The floor for exact gradients: the matrix products that no backward pass can avoid.

Each target's gradient goes back through every matrix of every layer at each position before the target, which takes
2 x weights x positions floating-point operations. Their time is measured in the same run, on matrices of the model's
own shapes, with as many rows as a chunk of four targets has.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.layer import Layer

N_TOGETHER = 4


def matrices(layer: Layer) -> tuple[Tensor, ...]:
    """A layer's matrices, oriented for x @ matrix."""
    attention, feed_forward = layer.attention, layer.feed_forward
    return attention.heads.query_key_value, attention.output, feed_forward.gate, feed_forward.up, feed_forward.down


def count_layer_weights(decoder: Decoder) -> int:
    """Count the weights of all matrices inside the layers."""
    return sum(matrix.numel() for layer in decoder.layers for matrix in matrices(layer))


def share_of_need(decoder: Decoder) -> float:
    """The share of the floor that is left if the top layer goes back at target rows alone, except keys and values."""
    top = decoder.layers[-1]
    heads = top.attention.heads
    key_value = heads.query_key_value[:, heads.n_query_heads * heads.head_dim :]
    spared = sum(matrix.numel() for matrix in matrices(top)) - key_value.numel()
    return 1 - spared / count_layer_weights(decoder)


def multiply_all(decoder: Decoder, n_positions: int) -> Callable[[], None]:
    """One backward product with each matrix, for ``N_TOGETHER`` targets at ``n_positions`` positions."""
    rows = {
        matrix.shape: matrix.new_empty(n_positions * N_TOGETHER, matrix.shape[1]).normal_()
        for matrix in matrices(decoder.layers[0])
    }

    def multiply() -> None:
        for layer in decoder.layers:
            for matrix in matrices(layer):
                torch.mm(rows[matrix.shape], matrix.T)

    return multiply


def n_repeats(n_tokens: int, n_targets: int) -> float:
    """The work of all targets together, in units of ``multiply_all`` for ``n_tokens`` positions.

    The target at position t sends its gradient to the t positions before it.
    """
    return sum(range(n_tokens - n_targets, n_tokens)) / (N_TOGETHER * n_tokens)
