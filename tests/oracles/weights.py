"""The weights of Gemma 4 and 3n in float64, of a Keras backbone or a transformers model, under one set of names.

Matrices multiply from the right: x [T, in] @ W [in, out]. Queries, keys and values are [D, heads, H], the output
projection is [heads, H, D]. Nothing here comes from ``promptlight``.
"""

# pyright: standard

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layer:
    """A layer's tensors, and how it looks around."""

    tensors: dict[str, Tensor]
    window: int | None
    wavelength: float
    n_pairs: int
    source: int | None
    """The layer whose finished keys and values these queries read."""
    n_chosen: int = 0
    sparsity: float = 0.0
    """The share of the gate's numbers that Gemma 3n means to cut off."""

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]


@dataclass(frozen=True)
class Weights:
    """A whole model."""

    tensors: dict[str, Tensor]
    layers: list[Layer]
    cap: float | None
    epsilon: float

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    @property
    def width(self) -> int:
        """D, the width of a row of the main table."""
        return self["embedding"].shape[1]

    @property
    def per_layer_width(self) -> int:
        """P, what each layer gets of a row of the other table; 0 without one."""
        return self["table"].shape[1] // len(self.layers) if "table" in self.tensors else 0


def is_newer(model: Any) -> bool:
    """Whether this is a Gemma 4 or 3n, of Keras or of transformers."""
    return type(model).__name__.startswith(("Gemma4", "Gemma3n"))


def is_of_transformers(model: Any) -> bool:
    """Whether this is a model of transformers, not a backbone of Keras."""
    return isinstance(model, torch.nn.Module) and hasattr(model, "lm_head")


def read_weights(model: Any) -> Weights:
    """The weights of a Keras backbone of Gemma 4 or 3n, or of a causal model of transformers."""
    if is_of_transformers(model):
        inner, config = model.model, model.config
        tensors = {"embedding": tensor(inner.embed_tokens.weight), "final_norm": factor(inner.norm)}
        layers = [read_transformers_layer(inner, config, number) for number in range(config.num_hidden_layers)]
        table = inner.embed_tokens_per_layer.weight if getattr(config, "hidden_size_per_layer_input", 0) else None
        cap, epsilon = config.final_logit_softcapping, config.rms_norm_eps
    elif type(model).__name__ == "Gemma3nBackbone":
        inner = model.language_model
        tensors = {"embedding": tensor(inner.embed_tokens.embedding.embeddings)}
        tensors["final_norm"] = factor(inner.final_normalization)
        layers = [read_gemma3n_layer(inner, number) for number in range(model.num_hidden_layers)]
        table = inner.embed_tokens_per_layer.embedding.embeddings
        cap, epsilon = model.final_logit_soft_cap, model.rms_norm_eps
    else:
        inner = model
        tensors = {"embedding": tensor(model.token_embedding.embeddings), "final_norm": factor(model.layer_norm)}
        layers = [read_gemma4_layer(block) for block in model.transformer_layers]
        table = model.per_layer_token_embedding.embeddings if model.hidden_size_per_layer_input else None
        cap, epsilon = model.token_embedding.logit_soft_cap, model.layer_norm_epsilon
    if table is not None:
        tensors["table"] = tensor(table)
        tensors["projection"] = matrix(inner.per_layer_model_projection)
        tensors["projection_norm"] = factor(inner.per_layer_projection_norm)
    if hasattr(inner, "altup_projections"):
        tensors["into_streams"] = torch.stack([matrix(one) for one in inner.altup_projections])
        tensors["out_of_streams"] = torch.stack([matrix(one) for one in inner.altup_unembed_projections])
    return Weights(tensors, layers, cap, epsilon)


