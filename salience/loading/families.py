"""The table of Gemma families that the decoder covers; all other modules use it.

A preset's config.json says what its model is, in one of two formats: Keras's has a backbone class, transformers' a
``model_type``. A model without a row here is refused from that file alone, before weights are fetched.

To add a family, add a row; new behaviour of its layers belongs in the room ``decoder``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.other_kinds import explain_name, explain_options
from promptlight.salience.text.chat import GEMMA_4_CHAT, GEMMA_CHAT, ChatFormat


@dataclass(frozen=True, kw_only=True)
class SizeNames:
    """The names of a language model's sizes in a format."""

    vocabulary: str
    width: str
    n_layers: str
    n_query_heads: str
    n_key_value_heads: str
    head_dim: str
    feedforward: str


KERAS_SIZES = SizeNames(
    vocabulary="vocabulary_size",
    width="hidden_dim",
    n_layers="num_layers",
    n_query_heads="num_query_heads",
    n_key_value_heads="num_key_value_heads",
    head_dim="head_dim",
    feedforward="intermediate_dim",
)
KERAS_3N_SIZES = SizeNames(
    vocabulary="text_vocab_size",
    width="text_hidden_size",
    n_layers="num_hidden_layers",
    n_query_heads="num_attention_heads",
    n_key_value_heads="num_key_value_heads",
    head_dim="head_dim",
    feedforward="intermediate_size",
)
TRANSFORMERS_SIZES = SizeNames(
    vocabulary="vocab_size",
    width="hidden_size",
    n_layers="num_hidden_layers",
    n_query_heads="num_attention_heads",
    n_key_value_heads="num_key_value_heads",
    head_dim="head_dim",
    feedforward="intermediate_size",
)


@dataclass(frozen=True, kw_only=True)
class Family:
    """What all models of a family have in common.

    ``keras_options`` tell families apart that share a Keras backbone class. ``keras_towers`` are the classes, without
    the family's prefix, of what reads images and sound in its presets. ``presets`` are the names that keras-nlp has for
    models of this family. ``context_length`` is how many tokens a model reads if its configuration does not say,
    ``context_length_with_table`` of one with a per-layer table. ``keras_feedforward_parts`` is how many matrices
    Keras's feed-forward width counts together: 2 for gate and up. ``chat`` is how they read a chat.
    """

    name: str
    keras_backbone: str
    model_types: tuple[str, ...]
    presets: tuple[str, ...]
    context_length: int
    context_length_with_table: int | None = None
    keras_options: Mapping[str, bool] = field(default_factory=dict[str, bool])
    keras_towers: tuple[str, ...] = ()
    keras_feedforward_parts: int = 1
    chat: ChatFormat = GEMMA_CHAT

    def find_context_length(self, config: Mapping[str, Any]) -> int:
        """How many tokens the model with this config.json reads."""
        sizes = find_sizes(config)
        if isinstance(stated := sizes.get("max_position_embeddings"), int):
            return stated
        has_table = bool(sizes.get("hidden_size_per_layer_input"))
        return (self.context_length_with_table if has_table else None) or self.context_length

    @property
    def keras_classes(self) -> frozenset[str]:
        """The classes that the files of its presets name."""
        prefix = self.keras_backbone.removesuffix("Backbone")
        parts = ("Backbone", "CausalLM", "CausalLMPreprocessor", "Tokenizer", *self.keras_towers)
        return frozenset(prefix + part for part in parts)

    def covers(self, config: Mapping[str, Any]) -> bool:
        """Whether a config.json describes a model of this family."""
        if not is_of_keras(config):
            return config.get("model_type") in self.model_types
        sizes = find_sizes(config)
        options = {name: bool(sizes.get(name)) for name in self.keras_options}
        return config.get("class_name") == self.keras_backbone and options == self.keras_options

    def chat_of(self, config: Mapping[str, Any]) -> ChatFormat:
        """How the model with this config.json reads a chat."""
        return self.chat_with(find_sizes(config).get("hidden_size_per_layer_input"))

    def chat_with(self, per_layer_width: object) -> ChatFormat:
        """How a model reads a chat: one with a per-layer table (Gemma 4 E2B, E4B) reads no empty thought."""
        return replace(self.chat, fills_empty_thought=False) if per_layer_width else self.chat


