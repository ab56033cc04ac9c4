"""What a decoder computes apart from its weights, whatever file format says it, and the tensors that it needs.

Every reader of a file format makes an ``Architecture`` and gives tensors by the canonical names of ``list_shapes``.
"""

# pyright: standard

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from math import prod

from promptlight.salience.decoder.rope import Rope

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """What differs from layer to layer: how many positions a query sees (None: all before it), and its rotation."""

    window: int | None
    rope: Rope


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes and options of a Gemma 1, 2 or 3 text decoder.

    ``query_scale`` multiplies the queries. ``has_post_norms``: norms after attention and feed-forward network (Gemma 2
    and 3). ``has_head_norms``: norms of queries and keys (Gemma 3). ``has_own_head``: logits are products with a matrix
    of their own, not with the embedding. ``context_length`` is in tokens.
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


def list_shapes(architecture: Architecture) -> dict[str, Shape]:
    """The canonical name and shape of every tensor of a decoder; matrices are [out, in], as files store them."""
    vocabulary, width = architecture.vocabulary_size, architecture.width
    shapes: dict[str, Shape] = {"embedding": (vocabulary, width)}
    if architecture.has_own_head:
        shapes["head"] = (vocabulary, width)
    shapes["final_norm"] = (width,)
    layer = _list_layer_shapes(architecture)
    for n in range(len(architecture.layers)):
        shapes |= {name_in_layer(n, part): shape for part, shape in layer.items()}
    return shapes


def name_in_layer(n: int, part: str) -> str:
    """The canonical name of a part of layer ``n``, such as ``layers.3.gate``."""
    return f"layers.{n}.{part}"


def count_parameters(architecture: Architecture) -> int:
    """How many numbers all tensors of a decoder have together."""
    return sum(map(prod, list_shapes(architecture).values()))


def hash_architecture(architecture: Architecture) -> str:
    """A short hash of what a decoder computes, whatever its weights."""
    return hashlib.sha256(json.dumps(asdict(architecture), sort_keys=True).encode()).hexdigest()[:16]


def _list_layer_shapes(architecture: Architecture) -> dict[str, Shape]:
    width, inner, head = architecture.width, architecture.feedforward_width, architecture.head_dim
    queries, keys = architecture.n_query_heads * head, architecture.n_key_value_heads * head
    shapes: dict[str, Shape] = {
        "attention_norm": (width,),
        "query": (queries, width),
        "key": (keys, width),
        "value": (keys, width),
        "output": (width, queries),
        "feed_forward_norm": (width,),
        "gate": (inner, width),
        "up": (inner, width),
        "down": (width, inner),
    }
    if architecture.has_attention_bias:
        shapes |= {"query_bias": (queries,), "key_bias": (keys,), "value_bias": (keys,), "output_bias": (width,)}
    if architecture.has_head_norms:
        shapes |= {"query_norm": (head,), "key_norm": (head,)}
    if architecture.has_post_norms:
        shapes |= {"post_attention_norm": (width,), "post_feed_forward_norm": (width,)}
    return shapes
