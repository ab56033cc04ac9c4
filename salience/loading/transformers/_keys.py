"""The table of config.json's keys: each one is run as it says, runs with some values only, or changes no number.

A key without a row here is refused by name, as it might change numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import is_one_of

TANH_GELU = ("gelu_pytorch_tanh", "gelu_new")
FULL, SLIDING = "full_attention", "sliding_attention"

_RUN = frozenset(
    [
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
        *("num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "attention_bias"),
        *("rope_theta", "rope_scaling", "rope_parameters", "tie_word_embeddings"),
    ]
)
_RUN_SINCE_2 = frozenset(["query_pre_attn_scalar", "sliding_window", "layer_types", "final_logit_softcapping"])
_RUN_SINCE_3N = frozenset(
    [
        *("sliding_window", "layer_types", "final_logit_softcapping", "num_kv_shared_layers"),
        *("hidden_size_per_layer_input", "vocab_size_per_layer_input"),
    ]
)
_RUN_IN_4 = (_RUN - {"rope_theta", "rope_scaling", "attention_bias"}) | {
    *("sliding_window", "layer_types", "final_logit_softcapping", "num_kv_shared_layers", "use_double_wide_mlp"),
    *("global_head_dim", "num_global_key_value_heads", "per_layer_config", "attention_k_eq_v"),
}
_EXPERTS = frozenset(["num_experts", "top_k_experts", "moe_intermediate_size"])
TEXT_TYPES = {  # the model_type of the text_config within, by that of a model with images or audio
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_unified_text",
}
RUN = {  # by model_type
    "gemma": _RUN,
    "gemma2": _RUN | _RUN_SINCE_2 | {"attn_logit_softcapping"},
    "gemma3_text": _RUN | _RUN_SINCE_2 | {"rope_local_base_freq", "sliding_window_pattern"},
    "gemma3n_text": (_RUN - {"attention_bias"})
    | _RUN_SINCE_3N
    | {"rope_local_base_freq", "altup_num_inputs", "laurel_rank", "activation_sparsity_pattern"},
    "gemma4_text": _RUN_IN_4 | _RUN_SINCE_3N | _EXPERTS | {"enable_moe_block"},
    "gemma4_unified_text": _RUN_IN_4,
    **dict.fromkeys(TEXT_TYPES, frozenset(["text_config", "tie_word_embeddings"])),
}

Values = tuple[object, ...]
_FIXED: Mapping[str, Values] = {  # with other values, the model would be another one
    "use_bidirectional_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
    "tie_encoder_decoder": (False, None),
    "pruned_heads": ({}, None),
    "partial_rotary_factor": (1, None),
}
_FIXED_SINCE_3N = _FIXED | {"hidden_activation": TANH_GELU, "hidden_act": TANH_GELU, "attention_bias": (False,)}
_FIXED_IN_4 = _FIXED_SINCE_3N | {
    # of images alone; a text is read causally
    "use_bidirectional_attention": (False, None, "vision"),
    **dict.fromkeys(("rope_theta", "rope_scaling", "expert_intermediate_size"), (None,)),
}
FIXED: Mapping[str, Mapping[str, Values]] = {  # by model_type
    # Gemma 1's first configs say gelu and mean its tanh form, as transformers reads them, too
    "gemma": _FIXED
    | {"hidden_act": ("gelu", *TANH_GELU), "hidden_activation": (*TANH_GELU, None), "layer_types": (None,)}
    | dict.fromkeys(("final_logit_softcapping", "attn_logit_softcapping", "sliding_window"), (None,)),
    "gemma2": _FIXED | {"hidden_activation": TANH_GELU, "hidden_act": TANH_GELU},
    # transformers does not run this cap in Gemma 3, whatever it says
    "gemma3_text": _FIXED
    | {"hidden_activation": TANH_GELU, "hidden_act": TANH_GELU, "attn_logit_softcapping": (None,)},
    "gemma3n_text": _FIXED_SINCE_3N
    | {"attn_logit_softcapping": (None,), "altup_active_idx": (0,), "altup_correct_scale": (True,)},
    "gemma4_text": _FIXED_IN_4,
    # transformers' class has neither table nor experts
    "gemma4_unified_text": _FIXED_IN_4 | {"hidden_size_per_layer_input": (0, None), "enable_moe_block": (False, None)},
    **dict.fromkeys(TEXT_TYPES, _FIXED),
}

HARMLESS = frozenset(
    [
        # what the model is called, and what wrote the file
        *("architectures", "model_type", "_name_or_path", "name_or_path", "_commit_hash", "transformers_version"),
        *("unsloth_fixed", "unsloth_version", "finetuning_task", "task_specific_params", "tokenizer_class"),
        # tokens that the tokenizer names itself
        *("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id", "prefix"),
        # how it is stored, run or trained
        *("torch_dtype", "dtype", "use_bfloat16", "torchscript", "tf_legacy_loss", "use_cache"),
        *("cache_implementation", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset"),
        *("_attn_implementation_internal", "chunk_size_feed_forward", "gradient_checkpointing", "initializer_range"),
        *("attention_dropout", "hidden_dropout", "dropout", "is_decoder", "cross_attention_hidden_size"),
        # what it returns
        *("return_dict", "use_return_dict", "output_hidden_states", "output_attentions", "output_scores"),
        *("return_dict_in_generate", "problem_type", "num_labels", "id2label", "label2id"),
        # how transformers would generate
        *("max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups"),
        *("diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty"),
        *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences"),
        *("forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "suppress_tokens"),
        *("begin_suppress_tokens", "exponential_decay_length_penalty"),
    ]
)
_HARMLESS_WITH_TOWERS = frozenset(
    [
        *("vision_config", "mm_tokens_per_image", "boi_token_index", "eoi_token_index", "image_token_index"),
        *("boi_token_id", "eoi_token_id", "image_token_id", "video_token_id", "vision_soft_tokens_per_image"),
        *("vision_soft_tokens_per_video_frame", "audio_config", "boa_token_id", "eoa_token_id", "eoa_token_index"),
        *("audio_token_id", "audio_soft_tokens_per_image", "audio_ms_per_token"),
    ]
)
_HARMLESS_IN: Mapping[str, frozenset[str]] = {  # by model_type
    # transformers scales no query of Gemma 3n, whatever it says; the others are of training
    "gemma3n_text": frozenset(["query_pre_attn_scalar", "altup_coef_clip", "altup_lr_multiplier"]),
    "gemma4_unified_text": _EXPERTS | {"vocab_size_per_layer_input"},
    **dict.fromkeys(TEXT_TYPES, _HARMLESS_WITH_TOWERS),
}

# keys that say again what another one says
_COMPARED = ("sliding_window_size", "_sliding_window_pattern")


def check_keys(config: Mapping[str, Any], model_type: str, place: str) -> None:
    """Raise ModelError for a key, or a value of a key, that the decoder can't run; ``place`` is where it stands."""
    known = {*RUN[model_type], *HARMLESS, *_COMPARED, *_HARMLESS_IN.get(model_type, ())}
    for key, value in config.items():
        if key in FIXED[model_type]:
            _check_value(key, value, FIXED[model_type][key], place)
        elif key not in known:
            raise ModelError(
                f"{place} has the key {key} ({json.dumps(value)[:80]}), which promptlight does not know; it might"
                " change every number. If it changes none, delete it from the file"
            )


def _check_value(key: str, value: object, allowed: Values, place: str) -> None:
    if not is_one_of(value, allowed):
        expected = " or ".join(json.dumps(one) for one in allowed)
        raise ModelError(f"{place} has {key} {json.dumps(value)[:80]}, which is not covered; expected {expected}")
