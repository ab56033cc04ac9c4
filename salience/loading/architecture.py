"""What a decoder computes apart from its weights, whatever file format says it, and the tensors that it needs.

Every reader of a file format makes an ``Architecture`` and gives tensors by the canonical names of ``list_shapes``.
"""

# pyright: standard

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any

from promptlight.salience.decoder.rope import Rope

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """What differs from layer to layer: how many positions a query sees (None: all before it), and its rotation.

    A size is None where it is the model's. ``ties_values``: values are the keys' projection. ``source`` is the number
    of the layer whose keys and values this one reads instead of its own. ``sparsity`` is the cut-off of the gate, in
    standard deviations.
    """

    window: int | None
    rope: Rope
    head_dim: int | None = None
    n_key_value_heads: int | None = None
    feedforward_width: int | None = None
    ties_values: bool = False
    source: int | None = None
    sparsity: float | None = None


@dataclass(frozen=True, kw_only=True)
class PerLayerSizes:
    """Per-layer embeddings: the numbers that a layer gets for a token, and the tokens that have a row."""

    width: int
    n_rows: int


@dataclass(frozen=True, kw_only=True)
class ExpertSizes:
    """A mixture of experts in every layer: how many there are, how many of them run, and the width of each."""

    n_experts: int
    n_chosen: int
    width: int


