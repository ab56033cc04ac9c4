"""A decoder on the weights of Keras's Gemma 3n (text)."""

# pyright: standard

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import torch

from promptlight.salience.decoder.attention import Attention
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.feedforward import FeedForward
from promptlight.salience.decoder.heads import HeadProjection
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm
from promptlight.salience.decoder.per_layer import PerLayerInputs, PerLayerStep, RowTable
from promptlight.salience.decoder.rope import Rope
from promptlight.salience.decoder.streams import StreamEnds, Streams
from promptlight.salience.loading.keras._tensors import get_kernel, get_tensor


def borrow_gemma3n(backbone: Any, table: RowTable) -> Decoder:
    """The decoder of a ``Gemma3nBackbone``; ``table`` are its per-layer embeddings."""
    text = backbone.language_model
    kernels = ([get_kernel(one) for one in part] for part in (text.altup_projections, text.altup_unembed_projections))
    projections, unprojections = map(torch.stack, kernels)
    return Decoder(
        embedding=get_tensor(text.embed_tokens.embedding.embeddings),
        own_head=None,
        layers=tuple(_borrow_layer(text, number) for number in range(text.num_hidden_layers)),
        final_norm=_borrow_norm(text.final_normalization),
        final_soft_cap=text.final_logit_soft_cap,
        per_layer=PerLayerInputs(
            table=table,
            projection=get_kernel(text.per_layer_model_projection),
            norm=_borrow_norm(text.per_layer_projection_norm),
        ),
        streams=StreamEnds(projections=projections, unprojections=unprojections),
    )


def _borrow_layer(text: Any, number: int) -> Layer:
    block = text.transformer_layers[number]
    sparsity = block.mlp.activation_sparsity
    return Layer(
        attention=_borrow_attention(text, number),
        post_attention_norm=_borrow_norm(block.post_attention_layernorm),
        feed_forward=FeedForward(
            norm=_borrow_norm(block.pre_feedforward_layernorm),
            gate=get_kernel(block.mlp.gate_proj),
            up=get_kernel(block.mlp.up_proj),
            down=get_kernel(block.mlp.down_proj),
            sparsity=NormalDist().inv_cdf(sparsity) if sparsity > 0 else None,
        ),
        post_feedforward_norm=_borrow_norm(block.post_feedforward_layernorm),
        per_layer=PerLayerStep(
            gate=get_kernel(block.per_layer_input_gate),
            up=get_kernel(block.per_layer_projection),
            norm=_borrow_norm(block.post_per_layer_input_norm),
        ),
        streams=_borrow_streams(block),
    )


def _borrow_attention(text: Any, number: int) -> Attention:
    block = text.transformer_layers[number]
    attention, rope = block.attention, block.attention.rotary_embedding
    source = _find_source(text, number)
    parts = [attention.q_proj] if source is not None else [attention.q_proj, attention.k_proj, attention.v_proj]
    heads = HeadProjection(
        norm=_borrow_norm(block.input_layernorm),
        query_key_value=torch.cat([get_kernel(part) for part in parts], dim=1),
        query_norm=_borrow_norm(attention.q_norm),
        key_norm=_borrow_norm(attention.k_norm) if source is None else None,
        n_query_heads=attention.num_attention_heads,
        n_key_value_heads=attention.num_key_value_heads,
        head_dim=attention.head_dim,
        query_scale=1.0,
        rope=Rope(attention.head_dim, float(rope.max_wavelength), float(rope.scaling_factor)),
        value_norm=Norm(None, attention.v_norm.eps, offset=0.0) if source is None else None,
        source=source,
    )
    return Attention(heads=heads, output=get_kernel(attention.o_proj), soft_cap=None, window=attention.sliding_window)


def _find_source(text: Any, number: int) -> int | None:
    """The layer whose keys and values a layer reads: the last of its kind that has its own; None: the layer itself."""
    first = text.first_kv_shared_layer_idx
    if not text.transformer_layers[number].is_kv_shared_layer:
        return None
    return max(n for n in range(first) if text.layer_types[n] == text.layer_types[number])


def _borrow_streams(block: Any) -> Streams:
    altup, laurel = block.altup, block.laurel
    scale = altup.correct_output_scale
    return Streams(
        router_norm=_borrow_norm(altup.router_norm),
        router=get_kernel(altup.modality_router),
        prediction=get_kernel(altup.prediction_coefs),
        correction=get_kernel(altup.correction_coefs),
        scale=get_kernel(laurel.linear_right).new_ones(block.hidden_size) if scale is None else get_tensor(scale),
        laurel_left=get_kernel(laurel.linear_left),
        laurel_right=get_kernel(laurel.linear_right),
        laurel_norm=_borrow_norm(laurel.post_laurel_norm),
    )


def _borrow_norm(norm: Any) -> Norm:
    """A norm whose factor is the stored scale itself, not 1 + scale."""
    return Norm(get_tensor(norm.scale), norm.eps, offset=0.0)
