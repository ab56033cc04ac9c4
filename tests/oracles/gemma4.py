"""Gemma 4 in plain float64 code: from a token's rows of both tables to logits, one head after the other.

A row is [D + n P]: the main table's row e, then, where the model has one, the other table's row R, both as stored.
"""

# pyright: standard

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tests.oracles.weights import Layer, Weights


def logits(weights: Weights, rows: Tensor) -> Tensor:
    """Rows [T, D + n P] -> logits [T, V]."""
    x = math.sqrt(weights.width) * rows[:, : weights.width]
    inputs = per_layer_inputs(weights, rows)
    finished: list[tuple[Tensor, Tensor]] = []
    for layer, given in zip(weights.layers, inputs, strict=True):
        attended, pair = attend(layer, norm(x, layer["attention_norm"], weights.epsilon), finished, weights.epsilon)
        finished.append(pair)
        x = x + norm(attended, layer["post_attention_norm"], weights.epsilon)
        h = dense(layer, norm(x, layer["feed_forward_norm"], weights.epsilon))
        if "router" in layer.tensors:
            h = norm(h, layer["dense_output_norm"], weights.epsilon)
            h = h + norm(experts(layer, x, weights.epsilon), layer["experts_output_norm"], weights.epsilon)
        x = x + norm(h, layer["post_feed_forward_norm"], weights.epsilon)
        if given is not None:
            h = (gelu(x @ layer["per_layer_gate"]) * given) @ layer["per_layer_up"]
            x = x + norm(h, layer["per_layer_norm"], weights.epsilon)
        x = x * layer["scale"]
    return cap(norm(x, weights["final_norm"], weights.epsilon) @ weights["embedding"].T, weights.cap)


def per_layer_inputs(weights: Weights, rows: Tensor) -> list[Tensor] | list[None]:
    """What each layer gets of the rows, [T, P]: the token's own row, and a projection of its embedding."""
    width = weights.per_layer_width
    if not width:
        return [None] * len(weights.layers)
    given = []
    for number in range(len(weights.layers)):
        place = slice(number * width, (number + 1) * width)
        own = math.sqrt(width) * rows[:, weights.width :][:, place]
        projected = rows[:, : weights.width] @ weights["projection"][:, place]  # sqrt(D) and its inverse cancel
        given.append((norm(projected, weights["projection_norm"], weights.epsilon) + own) / math.sqrt(2))
    return given


def attend(
    layer: Layer, h: Tensor, finished: list[tuple[Tensor, Tensor]], epsilon: float
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What the heads add [T, D], and the keys and values [T, K, H] that they read, their own or those of a source."""
    if layer.source is None:
        raw = torch.einsum("td,dkh->tkh", h, layer["key"])
        keys = rotate(norm(raw, layer["key_norm"], epsilon), layer)
        values = torch.einsum("td,dkh->tkh", h, layer["value"]) if "value" in layer.tensors else raw
        values = norm(values, None, epsilon)
    else:
        keys, values = finished[layer.source]
    queries = rotate(norm(torch.einsum("td,dnh->tnh", h, layer["query"]), layer["query_norm"], epsilon), layer)
    length, n_heads = queries.shape[:2]
    reach = layer.window or length
    hidden = torch.tensor([[not 0 <= i - j < reach for j in range(length)] for i in range(length)])
    output = torch.zeros(length, layer["output"].shape[-1], dtype=h.dtype)
    for head in range(n_heads):
        key_head = head // (n_heads // keys.shape[1])
        scores = (queries[:, head] @ keys[:, key_head].T).masked_fill(hidden, -math.inf)
        output = output + scores.softmax(dim=-1) @ values[:, key_head] @ layer["output"][head]
    return output, (keys, values)


def rotate(x: Tensor, layer: Layer) -> Tensor:
    """Turn the first ``n_pairs`` pairs (i, i + H/2) of each head by position / wavelength ** (2i / H)."""
    half = x.shape[-1] // 2
    speed = layer.wavelength ** -(torch.arange(half, dtype=torch.float64) / half)
    speed[layer.n_pairs :] = 0
    turn = torch.polar(torch.ones((), dtype=torch.float64), torch.arange(len(x), dtype=torch.float64)[:, None] * speed)
    turned = torch.complex(x[..., :half], x[..., half:]) * turn[:, None]
    return torch.cat([turned.real, turned.imag], dim=-1)


def dense(layer: Layer, h: Tensor) -> Tensor:
    """The gated feed-forward part."""
    return (gelu(h @ layer["gate"]) * (h @ layer["up"])) @ layer["down"]


def experts(layer: Layer, x: Tensor, epsilon: float) -> Tensor:
    """The weighted sum of the chosen experts, token by token."""
    routed = norm(x, None, epsilon) * layer["router_norm"] / math.sqrt(x.shape[-1])
    chances = (routed @ layer["router"]).softmax(dim=-1)
    h = norm(x, layer["experts_norm"], epsilon)
    rows = []
    for token in range(len(x)):
        chosen = chances[token].argsort(descending=True)[: layer.n_chosen].tolist()
        total = chances[token, chosen].sum()
        parts = [
            (gelu(h[token] @ layer["expert_gate"][one]) * (h[token] @ layer["expert_up"][one]))
            @ layer["expert_down"][one]
            * layer["expert_scale"][one]
            * chances[token, one]
            / total
            for one in chosen
        ]
        rows.append(torch.stack(parts).sum(dim=0))
    return torch.stack(rows)


def norm(x: Tensor, scale: Tensor | None, epsilon: float) -> Tensor:
    """Root-mean-square norm with a factor of its own, not 1 more."""
    normed = x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt()
    return normed if scale is None else normed * scale


def gelu(x: Tensor) -> Tensor:
    """GELU's tanh form."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def cap(x: Tensor, limit: float | None) -> Tensor:
    """Soft-cap."""
    return x if limit is None else limit * torch.tanh(x / limit)


def through_keras(backbone: Any, rows: Tensor) -> Tensor:
    """The layers of the Keras backbone instead, in its dtype."""
    width, per_layer = backbone.hidden_dim, backbone.hidden_size_per_layer_input
    x = rows[None, :, :width] * math.sqrt(width)
    mask, positions = torch.ones(x.shape[:2], dtype=torch.int32), torch.arange(len(rows))[None]
    given = None
    if per_layer:
        n_layers = backbone.num_layers
        projected = (backbone.per_layer_model_projection(x) / math.sqrt(width)).unflatten(-1, (n_layers, per_layer))
        own = (rows[None, :, width:] * math.sqrt(per_layer)).unflatten(-1, (n_layers, per_layer))
        given = (backbone.per_layer_projection_norm(projected) + own) / math.sqrt(2)
    finished = []
    for number, layer in enumerate(backbone.transformer_layers):
        x, pair = layer(
            x,
            padding_mask=mask,
            per_layer_input=given[:, :, number] if given is not None else None,
            shared_kv=finished[layer.kv_shared_layer_index] if layer.is_kv_shared_layer else None,
            positions=positions,
        )
        finished.append(pair)
    return backbone.token_embedding(backbone.layer_norm(x), reverse=True)[0]