def read_gemma4_layer(block: Any) -> Layer:
    """A block of Keras's Gemma 4."""
    attention = block.attention
    assert attention.rope_scaling_factor == 1
    assert attention.logit_soft_cap is None
    tensors = {
        "attention_norm": factor(block.pre_attention_norm),
        "post_attention_norm": factor(block.post_attention_norm),
        "feed_forward_norm": factor(block.pre_ffw_norm),
        "post_feed_forward_norm": factor(block.post_ffw_norm),
        "query": tensor(attention.query_dense.kernel).transpose(0, 1),
        "query_norm": factor(attention.query_norm),
        "output": tensor(attention.output_dense.kernel),
        "gate": matrix(block.gating_ffw),
        "up": matrix(block.gating_ffw_2),
        "down": matrix(block.ffw_linear),
        "scale": tensor(block.layer_scalar),
    }
    if not block.is_kv_shared_layer:
        tensors["key"] = tensor(attention.key_dense.kernel).transpose(0, 1)
        tensors["key_norm"] = factor(attention.key_norm)
        if not attention.attention_k_eq_v:
            tensors["value"] = tensor(attention.value_dense.kernel).transpose(0, 1)
    if block.hidden_size_per_layer_input:
        tensors["per_layer_gate"] = matrix(block.per_layer_input_gate)
        tensors["per_layer_up"] = matrix(block.per_layer_up_proj)
        tensors["per_layer_norm"] = factor(block.post_per_layer_input_norm)
    if block.enable_moe_block:
        tensors["router_norm"] = tensor(block.moe_router.per_dim_scale)
        tensors["router"] = matrix(block.moe_router.proj)
        tensors["expert_scale"] = tensor(block.moe_expert_bank.per_expert_scale)
        for name in ("gate", "up", "down"):
            tensors[f"expert_{name}"] = tensor(getattr(block.moe_expert_bank, f"{name}_proj"))
        tensors["experts_norm"] = factor(block.pre_ffw_norm_moe)
        tensors["dense_output_norm"] = factor(block.post_ffw_norm_dense)
        tensors["experts_output_norm"] = factor(block.post_ffw_norm_moe_path)
    return Layer(
        tensors,
        window=attention.sliding_window_size if attention.use_sliding_window_attention else None,
        wavelength=attention.rope_wavelength,
        n_pairs=attention.rotary_dim // 2,
        source=block.kv_shared_layer_index,
        n_chosen=block.num_experts_per_token if block.enable_moe_block else 0,
    )


def read_gemma3n_layer(model: Any, number: int) -> Layer:
    """A block of Keras's Gemma 3n."""
    block, kinds = model.transformer_layers[number], model.layer_types
    source = find_source(kinds, number, model.num_kv_shared_layers)
    return Layer(
        read_block(block, block.attention, source) | read_streams(block),
        window=block.sliding_window,
        wavelength=block.rope_max_wavelength,
        n_pairs=block.head_dim // 2,
        source=source,
        sparsity=block.activation_sparsity,
    )


