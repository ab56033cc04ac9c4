"""A loaded model, and the facts that a result states of it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import StopReason

PACKAGES = ("promptlight", "keras-nlp", "keras-hub", "keras", "torch", "sentencepiece", "pyarrow")


def _find_versions() -> dict[str, str]:
    """Versions of Python, and of all packages that can change a number."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a model once it is loaded, here or in another process: all that a result says of it.

    ``name`` and ``preset`` are what the user calls it and what was loaded; ``device`` and ``dtype`` are torch's names.
    ``config_hash`` is of the configuration, ``context_length`` in tokens. ``n_bytes`` is the most that the weights take
    while they are loaded. A preset that was ``quantised`` runs on copies of its weights, expanded to ``dtype``.
    ``versions`` are those of the process that loaded it.
    """

    name: str
    preset: str
    dtype: str
    device: str
    config_hash: str
    context_length: int
    n_bytes: int
    quantised: str | None = None
    versions: Mapping[str, str] = field(default_factory=_find_versions)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model: its decoder and tokenizer, and the facts of it."""

    decoder: Decoder
    tokenizer: Tokenizer
    facts: ModelFacts

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.decoder.embedding.device

    @property
    def dtype(self) -> str:
        """The weights' dtype, such as ``float32``."""
        return self.facts.dtype

    @property
    def stops(self) -> dict[int, StopReason]:
        """Token ids that end a completion."""
        stops = {self.tokenizer.eos_id: StopReason.END_OF_TEXT}
        if self.tokenizer.end_of_turn_id is not None:
            stops[self.tokenizer.end_of_turn_id] = StopReason.END_OF_TURN
        return stops
