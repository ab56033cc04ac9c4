"""A decoder on the weights of Keras's Gemma 4: dense, with per-layer embeddings, or with experts.

Each block of Keras's backbone says how it differs: full layers have wider heads that turn in part, and may take their
values from their keys; the last blocks of the small models read the keys and values of a block below.
"""

# pyright: standard

from __future__ import annotations

from typing import Any

from promptlight.salience.decoder.attention import Attention
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.experts import Experts
from promptlight.salience.decoder.feedforward import FeedForward
from promptlight.salience.decoder.heads import HeadProjection
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm
from promptlight.salience.decoder.per_layer import PerLayerInputs, PerLayerStep, RowTable
from promptlight.salience.decoder.rope import Rope
from promptlight.salience.loading.keras._tensors import fuse_heads, get_kernel, get_tensor


def borrow_gemma4(backbone: Any, table: RowTable | None) -> Decoder:
    """The decoder of a ``Gemma4Backbone``; ``table`` are its per-layer embeddings, if it has some."""
    embedding = backbone.token_embedding
    return Decoder(
        embedding=get_tensor(embedding.embeddings),
        own_head=None,
        layers=tuple(_borrow_layer(block) for block in backbone.transformer_layers),
        final_norm=_borrow_norm(backbone.layer_norm),
        final_soft_cap=embedding.logit_soft_cap,
        per_layer=None
        if table is None
        else PerLayerInputs(
            table=table,
            projection=get_kernel(backbone.per_layer_model_projection),
            norm=_borrow_norm(backbone.per_layer_projection_norm),
        ),
    )


def _borrow_layer(block: Any) -> Layer:
    return Layer(
        attention=_borrow_attention(block),
        post_attention_norm=_borrow_norm(block.post_attention_norm),
        feed_forward=FeedForward(
            norm=_borrow_norm(block.pre_ffw_norm),
            gate=get_kernel(block.gating_ffw),
            up=get_kernel(block.gating_ffw_2),
            down=get_kernel(block.ffw_linear),
        ),
        post_feedforward_norm=_borrow_norm(block.post_ffw_norm),
        experts=_borrow_experts(block) if block.enable_moe_block else None,
        per_layer=_borrow_per_layer(block) if block.hidden_size_per_layer_input > 0 else None,
        scale=get_tensor(block.layer_scalar).reshape(1),
    )


def _borrow_attention(block: Any) -> Attention:
    attention = block.attention
    shares, ties = attention.is_kv_shared_layer, attention.attention_k_eq_v
    key_value = [] if shares else [attention.key_dense] if ties else [attention.key_dense, attention.value_dense]
    rope, n_turned = attention.rope_layer, attention.rotary_dim
    heads = HeadProjection(
        norm=_borrow_norm(block.pre_attention_norm),
        query_key_value=fuse_heads([attention.query_dense, *key_value]),
        query_norm=_borrow_norm(attention.query_norm),
        key_norm=None if shares else _borrow_norm(attention.key_norm),
        n_query_heads=attention.num_query_heads,
        n_key_value_heads=attention.effective_num_kv_heads,
        head_dim=attention.head_dim,
        query_scale=1.0,
        rope=Rope(
            attention.head_dim,
            float(rope.max_wavelength),
            float(rope.scaling_factor),
            n_pairs=n_turned // 2 if n_turned < attention.head_dim else None,
        ),
        value_norm=None if shares else Norm(None, attention.value_norm.epsilon, offset=0.0),
        ties_values=ties and not shares,
        source=block.kv_shared_layer_index if shares else None,
    )
    return Attention(
        heads=heads,
        output=get_kernel(attention.output_dense).flatten(0, 1),
        soft_cap=attention.logit_soft_cap,
        window=attention.sliding_window_size if attention.use_sliding_window_attention else None,
    )


def _borrow_experts(block: Any) -> Experts:
    router, bank = block.moe_router, block.moe_expert_bank
    return Experts(
        router_norm=Norm(get_tensor(router.per_dim_scale), router.rms_norm.epsilon, offset=0.0),
        router=get_kernel(router.proj),
        expert_scale=get_tensor(bank.per_expert_scale),
        norm=_borrow_norm(block.pre_ffw_norm_moe),
        gate=get_tensor(bank.gate_proj),
        up=get_tensor(bank.up_proj),
        down=get_tensor(bank.down_proj),
        n_chosen=router.num_experts_per_token,
        dense_norm=_borrow_norm(block.post_ffw_norm_dense),
        output_norm=_borrow_norm(block.post_ffw_norm_moe_path),
    )


def _borrow_per_layer(block: Any) -> PerLayerStep:
    return PerLayerStep(
        gate=get_kernel(block.per_layer_input_gate),
        up=get_kernel(block.per_layer_up_proj),
        norm=_borrow_norm(block.post_per_layer_input_norm),
    )


def _borrow_norm(norm: Any) -> Norm:
    """A norm whose factor is the stored scale itself, not 1 + scale."""
    return Norm(get_tensor(norm.scale), norm.epsilon, offset=0.0)
