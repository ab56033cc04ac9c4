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
from promptlight.salience.text.chat import GEMMA_CHAT, ChatFormat


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

    ``keras_options`` tell families apart that share a Keras backbone class. ``context_length`` is how many tokens a
    model reads if its configuration does not say. ``keras_feedforward_parts`` is how many matrices Keras's feed-forward
    width counts together: 2 for gate and up. ``chat`` is how they read a chat.
    """

    name: str
    keras_backbone: str
    model_types: tuple[str, ...]
    context_length: int
    keras_options: Mapping[str, bool] = field(default_factory=dict[str, bool])
    keras_feedforward_parts: int = 1
    chat: ChatFormat = GEMMA_CHAT

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
        name="Gemma 1 and 1.1 (with CodeGemma)",
        keras_backbone="GemmaBackbone",
        keras_options={"use_post_ffw_norm": False},
        model_types=("gemma",),
        context_length=8192,
        keras_feedforward_parts=2,
    ),
    Family(
        name="Gemma 2 (with ShieldGemma)",
        keras_backbone="GemmaBackbone",
        keras_options={"use_post_ffw_norm": True},
        model_types=("gemma2",),
        context_length=8192,
        keras_feedforward_parts=2,
    ),
    Family(
        name="Gemma 3 text",
        keras_backbone="Gemma3Backbone",
        model_types=("gemma3_text", "gemma3"),
        context_length=32768,
    ),
)
# Models with one of these are bidirectional or return a vector: they don't predict a next token.
EMBEDDING_OPTIONS = ("use_bidirectional_attention", "is_embedding_model")


def list_families() -> str:
    """The names of the families that are covered, for a message."""
    *names, last = (family.name for family in FAMILIES)
    return f"{', '.join(names)} and {last}"


def find_family(config: Mapping[str, Any], name: str) -> Family:
    """The family of a model from its config.json; ``name`` is what the user calls it. Raises ModelError if none is."""
    found = next((family for family in FAMILIES if family.covers(config)), None)
    embeds = any(find_sizes(config).get(option) for option in EMBEDDING_OPTIONS)
    if found is not None and not embeds:
        return found
    what = config.get("class_name" if is_of_keras(config) else "model_type")
    if what is None:
        raise ModelError(f"{name}: config.json does not say what the model is; covered are {list_families()}")
    raise ModelError(f"{name}: {what}{' for embeddings' * embeds} is not covered; covered are {list_families()}")


def is_of_keras(config: Mapping[str, Any]) -> bool:
    """Whether a config.json has Keras's format; otherwise it has transformers'."""
    return "registered_name" in config


def find_size_names(config: Mapping[str, Any]) -> SizeNames:
    """The names of sizes in the format of a config.json."""
    return KERAS_SIZES if is_of_keras(config) else TRANSFORMERS_SIZES


def find_sizes(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config.json with the language model's sizes: ``config`` in Keras's format, ``text_config`` in
    transformers' if the model also reads images."""
    inner = config.get("config" if is_of_keras(config) else "text_config")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else config
