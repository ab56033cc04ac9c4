"""A folder of transformers as a model: what its config.json says, and then its decoder and its tokenizer."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from promptlight.salience.decoder.free_memory import return_freed_memory
from promptlight.salience.loading._source import Loaded, Source
from promptlight.salience.loading._tokenizer_files import read_tokenizer
from promptlight.salience.loading.architecture import hash_architecture
from promptlight.salience.loading.assemble import assemble_decoder
from promptlight.salience.loading.families import Family
from promptlight.salience.loading.model_size import measure_architecture
from promptlight.salience.loading.transformers._config import read_architecture
from promptlight.salience.loading.transformers._tensors import find_tensors


def open_transformers(name: str, config: Mapping[str, Any], family: Family, find_folder: Callable[[], Path]) -> Source:
    """A model from its config.json; ``name`` is what the user calls it. Raises ModelError."""
    architecture = read_architecture(config, name)

    def load(device: torch.device, dtype: torch.dtype) -> Loaded:
        folder = find_folder()
        stored = find_tensors(folder, name, architecture, frozenset(config))
        tokenizer = read_tokenizer(folder, config, family, name)
        return_freed_memory()  # of a parsed tokenizer.json
        read = partial(stored.read, dtype=dtype)
        return Loaded(
            decoder=assemble_decoder(stored.architecture, read, device=device, dtype=dtype, table=stored.table),
            tokenizer=tokenizer,
            config_hash=hash_architecture(stored.architecture),
        )

    return Source(size=measure_architecture(architecture), context_length=architecture.context_length, load=load)
