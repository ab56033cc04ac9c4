"""A decoder on the weights of Keras's Gemma 1, 2 and 3 (text)."""

# pyright: standard

from __future__ import annotations

import math
from typing import Any

import torch

from promptlight.salience.decoder.attention import Attention
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.feedforward import FeedForward
from promptlight.salience.decoder.heads import HeadProjection
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm
from promptlight.salience.decoder.rope import Rope
from promptlight.salience.loading.keras._tensors import expand_weights, fuse_heads, get_kernel, get_tensor


def borrow_gemma(backbone: Any, dtype: torch.dtype | None) -> Decoder:
    """The decoder of a ``GemmaBackbone`` or ``Gemma3Backbone``; ``dtype`` is for int8 weights."""
    embedding = backbone.token_embedding
    return Decoder(
        embedding=expand_weights(embedding, get_tensor(embedding.embeddings), "embeddings_scale", dtype),
        own_head=None,
        layers=tuple(_borrow_layer(block, dtype) for block in backbone.transformer_layers),
        final_norm=Norm(get_tensor(backbone.layer_norm.scale), backbone.layer_norm.epsilon),
        final_soft_cap=embedding.logit_soft_cap,
    )


def _borrow_layer(block: Any, dtype: torch.dtype | None) -> Layer:
    epsilon = block.layer_norm_epsilon
    return Layer(
        attention=_borrow_attention(block, dtype),
        post_attention_norm=_borrow_norm(block, "post_attention_norm", epsilon),
        feed_forward=FeedForward(
            norm=Norm(get_tensor(block.pre_ffw_norm.scale), epsilon),
            gate=get_kernel(block.gating_ffw, dtype),
            up=get_kernel(block.gating_ffw_2, dtype),
            down=get_kernel(block.ffw_linear, dtype),
        ),
        post_feedforward_norm=_borrow_norm(block, "post_ffw_norm", epsilon),
    )


def _borrow_attention(block: Any, dtype: torch.dtype | None) -> Attention:
    attention, epsilon = block.attention, block.layer_norm_epsilon
    normalised_width = (
        attention.head_dim if attention.query_head_dim_normalize else attention.hidden_dim // attention.num_query_heads
    )
    rope = attention.rope_layer
    heads = HeadProjection(
        norm=Norm(get_tensor(block.pre_attention_norm.scale), epsilon),
        query_key_value=fuse_heads([attention.query_dense, attention.key_dense, attention.value_dense], dtype),
        query_norm=_borrow_norm(attention, "query_norm", epsilon),
        key_norm=_borrow_norm(attention, "key_norm", epsilon),
        n_query_heads=attention.num_query_heads,
        n_key_value_heads=attention.num_key_value_heads,
        head_dim=attention.head_dim,
        query_scale=1 / math.sqrt(normalised_width),
        rope=Rope(attention.head_dim, float(rope.max_wavelength), float(rope.scaling_factor)),
    )
    return Attention(
        heads=heads,
        output=get_kernel(attention.output_dense, dtype).flatten(0, 1),
        soft_cap=attention.logit_soft_cap,
        window=attention.sliding_window_size if attention.use_sliding_window_attention else None,
    )


def _borrow_norm(owner: Any, name: str, epsilon: float) -> Norm | None:
    """A norm that not every family has."""
    norm = getattr(owner, name, None)
    return None if norm is None else Norm(get_tensor(norm.scale), epsilon)
