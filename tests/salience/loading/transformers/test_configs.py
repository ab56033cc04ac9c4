"""config.json of Gemma 4 and 3n: as published and as transformers writes it now, with transformers' defaults."""

# pyright: standard

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import count_parameters
from promptlight.salience.loading.transformers._config import read_architecture

FULL, SLIDING = "full_attention", "sliding_attention"
TEXT_TYPES = ("gemma4_text", "gemma4_unified_text", "gemma3n_text")
ROPES = {
    FULL: {"partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0, "rope_type": "proportional"},
    SLIDING: {"rope_theta": 10_000.0, "rope_type": "default"},
}
IN_4 = {
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 2,
    "dtype": "bfloat16",
    "enable_moe_block": False,
    "eos_token_id": 1,
    "final_logit_softcapping": 30.0,
    "global_head_dim": 512,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "initializer_range": 0.02,
    "max_position_embeddings": 262_144,
    "num_experts": None,
    "num_global_key_value_heads": None,
    "num_kv_shared_layers": 0,
    "hidden_size_per_layer_input": 0,
    "pad_token_id": 0,
    "rms_norm_eps": 1e-06,
    "rope_parameters": ROPES,
    "tie_word_embeddings": True,
    "top_k_experts": None,
    "use_cache": True,
    "vocab_size": 262_144,
    "vocab_size_per_layer_input": 262_144,
}
LARGE = {"sliding_window": 1024, "attention_k_eq_v": True, "use_double_wide_mlp": False}
EDGE = {
    "expert_intermediate_size": None,
    "sliding_window": 512,
    "attention_k_eq_v": False,
    "max_position_embeddings": 131_072,
    "hidden_size_per_layer_input": 256,
    "use_bidirectional_attention": None,
}
IN_3N = {
    "model_type": "gemma3n_text",
    "altup_active_idx": 0,
    "altup_coef_clip": 120.0,
    "altup_correct_scale": True,
    "altup_lr_multiplier": 1.0,
    "altup_num_inputs": 4,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "final_logit_softcapping": 30.0,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 2048,
    "hidden_size_per_layer_input": 256,
    "initializer_range": 0.02,
    "laurel_rank": 64,
    "max_position_embeddings": 32_768,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10_000.0,
    "rope_scaling": None,
    "rope_theta": 1_000_000.0,
    "sliding_window": 512,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 262_400,
    "vocab_size_per_layer_input": 262_144,
}
OF_IMAGES_IN_4 = {
    "audio_config": None,
    "audio_token_id": 258_881,
    "boa_token_id": 256_000,
    "boi_token_id": 255_999,
    "dtype": "bfloat16",
    "eoa_token_id": 258_883,
    "eoa_token_index": 258_883,
    "eoi_token_id": 258_882,
    "eos_token_id": [1, 106],
    "image_token_id": 258_880,
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
    "transformers_version": "5.5.0.dev0",
    "video_token_id": 258_884,
    "vision_soft_tokens_per_image": 280,
}
OF_IMAGES_IN_3N = {
    "audio_soft_tokens_per_image": 188,
    "audio_token_id": 262_273,
    "boa_token_id": 256_000,
    "boi_token_id": 255_999,
    "eoa_token_id": 262_272,
    "eoi_token_id": 262_144,
    "eos_token_id": [1, 106],
    "image_token_id": 262_145,
    "initializer_range": 0.02,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.53.0.dev0",
    "vision_soft_tokens_per_image": 256,
}


def sizes(width: int, feedforward: int, n_layers: int, pattern: int, heads: tuple[int, int]) -> dict[str, Any]:
    """Sizes of a model whose every ``pattern``-th layer has full attention; ``heads`` are of queries and of keys."""
    return {
        "hidden_size": width,
        "intermediate_size": feedforward,
        "num_hidden_layers": n_layers,
        "layer_types": [SLIDING if (n + 1) % pattern else FULL for n in range(n_layers)],
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
    }


def wrap(model_type: str, text: dict[str, Any]) -> dict[str, Any]:
    """A config with towers around that of a text model."""
    name = {"gemma4": "Gemma4", "gemma4_unified": "Gemma4Unified", "gemma3n": "Gemma3n"}[model_type]
    towers = {"vision_config": {"model_type": f"{model_type}_vision"}}
    if model_type == "gemma3n":
        towers["audio_config"] = {"model_type": "gemma3n_audio"}
    around = (OF_IMAGES_IN_3N if model_type == "gemma3n" else OF_IMAGES_IN_4) | towers
    text = {"model_type": f"{model_type}_text"} | text
    return {
        "model_type": model_type,
        "architectures": [f"{name}ForConditionalGeneration"],
        "text_config": text,
    } | around


E2B = sizes(1536, 6144, 35, 5, (8, 1)) | {"num_kv_shared_layers": 20, "use_double_wide_mlp": True}
E4B = sizes(2560, 10_240, 42, 6, (8, 2)) | {"num_kv_shared_layers": 18, "use_double_wide_mlp": False}
EXPERTS = {"enable_moe_block": True, "num_experts": 128, "top_k_experts": 8, "moe_intermediate_size": 704}
SEEING = {"use_bidirectional_attention": "vision"}
PUBLISHED = {  # as their config.json is, but for the towers' sizes
    "E2B": wrap("gemma4", IN_4 | EDGE | E2B),
    "E4B": wrap("gemma4", IN_4 | EDGE | E4B),
    "12B": wrap(
        "gemma4_unified",
        IN_4
        | LARGE
        | sizes(3840, 15_360, 48, 6, (16, 8))
        | {"num_global_key_value_heads": 1, "moe_intermediate_size": None},
    ),
    "26B": wrap(
        "gemma4",
        IN_4 | LARGE | SEEING | EXPERTS | sizes(2816, 2112, 30, 6, (16, 8)) | {"num_global_key_value_heads": 2},
    ),
    "31B": wrap(
        "gemma4", IN_4 | LARGE | SEEING | sizes(5376, 21_504, 60, 6, (32, 16)) | {"num_global_key_value_heads": 4}
    ),
    "3n E2B": wrap(
        "gemma3n",
        IN_3N
        | sizes(2048, 8192, 30, 5, (8, 2))
        | {"intermediate_size": [8192] * 30, "activation_sparsity_pattern": [0.95] * 10 + [0.0] * 20}
        | {"num_kv_shared_layers": 10},
    ),
    "3n E4B": wrap(
        "gemma3n",
        IN_3N
        | sizes(2048, 16_384, 35, 5, (8, 2))
        | {"intermediate_size": [16_384] * 35, "activation_sparsity_pattern": [0.95] * 10 + [0.0] * 25}
        | {"num_kv_shared_layers": 15},
    ),
}


def rewrite(config: dict[str, Any]) -> dict[str, Any]:
    """What transformers writes after reading a config."""
    import transformers

    kind = getattr(transformers, type_name(config["model_type"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(kind.from_dict(json.loads(json.dumps(config))).to_json_string(use_diff=False))


def type_name(model_type: str) -> str:
    """The class of a config in transformers."""
    return "".join(part.capitalize() for part in model_type.split("_")) + "Config"


@pytest.mark.parametrize("model_type", TEXT_TYPES)
def test_what_a_config_leaves_out_is_transformers_default(model_type: str) -> None:
    bare = {"model_type": model_type}
    assert read_architecture(bare, "m") == read_architecture(rewrite(bare), "m")


@pytest.mark.parametrize("name", [*PUBLISHED])
def test_a_published_config_is_read_as_transformers_rewrites_it(name: str) -> None:
    """Not the whole: transformers would fill up the towers."""
    text = PUBLISHED[name]["text_config"]
    found = read_architecture(PUBLISHED[name], name)
    assert found == read_architecture(rewrite(text), name)
    assert found == read_architecture(text, name)
    assert found.final_soft_cap == 30.0


def test_the_layers_of_e2b_are_as_published() -> None:
    """A layer's number says its kind: 4 windows, then full attention."""
    found = read_architecture(PUBLISHED["E2B"], "m")
    for n, layer in enumerate(found.layers):
        is_full = n % 5 == 4
        assert layer.window == (None if is_full else 512)
        assert layer.head_dim == (512 if is_full else None)
        assert layer.rope.head_dim == (512 if is_full else 256)
        assert layer.rope.wavelength == (1e6 if is_full else 1e4)
        assert layer.rope.n_pairs == (64 if is_full else None)
        assert layer.source == (None if n < 15 else 14 if is_full else 13)
        assert layer.feedforward_width == (None if n < 15 else 12_288)
        assert not layer.ties_values


def test_key_heads_and_values_are_as_attention_k_eq_v_says() -> None:
    """transformers reads the number of key heads with one projection for keys and values alone."""
    tied = PUBLISHED["31B"]["text_config"]
    apart = tied | {"attention_k_eq_v": False}
    full = 5
    assert read_architecture(tied, "m").layers[full].n_key_value_heads == 4
    assert read_architecture(tied, "m").layers[full].ties_values
    assert read_architecture(apart, "m").layers[full].n_key_value_heads is None
    assert read_architecture(apart, "m") == read_architecture(rewrite(apart), "m")
    assert not any(layer.ties_values for layer in read_architecture(apart, "m").layers)
    assert not any(layer.ties_values for layer in read_architecture(tied, "m").layers[:full])


def test_the_last_layer_has_full_attention_as_in_transformers() -> None:
    text = PUBLISHED["31B"]["text_config"] | {"num_hidden_layers": 2, "layer_types": [FULL, SLIDING]}
    found = read_architecture(text, "m")
    assert [layer.window for layer in found.layers] == [None, None]
    assert found == read_architecture(rewrite(text), "m")


def test_a_sparse_layer_cuts_off_the_share_of_a_normal_distribution() -> None:
    layers = read_architecture(PUBLISHED["3n E4B"], "m").layers
    assert [layer.sparsity is None for layer in layers] == [False] * 10 + [True] * 25
    assert layers[0].sparsity == pytest.approx(1.6448536, abs=1e-7)
    small = {"model_type": "gemma3n_text", "num_hidden_layers": 10, "num_kv_shared_layers": 0}
    assert read_architecture(small, "m") == read_architecture(rewrite(small), "m")
    assert all(layer.sparsity is None for layer in read_architecture(small, "m").layers)


IN_ALL = TEXT_TYPES
OF_4 = TEXT_TYPES[:2]


@pytest.mark.parametrize(
    ("types", "key", "value"),
    [
        (IN_ALL, "never_heard_of", None),
        (IN_ALL, "hidden_activation", "silu"),
        (IN_ALL, "attention_bias", True),
        (IN_ALL, "partial_rotary_factor", 0.5),
        (IN_ALL, "use_bidirectional_attention", "all"),
        (IN_ALL, "use_bidirectional_attention", True),
        (IN_ALL, "num_kv_shared_layers", 35),
        (IN_ALL, "num_kv_shared_layers", -1),
        (IN_ALL, "layer_types", [FULL]),
        (IN_ALL, "layer_types", ["chunked_attention"] * 30),
        (IN_ALL, "sliding_window", None),
        (IN_ALL, "_sliding_window_pattern", 4),
        (IN_ALL, "num_attention_heads", 7),
        (IN_ALL, "tie_word_embeddings", 1),
        (IN_ALL, "rope_parameters", {"rope_type": "default", "rope_theta": 1e4}),
        (IN_ALL, "rope_parameters", {FULL: {"rope_type": "dynamic", "rope_theta": 1e4}}),
        (OF_4, "rope_parameters", {}),
        (OF_4, "rope_parameters", ROPES | {FULL: None}),
        (OF_4, "rope_parameters", ROPES | {FULL: {"rope_type": "proportional"}}),
        (OF_4, "rope_parameters", ROPES | {FULL: {"partial_rotary_factor": 0.25, "rope_theta": 1e6}}),
        (OF_4, "rope_parameters", ROPES | {FULL: ROPES[FULL] | {"partial_rotary_factor": 1.5}}),
        (OF_4, "rope_theta", 1e6),
        (OF_4, "rope_scaling", {"rope_type": "linear", "factor": 2.0}),
        (OF_4, "query_pre_attn_scalar", 256),
        (OF_4, "attn_logit_softcapping", 50.0),
        (OF_4, "global_head_dim", None),
        (OF_4, "use_double_wide_mlp", None),
        (OF_4, "attention_k_eq_v", "yes"),
        (OF_4, "expert_intermediate_size", 704),
        (OF_4, "per_layer_config", []),
        (OF_4, "per_layer_config", {"30": {"head_dim": 64}}),
        (OF_4, "per_layer_config", {"5": {"intermediate_size": 64}}),
        (OF_4, "per_layer_config", {"5": {"skip": ["self_attn"]}}),
        (OF_4, "per_layer_config", {"5": {"head_dim": 64}}),  # and none for the other layers of full attention
        (OF_4, "per_layer_config", {"5": {"head_dim": 0}}),
        (OF_4, "altup_num_inputs", 4),
        (("gemma4_unified_text",), "hidden_size_per_layer_input", 256),
        (("gemma4_unified_text",), "enable_moe_block", True),
        (("gemma4_text",), "hidden_size_per_layer_input", None),
        (("gemma4_text",), "enable_moe_block", True),  # and no num_experts
        (("gemma4_text",), "vocab_size_per_layer_input", 0),
        (("gemma3n_text",), "altup_active_idx", 1),
        (("gemma3n_text",), "altup_correct_scale", False),
        (("gemma3n_text",), "altup_num_inputs", 1),
        (("gemma3n_text",), "attn_logit_softcapping", 50.0),
        (("gemma3n_text",), "hidden_size_per_layer_input", 0),
        (("gemma3n_text",), "intermediate_size", [8192]),
        (("gemma3n_text",), "intermediate_size", [8192] * 34 + [0]),
        (("gemma3n_text",), "activation_sparsity_pattern", 0.95),
        (("gemma3n_text",), "activation_sparsity_pattern", [0.95]),
        (("gemma3n_text",), "activation_sparsity_pattern", [1.0] * 35),
        (("gemma3n_text",), "global_head_dim", 512),
        (("gemma3n_text",), "laurel_rank", None),
    ],
)
def test_a_key_that_is_not_run_is_refused_by_its_name(types: tuple[str, ...], key: str, value: Any) -> None:
    for model_type in types:
        with pytest.raises(ModelError) as caught:
            read_architecture({"model_type": model_type, key: value}, "m")
        expected = "num_experts" if key == "enable_moe_block" and model_type == "gemma4_text" else key
        assert expected in str(caught.value)
        assert "config.json" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"global_head_dim": 128}, "has global_head_dim 128; expected 512, as per_layer_config says"),
        ({"num_global_key_value_heads": 2}, "has num_global_key_value_heads 2; expected 4, as per_layer_config says"),
        (
            {"num_experts": 8, "top_k_experts": 9, "moe_intermediate_size": 4, "enable_moe_block": True},
            "top_k_experts 9",
        ),
    ],
)
def test_keys_that_contradict_others_are_refused(change: dict[str, Any], says: str) -> None:
    now = rewrite(PUBLISHED["31B"]["text_config"])
    assert read_architecture(now | {"global_head_dim": 512, "num_global_key_value_heads": 4}, "m")
    with pytest.raises(ModelError, match=says):
        read_architecture(now | change, "m")