FAMILIES = (
    Family(
        name="Gemma 1 and 1.1 (with CodeGemma and VaultGemma)",
        keras_backbone="GemmaBackbone",
        keras_options={"use_post_ffw_norm": False},
        model_types=("gemma",),
        presets=(
            *("gemma_2b_en", "gemma_instruct_2b_en", "gemma_1.1_instruct_2b_en"),
            *("gemma_7b_en", "gemma_instruct_7b_en", "gemma_1.1_instruct_7b_en"),
            *("code_gemma_2b_en", "code_gemma_1.1_2b_en", "code_gemma_7b_en"),
            *("code_gemma_instruct_7b_en", "code_gemma_1.1_instruct_7b_en", "vault_gemma_1b_en"),
        ),
        context_length=8192,
        keras_feedforward_parts=2,
    ),
    Family(
        name="Gemma 2 (with ShieldGemma and C2S-Scale)",
        keras_backbone="GemmaBackbone",
        keras_options={"use_post_ffw_norm": True},
        model_types=("gemma2",),
        presets=(
            *("gemma2_2b_en", "gemma2_9b_en", "gemma2_27b_en"),
            *("gemma2_instruct_2b_en", "gemma2_instruct_9b_en", "gemma2_instruct_27b_en"),
            *("shieldgemma_2b_en", "shieldgemma_9b_en", "shieldgemma_27b_en"),
            *("c2s_scale_gemma_2_2b_en", "c2s_scale_gemma_2_27b_en"),
        ),
        context_length=8192,
        keras_feedforward_parts=2,
    ),
    Family(
        name="Gemma 3 text (with FunctionGemma, MedGemma and TranslateGemma)",
        keras_backbone="Gemma3Backbone",
        keras_towers=("ImageConverter", "VisionEncoder"),
        model_types=("gemma3_text", "gemma3"),
        presets=(
            *("gemma3_270m", "gemma3_1b", "gemma3_4b", "gemma3_12b", "gemma3_27b"),
            *("gemma3_4b_text", "gemma3_12b_text", "gemma3_27b_text"),
            *("gemma3_instruct_270m", "gemma3_instruct_1b", "gemma3_instruct_4b"),
            *("gemma3_instruct_12b", "gemma3_instruct_27b"),
            *("gemma3_instruct_4b_text", "gemma3_instruct_12b_text", "gemma3_instruct_27b_text"),
            "function_gemma_instruct_270m",
            *("medgemma_4b", "medgemma_instruct_4b", "medgemma_1.5_instruct_4b"),
            *("medgemma_instruct_27b", "medgemma_instruct_27b_text"),
            *("translategemma_4b_it", "translategemma_12b_it", "translategemma_27b_it"),
        ),
        context_length=32768,
    ),
    Family(
        name="Gemma 3n text",
        keras_backbone="Gemma3nBackbone",
        keras_towers=("ImageConverter", "AudioConverter"),
        model_types=("gemma3n_text", "gemma3n"),
        presets=("gemma3n_e2b", "gemma3n_e2b_it", "gemma3n_e4b", "gemma3n_e4b_it"),
        context_length=32768,
    ),
    Family(
        name="Gemma 4 text",
        keras_backbone="Gemma4Backbone",
        keras_towers=("ImageConverter", "VisionEncoder", "AudioConverter", "AudioEncoder", "VideoConverter"),
        model_types=("gemma4_text", "gemma4", "gemma4_unified_text", "gemma4_unified"),
        presets=(
            *("gemma4_2b", "gemma4_4b", "gemma4_26b_a4b", "gemma4_31b"),
            *("gemma4_instruct_2b", "gemma4_instruct_4b", "gemma4_instruct_26b_a4b", "gemma4_instruct_31b"),
        ),
        context_length=262_144,
        context_length_with_table=131_072,
        chat=GEMMA_4_CHAT,
    ),
)


def list_families() -> str:
    """The names of the families that are covered, for a message."""
    *names, last = (family.name for family in FAMILIES)
    return f"{', '.join(names)} and {last}"


def list_presets() -> tuple[str, ...]:
    """The names of all presets that are covered; keras-nlp knows more."""
    return tuple(name for family in FAMILIES for name in family.presets)


def find_family(config: Mapping[str, Any], name: str) -> Family:
    """The family of a model from its config.json; ``name`` is what the user calls it. Raises ModelError if none is."""
    what = config.get("class_name" if is_of_keras(config) else "model_type")
    if what is None:
        raise ModelError(f"{name}: config.json does not say what the model is; covered are {list_families()}")
    kind, why = str(what), explain_name(str(what))
    for sizes in (config, find_sizes(config)):
        if why is None and (found := explain_options(sizes, kind)) is not None:
            kind, why = f"{kind} with {found[0]} in config.json", found[1]
    family = next((family for family in FAMILIES if family.covers(config)), None)
    if family is None or why is not None:
        raise ModelError(f"{name}: {kind} is not covered{f': {why}' if why else ''}; covered are {list_families()}")
    return family


def is_of_keras(config: Mapping[str, Any]) -> bool:
    """Whether a config.json has Keras's format; otherwise it has transformers'."""
    return "registered_name" in config


def find_size_names(config: Mapping[str, Any]) -> SizeNames:
    """The names of sizes in the format of a config.json."""
    if not is_of_keras(config):
        return TRANSFORMERS_SIZES
    return KERAS_3N_SIZES if config.get("class_name") == "Gemma3nBackbone" else KERAS_SIZES


def find_sizes(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config.json with the language model's sizes: ``config`` in Keras's format, ``text_config`` in
    transformers' if the model also reads images."""
    inner = config.get("config" if is_of_keras(config) else "text_config")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else config
