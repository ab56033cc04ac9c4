"""A loaded model, and the facts about it that results record."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import StopReason

PACKAGES = ("promptlight", "keras-nlp", "keras-hub", "keras", "torch", "sentencepiece", "pyarrow", "gguf")


def _find_versions() -> dict[str, str]:
    """Versions of Python, and of all packages that can change results; not all are needed everywhere."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known about a model after loading it, here or in another process: everything that results record.

    ``name`` is the user's name for the model, ``preset`` what was loaded; ``device`` and ``dtype`` are torch's names.
    ``config_hash`` is of the configuration, ``context_length`` in tokens. ``n_bytes`` is the peak memory of the weights
    during loading. A ``quantised`` model runs on copies of its weights, expanded to ``dtype``. ``file_sha256`` is of a
    model that is one file. ``n_experts`` are those of a layer, from which a router chooses. ``versions`` are those of
    the process that loaded it.
    """

    name: str
    preset: str
    dtype: str
    device: str
    config_hash: str
    context_length: int
    n_bytes: int
    quantised: str | None = None
    file_sha256: str | None = None
    adapter: str | None = None
    adapter_sha256: str | None = None
    n_experts: int = 0
    versions: Mapping[str, str] = field(default_factory=_find_versions)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model: its decoder, its tokenizer and its facts."""

    decoder: Decoder
    tokenizer: Tokenizer
    facts: ModelFacts

    def __repr__(self) -> str:
        return f"<Model {self.facts.name}: {self.facts.dtype} on {self.facts.device}>"

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.decoder.embedding.device

    @property
    def dtype(self) -> str:
        """The weights' dtype, such as ``float32``."""
        return self.facts.dtype

    @property
    def stops(self) -> dict[int, StopReason]:
        """Token ids that end a completion."""
        return {self.tokenizer.eos_id: StopReason.END_OF_TEXT, **self.tokenizer.chat_stops}
