"""A loaded model, and the facts that a result states of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import StopReason


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model: its decoder and tokenizer, and what a result must say about it.

    ``backbone`` is the Keras model whose weights the decoder runs; ``config_hash`` is of its configuration. Of a preset
    that was ``quantised``, copies of the weights are run, expanded to ``dtype``, and the backbone is gone (None).
    """

    name: str
    preset: str
    decoder: Decoder
    tokenizer: Tokenizer
    backbone: Any
    context_length: int
    config_hash: str
    quantised: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.decoder.embedding.device

    @property
    def dtype(self) -> str:
        """The weights' dtype, such as ``float32``."""
        return str(self.decoder.embedding.dtype).removeprefix("torch.")

    @property
    def stops(self) -> dict[int, StopReason]:
        """Token ids that end a completion."""
        stops = {self.tokenizer.eos_id: StopReason.END_OF_TEXT}
        if self.tokenizer.end_of_turn_id is not None:
            stops[self.tokenizer.end_of_turn_id] = StopReason.END_OF_TURN
        return stops


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a result says of its model, where the model itself is loaded in another process.

    ``n_bytes`` is the most that its weights take while they are loaded, ``quantised`` how they were before they were
    expanded, ``versions`` are those of that process.
    """

    name: str
    preset: str
    dtype: str
    device: str
    config_hash: str
    n_bytes: int
    versions: Mapping[str, str]
    quantised: str | None = None