@dataclass(frozen=True, kw_only=True)
class StreamSizes:
    """Several residual streams: how many, and the rank of the branch beside attention."""

    n_streams: int
    laurel_rank: int


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes and options of a Gemma text decoder.

    ``query_scale`` multiplies the queries. ``has_post_norms``: norms after attention and feed-forward network (since
    Gemma 2). ``has_head_norms``: norms of queries and keys (since Gemma 3). ``has_own_head``: logits are products with
    a matrix of their own, not with the embedding. ``context_length`` is in tokens. The rest came with Gemma 3n and 4:
    norms whose factor is the scale itself (``norm_offset`` 0), norms of values, and a number by which each layer's
    output is multiplied (``has_layer_scales``).
    """

    vocabulary_size: int
    width: int
    feedforward_width: int
    n_query_heads: int
    n_key_value_heads: int
    head_dim: int
    layers: tuple[LayerOptions, ...]
    epsilon: float
    query_scale: float
    attention_soft_cap: float | None
    final_soft_cap: float | None
    has_post_norms: bool
    has_head_norms: bool
    has_own_head: bool
    has_attention_bias: bool
    context_length: int
    norm_offset: float = 1.0
    has_value_norms: bool = False
    has_layer_scales: bool = False
    per_layer: PerLayerSizes | None = None
    experts: ExpertSizes | None = None
    streams: StreamSizes | None = None

    def head_dim_of(self, layer: LayerOptions) -> int:
        """The width of a head of a layer."""
        return layer.head_dim or self.head_dim

    def n_key_value_heads_of(self, layer: LayerOptions) -> int:
        """How many key and value heads a layer has."""
        return layer.n_key_value_heads or self.n_key_value_heads


def list_shapes(architecture: Architecture) -> dict[str, Shape]:
    """The canonical name and shape of every tensor that a decoder holds; matrices are [out, in], as files store them.

    The table of per-layer embeddings is not among them: it stays in its file.
    """
    vocabulary, width = architecture.vocabulary_size, architecture.width
    shapes: dict[str, Shape] = {"embedding": (vocabulary, width)}
    if architecture.has_own_head:
        shapes["head"] = (vocabulary, width)
    shapes["final_norm"] = (width,)
    if architecture.per_layer is not None:
        row = architecture.per_layer.width
        shapes |= {"per_layer_projection": (len(architecture.layers) * row, width), "per_layer_norm": (row,)}
    if architecture.streams is not None:
        others = (architecture.streams.n_streams - 1, width, width)
        shapes |= {"stream_projections": others, "stream_unprojections": others}
    for n, layer in enumerate(architecture.layers):
        shapes |= {name_in_layer(n, part): shape for part, shape in _list_layer_shapes(architecture, layer).items()}
    return shapes


def name_in_layer(n: int, part: str) -> str:
    """The canonical name of a part of layer ``n``, such as ``layers.3.gate``."""
    return f"layers.{n}.{part}"


def count_parameters(architecture: Architecture) -> int:
    """How many numbers all tensors of a decoder have together."""
    return sum(map(prod, list_shapes(architecture).values()))


def hash_architecture(architecture: Architecture) -> str:
    """A short hash of what a decoder computes, whatever its weights."""
    parts = _drop_defaults(architecture) | {
        "layers": [_drop_defaults(layer) | {"rope": _list_rope(layer.rope)} for layer in architecture.layers]
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _drop_defaults(options: Architecture | LayerOptions) -> dict[str, Any]:
    """The options that are not as they were before they were there: a model keeps its hash when others bring more."""
    values = asdict(options)
    return {one.name: values[one.name] for one in fields(options) if values[one.name] != one.default}


def _list_rope(rope: Rope) -> dict[str, Any]:
    values = asdict(rope)
    return values if rope.n_pairs is not None else {key: value for key, value in values.items() if key != "n_pairs"}


def _list_layer_shapes(architecture: Architecture, layer: LayerOptions) -> dict[str, Shape]:
    width, head = architecture.width, architecture.head_dim_of(layer)
    inner = layer.feedforward_width or architecture.feedforward_width
    queries, keys = architecture.n_query_heads * head, architecture.n_key_value_heads_of(layer) * head
    has_keys, has_values = layer.source is None, layer.source is None and not layer.ties_values
    shapes: dict[str, Shape] = {
        "attention_norm": (width,),
        "query": (queries, width),
        **({"key": (keys, width)} if has_keys else {}),
        **({"value": (keys, width)} if has_values else {}),
        "output": (width, queries),
        "feed_forward_norm": (width,),
        "gate": (inner, width),
        "up": (inner, width),
        "down": (width, inner),
    }
    if architecture.has_attention_bias:
        shapes |= {"query_bias": (queries,), "output_bias": (width,)}
        shapes |= {f"{part}_bias": (keys,) for part, there in (("key", has_keys), ("value", has_values)) if there}
    if architecture.has_head_norms:
        shapes |= {"query_norm": (head,)} | ({"key_norm": (head,)} if has_keys else {})
    if architecture.has_post_norms:
        shapes |= {"post_attention_norm": (width,), "post_feed_forward_norm": (width,)}
    if architecture.has_layer_scales:
        shapes["scale"] = (1,)
    if architecture.per_layer is not None:
        row = architecture.per_layer.width
        shapes |= {"per_layer_gate": (row, width), "per_layer_up": (width, row), "per_layer_norm": (width,)}
    if architecture.experts is not None:
        shapes |= _list_expert_shapes(architecture.experts, width)
    if architecture.streams is not None:
        shapes |= _list_stream_shapes(architecture.streams, width)
    return shapes


def _list_expert_shapes(sizes: ExpertSizes, width: int) -> dict[str, Shape]:
    norms = ("router_norm", "experts_norm", "dense_output_norm", "experts_output_norm")
    return dict.fromkeys(norms, (width,)) | {
        "router": (sizes.n_experts, width),
        "expert_scale": (sizes.n_experts,),
        "expert_gate": (sizes.n_experts, sizes.width, width),
        "expert_up": (sizes.n_experts, sizes.width, width),
        "expert_down": (sizes.n_experts, width, sizes.width),
    }


def _list_stream_shapes(sizes: StreamSizes, width: int) -> dict[str, Shape]:
    n, rank = sizes.n_streams, sizes.laurel_rank
    return dict.fromkeys(("stream_router_norm", "stream_scale", "laurel_norm"), (width,)) | {
        "stream_router": (n, width),
        "stream_prediction": (n * n, n),
        "stream_correction": (n, n),
        "laurel_left": (rank, width),
        "laurel_right": (width, rank),
    }
