"""Merge a LoRA adapter into a decoder's weights, whatever file those came from."""

# pyright: standard

from __future__ import annotations

import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.loading._adapter import Adapter, Change, refuse


def merge_adapter(decoder: Decoder, adapter: Adapter, name: str) -> None:
    """Add an adapter to a decoder's weights in place. Raises ModelError if it was made for another shape."""
    found = [(change, _find_matrix(decoder, change, adapter, name)) for change in adapter.changes]
    for change, matrix in found:
        delta = change.scale * (change.b.to(matrix.device, torch.float32) @ change.a.to(matrix.device, torch.float32))
        matrix.add_(delta.T.to(matrix.dtype))


def _find_matrix(decoder: Decoder, change: Change, adapter: Adapter, name: str) -> Tensor:
    """The decoder's matrix [in, out] that a change belongs to."""
    made_for = f"{adapter.path} was made for {adapter.base}"
    if change.layer >= len(decoder.layers):
        raise refuse(f"{made_for}: it changes layer {change.layer}, and {name} has {len(decoder.layers)} layers")
    matrix = _list_matrices(decoder.layers[change.layer]).get(change.part)
    if matrix is None:
        raise refuse(f"{made_for}: it changes {change.module}, and {_explain_missing(decoder, change, name)}")
    wanted, found = [change.b.shape[0], change.a.shape[1]], [matrix.shape[1], matrix.shape[0]]
    if wanted != found:
        raise refuse(f"{made_for}: {change.module} there is {wanted}, and in {name} it is {found}")
    return matrix


def _list_matrices(layer: Layer) -> dict[str, Tensor]:
    """The matrices [in, out] that a layer has, by what a change calls them."""
    heads, feed_forward = layer.attention.heads, layer.feed_forward
    sizes = {"query": heads.n_query_heads, "key": heads.n_key_value_heads, "value": heads.n_key_value_heads}
    if heads.ties_values:
        del sizes["value"]
    if heads.source is not None:
        sizes = {"query": heads.n_query_heads}
    columns = heads.query_key_value.split([n * heads.head_dim for n in sizes.values()], dim=1)
    matrices = dict(zip(sizes, columns, strict=True)) | {"output": layer.attention.output}
    matrices |= {"gate": feed_forward.gate, "up": feed_forward.up, "down": feed_forward.down}
    if layer.per_layer is not None:
        matrices |= {"per_layer_gate": layer.per_layer.gate, "per_layer_up": layer.per_layer.up}
    if layer.experts is not None:
        matrices["router"] = layer.experts.router
    if (streams := layer.streams) is not None:
        matrices |= {"laurel_left": streams.laurel_left, "laurel_right": streams.laurel_right}
        matrices |= {"stream_router": streams.router, "stream_prediction": streams.prediction}
        matrices["stream_correction"] = streams.correction
    return matrices


def _explain_missing(decoder: Decoder, change: Change, name: str) -> str:
    """Why a layer does not have the matrix of a change."""
    heads = decoder.layers[change.layer].attention.heads
    if change.part in ("key", "value") and heads.source is not None:
        return f"in {name} that layer reads the keys and values of layer {heads.source}"
    if change.part == "value" and heads.ties_values:
        return f"in {name} that layer's keys are its values, too"
    return f"{name} has no such matrix there"
