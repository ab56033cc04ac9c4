"""The families of Gemma that the decoder covers: one table, which everything else asks.

A preset's config.json says what its model is, in one of two formats: Keras's names a backbone class, transformers'
a ``model_type``. What is in no row here is refused from that file alone, before weights are fetched.

To add a family, add a row; what its layers do beside those of the others belongs to the room ``decoder``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.text.tokenizer import TURN_MARKS


@dataclass(frozen=True, kw_only=True)
class SizeNames:
    """What a format calls the sizes of a language model."""

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
    model reads, where its configuration does not say. ``keras_feedforward_parts`` is how many matrices Keras's
    feed-forward width counts together: 2 where it is gate and up. ``turn_marks`` open and close a turn of a chat.
    """

    name: str
    keras_backbone: str
    model_types: tuple[str, ...]
    context_length: int
    keras_options: Mapping[str, bool] = field(default_factory=dict[str, bool])
    keras_feedforward_parts: int = 1
    turn_marks: tuple[str, str] = TURN_MARKS

    def covers(self, config: Mapping[str, Any]) -> bool:
        """Whether a config.json is that of a model of this family."""
        if not is_of_keras(config):
            return config.get("model_type") in self.model_types
        sizes = find_sizes(config)
        options = {name: bool(sizes.get(name)) for name in self.keras_options}
        return config.get("class_name") == self.keras_backbone and options == self.keras_options


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
# A model with one of these reads a text from both ends, or ends in a vector: it predicts no next token.
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
    """Whether keras-nlp takes a config.json for one of its own; otherwise transformers wrote it."""
    return "registered_name" in config


def find_size_names(config: Mapping[str, Any]) -> SizeNames:
    """What the format of a config.json calls sizes."""
    return KERAS_SIZES if is_of_keras(config) else TRANSFORMERS_SIZES


def find_sizes(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a config.json has the sizes of the language model: Keras's within ``config``, transformers' within
    ``text_config`` if it also reads images."""
    inner = config.get("config" if is_of_keras(config) else "text_config")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else config
