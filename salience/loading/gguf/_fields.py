"""The fields of a GGUF header: those that change numbers, those that don't. Any other is refused by name.

Keys are written without the architecture in front: ``block_count`` is ``gemma3.block_count`` in the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._header import Header

USED = {
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.scale",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.causal",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "pooling_type",
    "expert_count",
    "vocab_size",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.global.freq_base",  # Ollama's name for rope.freq_base
    "rope.local.freq_base",  # Ollama's name for rope.freq_base_swa
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",  # an older name for rope.scaling.factor
}
_PER_LAYER = {"attention.shared_kv_layers", "embedding_length_per_layer_input"}
USED_BY = {
    "gemma4": _PER_LAYER
    | {
        "attention.key_length_swa",
        "attention.value_length_swa",
        "expert_feed_forward_length",
        "expert_used_count",
        "rope.dimension_count_swa",
    },
    "gemma3n": _PER_LAYER
    | {
        "activation_sparsity_scale",
        "altup.active_idx",
        "altup.num_inputs",
        "altup.correct_scale",  # Ollama's, like the next two
        "head_dim",  # attention.key_length
        "rope.freq_base_local",  # rope.freq_base_swa
    },
}
HARMLESS = {
    "rope.scaling.original_context_length",  # for yarn alone
    "rope.scaling.finetuned",
    "mm.tokens_per_image",  # Ollama keeps the part that reads images in the same file
    "expert_used_count",  # where expert_count is 0
    "altup.lr_multiplier",  # for training
}
HARMLESS_PARTS = ("vision.", "audio.")
ELSEWHERE = ("general.", "tokenizer.", "quantize.", "split.")  # names, licences; the vocabulary, the shards


@dataclass(frozen=True)
class Fields:
    """The fields of an architecture, with their types checked. Every method raises ModelError."""

    header: Header
    architecture: str

    def refuse_unknown(self) -> None:
        """Refuse a field that could change what the model computes."""
        prefix = f"{self.architecture}."
        for key in self.header.fields:
            short = key.removeprefix(prefix)
            known = short in USED | HARMLESS | USED_BY.get(self.architecture, set()) or short.startswith(HARMLESS_PARTS)
            if key.startswith(prefix) and not known:
                raise self.refused(short, "which promptlight does not know and may change what the model computes")
            if not key.startswith((prefix, *ELSEWHERE)):
                raise ModelError(f"{self.header.name}: has the key {key}, which does not belong to {self.architecture}")

    def find(self, *keys: str) -> Any:
        """The value of the first of the keys that is there; None if none is."""
        return next((value for key in keys if (value := self.header.fields.get(self._full(key))) is not None), None)

    def size(self, key: str, default: int | None = None) -> int:
        """A positive whole number. A list with one for each layer, all equal, also counts."""
        value = self.find(key)
        if isinstance(value, np.ndarray) and len(set(value.tolist())) == 1:
            value = value.tolist()[0]
        if value is None and default is not None:
            return default
        if value is None:
            raise self.missing(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.refused(key, "expected one whole number above 0")
        return value

    def sizes(self, key: str, n: int, default: int | None = None) -> list[int]:
        """A positive whole number for each of ``n`` layers; one stands for all."""
        value = self.find(key)
        if not isinstance(value, np.ndarray):
            return [self.size(key, default)] * n
        sizes: list[Any] = value.tolist()
        if len(sizes) != n or not all(type(one) is int and one > 0 for one in sizes):
            raise self.refused(key, f"expected one whole number above 0 for each of {n} layers")
        return sizes

    def count(self, key: str) -> int:
        """A whole number that may be 0, as it is if the field is absent; some converters write it as a float."""
        value = self.find(key)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value % 1:
            raise self.refused(key, "expected a whole number")
        return int(value)

    def number(self, *keys: str) -> float | None:
        """A number that is not negative; None if it is absent or 0, which means "not used"."""
        value = self.find(*keys)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value < math.inf):
            raise self.refused(keys[0], "expected a number")
        narrow = np.float32(value)
        return (float(str(narrow)) if narrow == value else float(value)) or None  # 1e-6, not 9.999999974752427e-07

    def values(self, key: str) -> NDArray[Any]:
        """A list of numbers, or of yes and no."""
        value: Any = self.find(key)
        if value is None:
            raise self.missing(key)
        if not isinstance(value, np.ndarray):
            raise self.refused(key, "expected a list")
        return cast("NDArray[Any]", value)

    def missing(self, key: str) -> ModelError:
        """An error about a field that is not there."""
        return ModelError(f"{self.header.name}: its header has no {self._full(key)}")

    def refused(self, key: str, reason: str) -> ModelError:
        """An error about a field."""
        value = str(self.find(key))
        shown = value if len(value) <= 60 else f"{value[:57]}..."
        return ModelError(f"{self.header.name}: {self._full(key)} is {shown}; {reason}")

    def _full(self, key: str) -> str:
        return f"{self.architecture}.{key}"
