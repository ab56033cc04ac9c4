"""A decoder that is assembled tensor by tensor is the one that borrows the same weights from Keras."""

# pyright: standard

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import count_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, LayerOptions, count_parameters, list_shapes
from promptlight.salience.loading.assemble import assemble_decoder
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.loading.model_size import measure_architecture
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids

CPU = torch.device("cpu")


def describe(decoder: Decoder) -> Architecture:
    """The architecture of a decoder that is there."""
    heads, first = decoder.layers[0].attention.heads, decoder.layers[0]
    return Architecture(
        vocabulary_size=decoder.embedding.shape[0],
        width=decoder.embedding.shape[1],
        feedforward_width=first.feed_forward.gate.shape[1],
        n_query_heads=heads.n_query_heads,
        n_key_value_heads=heads.n_key_value_heads,
        head_dim=heads.head_dim,
        layers=tuple(LayerOptions(window=layer.window, rope=layer.rope) for layer in decoder.layers),
        epsilon=decoder.final_norm.epsilon,
        query_scale=heads.query_scale,
        attention_soft_cap=first.attention.soft_cap,
        final_soft_cap=decoder.final_soft_cap,
        has_post_norms=first.post_attention_norm is not None,
        has_head_norms=heads.query_norm is not None,
        has_own_head=decoder.own_head is not None,
        has_attention_bias=False,
        context_length=8192,
    )


def name_weights(backbone: Any) -> dict[str, torch.Tensor]:
    """Keras's variables by canonical name, [out, in]."""
    named = {"embedding": backbone.token_embedding.embeddings, "final_norm": backbone.layer_norm.scale}
    for n, block in enumerate(backbone.transformer_layers):
        attention = block.attention
        parts = {
            "attention_norm": block.pre_attention_norm.scale,
            **{name: getattr(attention, f"{name}_dense").kernel for name in ("query", "key", "value", "output")},
            "feed_forward_norm": block.pre_ffw_norm.scale,
            "gate": block.gating_ffw.kernel,
            "up": block.gating_ffw_2.kernel,
            "down": block.ffw_linear.kernel,
        }
        if getattr(block, "post_attention_norm", None) is not None:
            parts |= {
                "post_attention_norm": block.post_attention_norm.scale,
                "post_feed_forward_norm": block.post_ffw_norm.scale,
            }
        if getattr(attention, "query_norm", None) is not None:
            parts |= {"query_norm": attention.query_norm.scale, "key_norm": attention.key_norm.scale}
        named |= {f"layers.{n}.{name}": variable for name, variable in parts.items()}
    return {name: turn(name.rpartition(".")[2], variable.value.detach()) for name, variable in named.items()}


def turn(part: str, kernel: torch.Tensor) -> torch.Tensor:
    """Keras has [heads, D, H] for queries, [N, H, D] for the output and [in, out] otherwise."""
    if part in ("query", "key", "value"):
        return kernel.transpose(1, 2).flatten(0, 1)
    return kernel.flatten(0, 1).T if part == "output" else kernel.T if part in ("gate", "up", "down") else kernel


def logits(decoder: Decoder) -> torch.Tensor:
    ids = torch.tensor([draw_ids(40)])
    with torch.no_grad():
        return decoder.logits(decoder.hidden(decoder.embed(ids)))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_assembled_decoder_is_the_one_that_borrows_the_same_weights(family: str) -> None:
    backbone = build_backbone(family)
    borrowed, weights = borrow_decoder(backbone), name_weights(backbone)
    architecture = describe(borrowed)
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == list_shapes(architecture)
    assert count_parameters(architecture) == measure_architecture(architecture).n_parameters == backbone.count_params()
    ours = assemble_decoder(architecture, lambda name: weights[name].clone(), device=CPU, dtype=torch.float32)
    assert count_bytes(ours) == 4 * backbone.count_params()
    torch.testing.assert_close(logits(ours), logits(borrowed), atol=1e-5, rtol=1e-6)
    half = assemble_decoder(architecture, weights.__getitem__, device=CPU, dtype=torch.bfloat16)
    assert half.embedding.dtype == half.layers[0].attention.heads.query_key_value.dtype == torch.bfloat16


def test_a_head_of_its_own_is_read_beside_the_embedding() -> None:
    backbone = build_backbone("gemma3")
    borrowed, weights = borrow_decoder(backbone), name_weights(backbone)
    weights["head"] = torch.randn(weights["embedding"].shape)
    architecture = dataclasses.replace(describe(borrowed), has_own_head=True)
    ours = assemble_decoder(architecture, lambda name: weights[name].clone(), device=CPU, dtype=torch.float32)
    expected = dataclasses.replace(borrowed, own_head=weights["head"])
    torch.testing.assert_close(logits(ours), logits(expected), atol=1e-5, rtol=1e-6)
    assert count_bytes(ours) == 4 * count_parameters(architecture)


def test_a_tensor_of_another_shape_is_named() -> None:
    backbone = build_backbone("gemma2")
    architecture, weights = describe(borrow_decoder(backbone)), name_weights(backbone)
    for name in ("embedding", "layers.1.key", "layers.2.post_attention_norm"):
        broken = weights | {name: weights[name][1:]}
        says = f"{name}: expected shape {list(weights[name].shape)}, found {list(broken[name].shape)}"
        with pytest.raises(ModelError, match=f"^{re.escape(says)}$"):
            assemble_decoder(architecture, broken.__getitem__, device=CPU, dtype=torch.float32)
