"""Gemma in plain float64 code: the reference where rounding matters.

Keras's own layers can't be the reference: they compute norms and softmax in float32 even in a float64 model. This code
reads the Keras variables and shares nothing with ``promptlight``; ``test_oracles.py`` compares it with the Keras model.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def logits_from_embeddings(backbone: Any, embeddings: Tensor) -> Tensor:
    """Unscaled embeddings [T, D] -> logits [T, V], float64."""
    table = weight(backbone.token_embedding.embeddings)
    x = embeddings * math.sqrt(embeddings.shape[-1])
    for block in backbone.transformer_layers:
        x = x + maybe_norm(attend(block.attention, norm(x, block.pre_attention_norm)), block, "post_attention_norm")
        h = norm(x, block.pre_ffw_norm)
        gate, up = h @ weight(block.gating_ffw.kernel), h @ weight(block.gating_ffw_2.kernel)
        gelu = 0.5 * gate * (1 + torch.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)))
        x = x + maybe_norm((gelu * up) @ weight(block.ffw_linear.kernel), block, "post_ffw_norm")
    return cap(norm(x, backbone.layer_norm) @ table.T, backbone.token_embedding.logit_soft_cap)


def attend(attention: Any, h: Tensor) -> Tensor:
    """One head after the other."""
    length, group = len(h), attention.num_query_heads // attention.num_key_value_heads
    output = torch.zeros_like(h)
    for head in range(attention.num_query_heads):
        query = h @ weight(attention.query_dense.kernel)[head]
        key = h @ weight(attention.key_dense.kernel)[head // group]
        value = h @ weight(attention.value_dense.kernel)[head // group]
        query, key = maybe_norm(query, attention, "query_norm"), maybe_norm(key, attention, "key_norm")
        query, key = rotate(query, attention.rope_layer), rotate(key, attention.rope_layer)
        scores = cap(query @ key.T / math.sqrt(attention.head_dim), attention.logit_soft_cap)
        window = attention.sliding_window_size if attention.use_sliding_window_attention else length
        hidden = [[not 0 <= i - j < window for j in range(length)] for i in range(length)]
        weights = scores.masked_fill(torch.tensor(hidden), -math.inf).softmax(dim=-1)
        output = output + weights @ value @ weight(attention.output_dense.kernel)[head]
    return output


def rotate(x: Tensor, rope: Any) -> Tensor:
    """Rotate pair i of the head's halves by position / wavelength ** (2i / H), as complex numbers."""
    half = x.shape[-1] // 2
    speed = rope.max_wavelength ** -(torch.arange(half, dtype=torch.float64) / half) / rope.scaling_factor
    turn = torch.polar(torch.ones((), dtype=torch.float64), torch.arange(len(x), dtype=torch.float64)[:, None] * speed)
    turned = torch.complex(x[:, :half], x[:, half:]) * turn
    return torch.cat([turned.real, turned.imag], dim=-1)


def norm(x: Tensor, layer: Any) -> Tensor:
    """Root-mean-square norm."""
    return x / (x.square().mean(-1, keepdim=True) + layer.epsilon).sqrt() * (1 + weight(layer.scale))


def maybe_norm(x: Tensor, owner: Any, name: str) -> Tensor:
    """Apply the norm of that name if the family has it."""
    return norm(x, getattr(owner, name)) if hasattr(owner, name) else x


def cap(x: Tensor, limit: float | None) -> Tensor:
    """Soft-cap."""
    return x if limit is None else limit * torch.tanh(x / limit)


def weight(variable: Any) -> Tensor:
    """A Keras variable in float64."""
    return variable.value.detach().double()