def read_transformers_layer(model: Any, config: Any, number: int) -> Layer:
    """A layer of transformers' Gemma 4 or 3n."""
    block, kind = model.layers[number], config.layer_types[number]
    source = find_source(config.layer_types, number, config.num_kv_shared_layers)
    tensors, sparsity = read_block(block, block.self_attn, source), 0.0
    if hasattr(block, "altup"):
        tensors |= read_streams(block)
        sparsity = config.activation_sparsity_pattern[number]
    else:
        tensors["scale"] = tensor(block.layer_scalar)
    if hasattr(block, "experts"):
        tensors |= read_experts(block)
    rope = config.rope_parameters[kind]
    return Layer(
        tensors,
        window=config.sliding_window if kind == "sliding_attention" else None,
        wavelength=rope["rope_theta"],
        n_pairs=int(rope.get("partial_rotary_factor", 1.0) * block.self_attn.head_dim // 2),
        source=source,
        n_chosen=config.top_k_experts if hasattr(block, "experts") else 0,
        sparsity=sparsity,
    )


def read_block(block: Any, attention: Any, source: int | None) -> dict[str, Tensor]:
    """The parts of a block that transformers' two families and Keras's Gemma 3n call alike."""
    width = attention.head_dim
    tensors = {
        "attention_norm": factor(block.input_layernorm),
        "post_attention_norm": factor(block.post_attention_layernorm),
        "feed_forward_norm": factor(block.pre_feedforward_layernorm),
        "post_feed_forward_norm": factor(block.post_feedforward_layernorm),
        "query": split_heads(attention.q_proj, width),
        "query_norm": factor(attention.q_norm),
        "output": matrix(attention.o_proj).unflatten(0, (-1, width)),
        "gate": matrix(block.mlp.gate_proj),
        "up": matrix(block.mlp.up_proj),
        "down": matrix(block.mlp.down_proj),
    }
    if source is None:
        tensors["key"] = split_heads(attention.k_proj, width)
        tensors["key_norm"] = factor(attention.k_norm)
        if attention.v_proj is not None:
            tensors["value"] = split_heads(attention.v_proj, width)
    if hasattr(block, "per_layer_input_gate"):
        tensors["per_layer_gate"] = matrix(block.per_layer_input_gate)
        tensors["per_layer_up"] = matrix(block.per_layer_projection)
        tensors["per_layer_norm"] = factor(block.post_per_layer_input_norm)
    return tensors


def read_streams(block: Any) -> dict[str, Tensor]:
    """What a block of Gemma 3n has for its streams."""
    return {
        "stream_router_norm": factor(block.altup.router_norm),
        "stream_router": matrix(block.altup.modality_router),
        "stream_prediction": matrix(block.altup.prediction_coefs),
        "stream_correction": matrix(block.altup.correction_coefs),
        "stream_scale": tensor(block.altup.correct_output_scale),
        "laurel_left": matrix(block.laurel.linear_left),
        "laurel_right": matrix(block.laurel.linear_right),
        "laurel_norm": factor(block.laurel.post_laurel_norm),
    }


def read_experts(block: Any) -> dict[str, Tensor]:
    """The experts of a layer of transformers' Gemma 4, as [E, in, out]."""
    gate, up = tensor(block.experts.gate_up_proj).transpose(1, 2).chunk(2, dim=-1)
    return {
        "router_norm": tensor(block.router.scale),
        "router": matrix(block.router.proj),
        "expert_scale": tensor(block.router.per_expert_scale),
        "expert_gate": gate,
        "expert_up": up,
        "expert_down": tensor(block.experts.down_proj).transpose(1, 2),
        "experts_norm": factor(block.pre_feedforward_layernorm_2),
        "dense_output_norm": factor(block.post_feedforward_layernorm_1),
        "experts_output_norm": factor(block.post_feedforward_layernorm_2),
    }


def find_source(kinds: list[str], number: int, n_shared: int) -> int | None:
    """The last layer of the same kind below the shared ones, if this is one of them."""
    first_shared = len(kinds) - n_shared
    if number < first_shared:
        return None
    return max(below for below in range(first_shared) if kinds[below] == kinds[number])


def quantile(share: float) -> float:
    """How many standard deviations from the mean a normal variable stays below with this probability."""
    return math.sqrt(2) * float(torch.erfinv(torch.tensor(2 * share - 1, dtype=torch.float64)))


def split_heads(layer: Any, width: int) -> Tensor:
    """A projection to heads, [D, heads, H]."""
    return matrix(layer).unflatten(1, (-1, width))


def matrix(layer: Any) -> Tensor:
    """A dense layer's matrix, [in, out]."""
    return tensor(layer.kernel) if hasattr(layer, "kernel") else tensor(layer.weight).T


def factor(norm: Any) -> Tensor:
    """A norm's factor."""
    return tensor(norm.scale if hasattr(norm, "scale") else norm.weight)


def tensor(variable: Any) -> Tensor:
    """A Keras variable or a parameter of torch, in float64."""
    return getattr(variable, "value", variable).detach().double()
