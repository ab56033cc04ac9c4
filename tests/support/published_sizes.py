"""The sizes of published models, as their configs state them, in the words of Keras's backbones.

Gemma 4 and 3n are said to have these in public copies of the models' config files; none was fetched here.
"""

from __future__ import annotations

from typing import Any

SLIDING, FULL = "sliding_attention", "full_attention"


def describe_gemma4(width: int, n_layers: int, heads: tuple[int, int], inner: int, **more: Any) -> dict[str, Any]:
    """A ``Gemma4Backbone``'s config; ``heads`` are those of queries and of keys in sliding layers."""
    sizes = {
        "vocabulary_size": 262_144,
        "hidden_dim": width,
        "num_layers": n_layers,
        "num_query_heads": heads[0],
        "num_key_value_heads": heads[1],
        "head_dim": 256,
        "global_head_dim": 512,
        "intermediate_dim": inner,
    }
    return describe("Gemma4Backbone", sizes | more)


def describe_gemma3n(n_layers: int, n_shared: int, inner: int) -> dict[str, Any]:
    """A ``Gemma3nBackbone``'s config."""
    sizes = {
        "text_vocab_size": 262_400,
        "text_hidden_size": 2048,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "intermediate_size": [inner] * n_layers,
        "num_kv_shared_layers": n_shared,
        "altup_num_inputs": 4,
        "laurel_rank": 64,
        "hidden_size_per_layer_input": 256,
        "vocab_size_per_layer_input": 262_144,
    }
    return describe("Gemma3nBackbone", sizes)


def describe(name: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """A config.json in Keras's format."""
    module = "keras_hub.src.models"
    return {"module": module, "class_name": name, "config": sizes, "registered_name": f"keras_hub>{name}"}


_TABLE = {"hidden_size_per_layer_input": 256}
_EXPERTS = {"enable_moe_block": True, "num_experts": 128, "expert_intermediate_dim": 704, "num_experts_per_token": 8}

UNIFIED = "Gemma 4 12B (`gemma4_unified`)"
PUBLISHED = {
    "gemma4_instruct_2b": describe_gemma4(
        *(1536, 35, (8, 1), 6144),
        **_TABLE,
        sliding_window_pattern=5,
        num_kv_shared_layers=20,
        use_double_wide_mlp=True,
    ),
    "gemma4_instruct_4b": describe_gemma4(2560, 42, (8, 2), 10_240, **_TABLE, num_kv_shared_layers=18),
    UNIFIED: describe_gemma4(3840, 48, (16, 8), 15_360, num_global_key_value_heads=1),
    "gemma4_instruct_26b_a4b": describe_gemma4(2816, 30, (16, 8), 2112, num_global_key_value_heads=2, **_EXPERTS),
    "gemma4_instruct_31b": describe_gemma4(5376, 60, (32, 16), 21_504, num_global_key_value_heads=4),
    "gemma3n_e2b_it": describe_gemma3n(30, 10, 8192),
    "gemma3n_e4b_it": describe_gemma3n(35, 15, 16_384),
}