@pytest.mark.parametrize("name", ["E2B", "12B", "3n E2B"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("never_heard_of", 1),
        ("use_bidirectional_attention", "vision"),  # belongs into text_config
        ("architectures", ["Gemma4ForSequenceClassification"]),
        ("text_config", {"model_type": "gemma3_text"}),
        ("text_config", []),
    ],
)
def test_what_stands_around_the_text_config_is_understood(name: str, key: str, value: Any) -> None:
    with pytest.raises(ModelError, match=key):
        read_architecture(PUBLISHED[name] | {key: value}, "m")


@pytest.mark.parametrize(
    ("name", "loaded", "table"),
    [
        ("E2B", 2.28, 2.35),
        ("E4B", 4.64, 2.82),
        ("12B", 11.9, None),
        ("26B", 25.2, None),
        ("31B", 30.7, None),
        ("3n E2B", 2.4, 2.01),
        ("3n E4B", 4.5, 2.35),
    ],
)
def test_sizes_are_those_of_the_published_models(name: str, loaded: float, table: float | None) -> None:
    """In thousands of millions of parameters, without towers: what is loaded, and the table that stays in its file."""
    found = read_architecture(PUBLISHED[name], name)
    assert count_parameters(found) / 1e9 == pytest.approx(loaded, rel=0.015)
    if found.per_layer is None:
        assert table is None
    else:
        n_numbers = found.per_layer.n_rows * found.per_layer.width * len(found.layers)
        assert n_numbers / 1e9 == pytest.approx(table, rel=0.01)
