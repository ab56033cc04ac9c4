"""Check the config of a Keras backbone before it is built: no key that Keras would drop, no option that isn't run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import is_one_of
from promptlight.salience.loading.keras._table import N_TABLE_ROWS

_SIZES = ("vocabulary_size", "num_layers", "num_query_heads", "num_key_value_heads", "hidden_dim", "intermediate_dim")
_OF_ALL = (  # of Gemma 1 to 4
    *(*_SIZES, "head_dim", "layer_norm_epsilon", "query_head_dim_normalize"),
    *("final_logit_soft_cap", "attention_logit_soft_cap", "sliding_window_size", "use_sliding_window_attention"),
    *("name", "dtype", "trainable", "dropout", "image_size", "vision_encoder"),
    *("local_rope_scaling_factor", "global_rope_scaling_factor"),
    # true only in models for embeddings, which are refused
    *("use_bidirectional_attention", "is_embedding_model", "pooling_intermediate_dim", "embedding_dim"),
)
KNOWN_KEYS: Mapping[str, frozenset[str]] = {  # the decoder takes these from the backbone, or they change no number
    "GemmaBackbone": (
        _gemma := frozenset((*_OF_ALL, "use_post_ffw_norm", "use_post_attention_norm", "use_query_key_norm"))
    ),
    "Gemma3Backbone": _gemma,
    "Gemma4Backbone": frozenset(
        (
            *_OF_ALL,
            *("layer_types", "sliding_window_pattern", "global_head_dim", "num_global_key_value_heads"),
            *("global_rope_wavelength", "local_rope_wavelength", "global_rope_partial_rotary_factor"),
            *("num_kv_shared_layers", "hidden_size_per_layer_input", N_TABLE_ROWS, "use_double_wide_mlp"),
            *("enable_moe_block", "num_experts", "expert_intermediate_dim", "num_experts_per_token"),
            *("audio_encoder", "num_audio_tokens_per_clip", "use_vision_bidirectional_attention"),  # of no text
        )
    ),
    "Gemma3nBackbone": frozenset(
        (
            *("text_vocab_size", "text_hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
            *("head_dim", "intermediate_size", "hidden_activation", "layer_types", "sliding_window", "rms_norm_eps"),
            *("rope_theta", "rope_scaling", "rope_local_base_freq", "attention_bias", "activation_sparsity_pattern"),
            *(N_TABLE_ROWS, "hidden_size_per_layer_input", "num_kv_shared_layers", "final_logit_soft_cap"),
            *("altup_num_inputs", "altup_active_idx", "altup_correct_scale", "laurel_rank"),
            # of training
            *("altup_coef_clip", "attention_dropout", "pad_token_id", "max_position_embeddings"),
            *("name", "dtype", "trainable"),
            *(f"vision_{one}" for one in ("encoder_config", "hidden_size", "vocab_size", "vocab_offset")),
            *(f"audio_{one}" for one in ("encoder_config", "hidden_size", "vocab_size", "vocab_offset")),
            *("vision_soft_tokens_per_image", "image_token_id", "audio_soft_tokens_per_image", "audio_token_id"),
        )
    ),
}
_RUN_ONLY: Mapping[str, Mapping[str, tuple[object, ...]]] = {  # by backbone class and key
    "Gemma3nBackbone": {
        "attention_bias": (False,),
        "hidden_activation": ("gelu_approximate",),
        "altup_active_idx": (0,),
    },
}
_KINDS_OF_LAYERS = ("sliding_attention", "full_attention")


def check_keys(config: Mapping[str, Any], name: str) -> None:
    """Raise ModelError for a key that Keras would drop without a word, or a value that the decoder does not run."""
    kind, options = str(config.get("class_name")), cast("Mapping[str, Any]", config["config"])
    for key, value in options.items():
        if key not in KNOWN_KEYS[kind]:
            raise ModelError(
                f"{name}: config.json has the key {key} ({str(value)[:80]}), which promptlight does not know; it might"
                " change every number. If it changes none, delete it from the file"
            )
    for key, allowed in _RUN_ONLY.get(kind, {}).items():
        if key in options and not is_one_of(options[key], allowed):
            expected = " or ".join(map(str, allowed))
            raise ModelError(f"{name}: config.json has {key} {str(options[key])[:80]}; only {expected} is covered")
    if "layer_types" in KNOWN_KEYS[kind]:
        _check_layers(kind, options, name)


def _check_layers(kind: str, options: Mapping[str, Any], name: str) -> None:
    """Raise ModelError for layers of a kind of their own, layers that read keys and values of no layer, or tokens
    without a row in the table of per-layer embeddings."""
    of_3n = kind == "Gemma3nBackbone"
    kinds, n_layers = options.get("layer_types"), options["num_hidden_layers" if of_3n else "num_layers"]
    if kinds is not None:
        unknown = next((one for one in kinds if one not in _KINDS_OF_LAYERS), None)
        if unknown is not None or len(kinds) != n_layers:
            raise ModelError(
                f"{name}: config.json has layer_types with {unknown or len(kinds)}; expected"
                f" {' or '.join(_KINDS_OF_LAYERS)} for each of its {n_layers} layers"
            )
    n_own = n_layers - (options.get("num_kv_shared_layers") or 0)
    if n_own <= 0 or (of_3n and not set(kinds or ()) <= set((kinds or ())[:n_own])):
        raise ModelError(
            f"{name}: config.json has num_kv_shared_layers {options['num_kv_shared_layers']} of {n_layers}, so some"
            " layers have no keys and values to read; expected a model that runs by itself"
        )
    n_rows, n_tokens = options.get(N_TABLE_ROWS), options.get("vocabulary_size", 0)
    # Gemma 3n reads row 0 for the rest; Gemma 4 fails there
    if options.get("hidden_size_per_layer_input") and n_rows is not None and n_rows < n_tokens:
        raise ModelError(f"{name}: config.json has {N_TABLE_ROWS} {n_rows}, fewer than its {n_tokens} tokens")
