"""What a config.json of transformers says that the decoder computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from promptlight.salience.decoder.rope import Rope
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import Architecture, LayerOptions
from promptlight.salience.loading.transformers._gemma3n import read_gemma3n
from promptlight.salience.loading.transformers._gemma4 import read_gemma4
from promptlight.salience.loading.transformers._keys import FULL, SLIDING, TEXT_TYPES, check_keys
from promptlight.salience.loading.transformers._layer_kinds import find_kinds, find_pattern, find_windows
from promptlight.salience.loading.transformers._rope import read_rope, read_ropes
from promptlight.salience.loading.transformers._values import Values

ARCHITECTURES = {  # by model_type; others return a class or a vector
    "gemma": ("GemmaForCausalLM",),
    "gemma2": ("Gemma2ForCausalLM",),
    "gemma3_text": ("Gemma3ForCausalLM",),
    "gemma3": ("Gemma3ForConditionalGeneration", "Gemma3ForCausalLM"),
    "gemma3n_text": ("Gemma3nForCausalLM",),
    "gemma3n": ("Gemma3nForConditionalGeneration", "Gemma3nForCausalLM"),
    "gemma4_text": ("Gemma4ForCausalLM",),
    "gemma4": ("Gemma4ForConditionalGeneration", "Gemma4ForCausalLM"),
    "gemma4_unified_text": ("Gemma4UnifiedForCausalLM",),
    "gemma4_unified": ("Gemma4UnifiedForConditionalGeneration", "Gemma4UnifiedForCausalLM"),
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {  # what transformers takes for a key that is not there
    "gemma": {
        "vocab_size": 256_000,
        "hidden_size": 3072,
        "intermediate_size": 24_576,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "max_position_embeddings": 8192,
    },
    "gemma2": {
        "vocab_size": 256_000,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": 8192,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    },
    "gemma3_text": {
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": 131_072,
    },
    "gemma4_text": {
        "max_position_embeddings": 131_072,
        "sliding_window": 512,
        "hidden_size_per_layer_input": 256,
    },
    "gemma4_unified_text": {
        "max_position_embeddings": 262_144,
        "sliding_window": 1024,
    },
}


def read_architecture(config: Mapping[str, Any], name: str) -> Architecture:
    """The architecture in a config.json of a covered family; ``name`` is what the user calls the model.

    ``has_own_head`` is what ``tie_word_embeddings`` says; the files may say otherwise. Raises ModelError by the key for
    all that the decoder does not run.
    """
    place = f"{name}: config.json"
    model_type = str(config["model_type"])
    _check_architectures(config, model_type, place)
    check_keys(config, model_type, place)
    if model_type in TEXT_TYPES:
        text_type = TEXT_TYPES[model_type]
        text, place = _find_text_config(config, text_type, place), f"{place}: text_config"
        check_keys(text, text_type, place)
        return _read(Values(text | {"tie_word_embeddings": _is_tied(config, text, place)}, place), text_type)
    return _read(Values(config, place), model_type)


def _check_architectures(config: Mapping[str, Any], model_type: str, place: str) -> None:
    named: Any = config.get("architectures") or []
    known = ARCHITECTURES[model_type]
    if not isinstance(named, list) or not all(one in known for one in cast("list[object]", named)):
        raise ModelError(
            f"{place} has architectures {json.dumps(named)[:80]}, not a model that predicts the next token; expected"
            f" {' or '.join(known)}. For a classifier or an encoder, use the language model that it was made from"
        )


def _find_text_config(config: Mapping[str, Any], text_type: str, place: str) -> dict[str, Any]:
    text = config.get("text_config", {})
    if not isinstance(text, dict) or cast("dict[str, Any]", text).get("model_type", text_type) != text_type:
        raise ModelError(f"{place} has text_config {json.dumps(text)[:80]}; expected that of a {text_type}")
    return cast("dict[str, Any]", text)


def _is_tied(config: Mapping[str, Any], text: Mapping[str, Any], place: str) -> bool:
    """Whether both parts of a config with vision say that the head is the embedding."""
    return all(Values(one, place).flag("tie_word_embeddings", default=True) for one in (config, text))


def _read(config: Values, model_type: str) -> Architecture:
    if model_type == "gemma3n_text":
        return read_gemma3n(config)
    if model_type in ("gemma4_text", "gemma4_unified_text"):
        return read_gemma4(config, _DEFAULTS[model_type])
    return _read_until_gemma3(config, model_type)


def _read_until_gemma3(config: Values, model_type: str) -> Architecture:
    known = _DEFAULTS[model_type]
    has_norms, is_third = model_type != "gemma", model_type == "gemma3_text"
    head_dim = config.count("head_dim", 256)
    context_length = config.count("max_position_embeddings", known["max_position_embeddings"])
    if config.count("num_attention_heads", known["num_attention_heads"]) % config.count(
        "num_key_value_heads", known["num_key_value_heads"]
    ):
        raise config.refuse("num_attention_heads", "a multiple of num_key_value_heads")
    scale = config.number("query_pre_attn_scalar", 256) if has_norms else head_dim
    return Architecture(
        vocabulary_size=config.count("vocab_size", known["vocab_size"]),
        width=config.count("hidden_size", known["hidden_size"]),
        feedforward_width=config.count("intermediate_size", known["intermediate_size"]),
        n_query_heads=config.count("num_attention_heads", known["num_attention_heads"]),
        n_key_value_heads=config.count("num_key_value_heads", known["num_key_value_heads"]),
        head_dim=head_dim,
        layers=_read_layers(config, model_type, head_dim, context_length),
        epsilon=config.number("rms_norm_eps", 1e-6),
        query_scale=scale**-0.5,
        attention_soft_cap=config.optional("attn_logit_softcapping", known.get("attn_logit_softcapping")),
        final_soft_cap=config.optional("final_logit_softcapping", known.get("final_logit_softcapping")),
        has_post_norms=has_norms,
        has_head_norms=is_third,
        has_own_head=not config.flag("tie_word_embeddings", default=True),
        has_attention_bias=config.flag("attention_bias", default=False),
        context_length=context_length,
    )


def _read_layers(config: Values, model_type: str, head_dim: int, length: int) -> tuple[LayerOptions, ...]:
    n_layers = config.count("num_hidden_layers", _DEFAULTS[model_type]["num_hidden_layers"])
    if model_type == "gemma":
        return (LayerOptions(window=None, rope=read_rope(config, head_dim, length)),) * n_layers
    kinds = find_kinds(config, n_layers, 2 if model_type == "gemma2" else find_pattern(config))
    ropes: dict[str, Rope]
    if model_type == "gemma2":
        ropes = dict.fromkeys((FULL, SLIDING), read_rope(config, head_dim, length))
    else:
        ropes = read_ropes(config, head_dim, length)
    windows = find_windows(config, kinds, 4096)
    return tuple(LayerOptions(window=window, rope=ropes[kind]) for window, kind in zip(windows, kinds, strict=True))
