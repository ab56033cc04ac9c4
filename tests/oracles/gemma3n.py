"""Gemma 3n in plain float64 code: four streams, of which each block sees one.

A row is [D + n P]: the main table's row e, then the other table's row R, both as stored.
"""

# pyright: standard

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tests.oracles.gemma4 import attend, cap, gelu, norm, per_layer_inputs
from tests.oracles.weights import Layer, Weights, quantile


def logits(weights: Weights, rows: Tensor) -> Tensor:
    """Rows [T, D + n P] -> logits [T, V]."""
    first = math.sqrt(weights.width) * rows[:, : weights.width]
    streams = [first, *(resize(first @ one, first) for one in weights["into_streams"])]
    finished: list[tuple[Tensor, Tensor]] = []
    for layer, given in zip(weights.layers, per_layer_inputs(weights, rows), strict=True):
        assert given is not None
        streams = run_layer(layer, streams, given, finished, weights.epsilon)
    unprojected = zip(streams[1:], weights["out_of_streams"], strict=True)
    parts = [streams[0], *(resize(stream @ one, streams[0]) for stream, one in unprojected)]
    x = torch.stack(parts).mean(dim=0)
    return cap(norm(x, weights["final_norm"], weights.epsilon) @ weights["embedding"].T, weights.cap)


def run_layer(
    layer: Layer, streams: list[Tensor], given: Tensor, finished: list[tuple[Tensor, Tensor]], epsilon: float
) -> list[Tensor]:
    """The streams above a layer; the keys and values that its heads read are appended to ``finished``."""
    n = len(streams)
    mix = (route(layer, streams[0], epsilon) @ layer["stream_prediction"]).unflatten(-1, (n, n))
    predicted = [
        streams[to] + sum((mix[:, to, origin, None] * streams[origin] for origin in range(n)), torch.zeros(()))
        for to in range(n)
    ]
    h = norm(predicted[0], layer["attention_norm"], epsilon)
    laurel = h + norm(h @ layer["laurel_left"] @ layer["laurel_right"], layer["laurel_norm"], epsilon)
    attended, pair = attend(layer, h, finished, epsilon)
    finished.append(pair)
    x = (predicted[0] + norm(attended, layer["post_attention_norm"], epsilon) + laurel) / math.sqrt(2)
    x = x + norm(sparse(layer, norm(x, layer["feed_forward_norm"], epsilon)), layer["post_feed_forward_norm"], epsilon)
    share = 1 + route(layer, x, epsilon) @ layer["stream_correction"]
    corrected = [predicted[to] + share[:, to, None] * (x - predicted[0]) for to in range(n)]
    gate = gelu((corrected[0] * layer["stream_scale"]) @ layer["per_layer_gate"])
    addition = norm((gate * given) @ layer["per_layer_up"], layer["per_layer_norm"], epsilon)
    return [corrected[0], *(stream + addition for stream in corrected[1:])]


def route(layer: Layer, x: Tensor, epsilon: float) -> Tensor:
    """How much of each stream is asked for, [T, S]."""
    return torch.tanh(norm(x, layer["stream_router_norm"], epsilon) / x.shape[-1] @ layer["stream_router"])


def sparse(layer: Layer, h: Tensor) -> Tensor:
    """The gated feed-forward part, its gate cut off at so many standard deviations if the layer is sparse."""
    gate = h @ layer["gate"]
    if layer.sparsity:
        spread = gate.var(dim=-1, keepdim=True, correction=0).sqrt()
        gate = (gate - gate.mean(dim=-1, keepdim=True) - quantile(layer.sparsity) * spread).clamp(min=0)
    return (gelu(gate) * (h @ layer["up"])) @ layer["down"]


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bring vectors to the root-mean-square of others; tiny ones are divided by sqrt(1e-5) instead of theirs."""
    size = x.square().mean(-1, keepdim=True).clamp(min=1e-5).sqrt()
    return x * like.square().mean(-1, keepdim=True).sqrt() / size


def through_keras(backbone: Any, rows: Tensor) -> Tensor:
    """The layers of the Keras backbone instead, in its dtype."""
    width, per_layer = backbone.text_hidden_size, backbone.hidden_size_per_layer_input
    model = backbone.language_model
    x = rows[None, :, :width] * math.sqrt(width)
    own = (rows[None, :, width:] * math.sqrt(per_layer)).unflatten(-1, (backbone.num_hidden_layers, per_layer))
    ids = torch.zeros(x.shape[:2], dtype=torch.int32)  # only their shape counts
    hidden = model(ids, torch.ones_like(ids, dtype=torch.bool), x, model.project_per_layer_inputs(x, own))
    return model.token_embedding(hidden, reverse=True)[0]
