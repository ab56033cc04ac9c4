"""A decoder of Gemma 4 or 3n from the weights that an oracle reads, past every reader of files."""

# pyright: standard

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.rope import Rope
from promptlight.salience.loading.architecture import (
    Architecture,
    ExpertSizes,
    LayerOptions,
    PerLayerSizes,
    StreamSizes,
)
from promptlight.salience.loading.assemble import assemble_decoder
from promptlight.salience.loading.row_table import LoadedTable
from tests.oracles.weights import Layer, Weights, quantile, read_weights

WHOLE = {
    "embedding": "embedding",
    "final_norm": "final_norm",
    "per_layer_projection": "projection",
    "per_layer_norm": "projection_norm",
    "stream_projections": "into_streams",
    "stream_unprojections": "out_of_streams",
}
"""Canonical names and the oracle's, where a layer has none of them; within a layer both use the same."""


def make_decoder(model: Any, dtype: torch.dtype = torch.float64) -> Decoder:
    """The decoder of a Keras backbone or a transformers model of Gemma 4 or 3n, with copies of its weights."""
    weights = read_weights(model)

    def read(name: str) -> Tensor:
        return find_tensor(weights, name).clone()

    table = LoadedTable(weights["table"].to(dtype)) if weights.per_layer_width else None
    device = torch.device("cpu")
    return assemble_decoder(describe(weights), read, device=device, dtype=dtype, table=table)


def describe(weights: Weights) -> Architecture:
    """The sizes and options, read off the shapes."""
    first = weights.layers[0]
    width = weights.per_layer_width
    return Architecture(
        vocabulary_size=len(weights["embedding"]),
        width=weights.width,
        feedforward_width=first["gate"].shape[1],
        n_query_heads=first["query"].shape[1],
        n_key_value_heads=first["key"].shape[1],
        head_dim=first["query"].shape[2],
        layers=tuple(describe_layer(weights, layer) for layer in weights.layers),
        epsilon=weights.epsilon,
        query_scale=1.0,
        attention_soft_cap=None,
        final_soft_cap=weights.cap,
        has_post_norms=True,
        has_head_norms=True,
        has_own_head=False,
        has_attention_bias=False,
        context_length=1024,
        norm_offset=0.0,
        has_value_norms=True,
        has_layer_scales="scale" in first.tensors,
        per_layer=PerLayerSizes(width=width, n_rows=len(weights["table"])) if width else None,
        experts=describe_experts(first) if first.n_chosen else None,
        streams=describe_streams(weights) if "into_streams" in weights.tensors else None,
    )


def describe_experts(layer: Layer) -> ExpertSizes:
    """How many experts there are and run, and their width."""
    n_experts, _, width = layer["expert_gate"].shape
    return ExpertSizes(n_experts=n_experts, n_chosen=layer.n_chosen, width=width)


def describe_streams(weights: Weights) -> StreamSizes:
    """How many streams there are, and the rank beside attention."""
    rank = weights.layers[0]["laurel_left"].shape[1]
    return StreamSizes(n_streams=len(weights["into_streams"]) + 1, laurel_rank=rank)


def describe_layer(weights: Weights, layer: Layer) -> LayerOptions:
    """What differs from layer to layer."""
    head_dim = layer["query"].shape[2]
    owner = layer if layer.source is None else weights.layers[layer.source]
    return LayerOptions(
        window=layer.window,
        rope=Rope(head_dim, layer.wavelength, 1.0, n_pairs=layer.n_pairs),
        head_dim=head_dim,
        n_key_value_heads=owner["key"].shape[1],
        feedforward_width=layer["gate"].shape[1],
        ties_values=layer.source is None and "value" not in layer.tensors,
        source=layer.source,
        sparsity=quantile(layer.sparsity) if layer.sparsity else None,
    )


def find_tensor(weights: Weights, name: str) -> Tensor:
    """The tensor of a canonical name, matrices as [out, in]."""
    if not name.startswith("layers."):
        found = weights[WHOLE[name]]
        return found if name == "embedding" else turn(found)
    _, number, part = name.split(".")
    found = weights.layers[int(number)][part]
    if part in ("query", "key", "value"):
        found = found.flatten(1)
    elif part == "output":
        found = found.flatten(0, 1)
    elif part == "scale":
        found = found.reshape(1)
    return turn(found)


def turn(tensor: Tensor) -> Tensor:
    """[in, out] as [out, in], for one matrix or several; a vector as it is."""
    return tensor.mT if tensor.ndim > 1 else tensor
