"""A GGUF file as a model: what it is, before its tensors are read, and then its decoder and its tokenizer."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from promptlight.salience.loading._source import Loaded
from promptlight.salience.loading.architecture import Architecture, hash_architecture
from promptlight.salience.loading.assemble import assemble_decoder
from promptlight.salience.loading.gguf._architecture import read_architecture
from promptlight.salience.loading.gguf._header import Header, TensorPlace
from promptlight.salience.loading.gguf._names import TABLE
from promptlight.salience.loading.gguf._rows import find_table
from promptlight.salience.loading.gguf._shards import hash_files, read_model_header
from promptlight.salience.loading.gguf._tensors import TensorReader, check_tensors, describe_quantisation
from promptlight.salience.loading.gguf._vocabulary import build_tokenizer


@dataclass(frozen=True, kw_only=True)
class GgufModel:
    """A GGUF file whose header is read and checked; ``quantised`` says how, such as ``Q4_K_M: Q4_K, Q6_K``."""

    header: Header
    architecture: Architecture
    places: Mapping[str, TensorPlace]
    quantised: str | None

    def load(self, device: torch.device, dtype: torch.dtype) -> Loaded:
        """Load it; the SHA-256 of the files is computed while tensors are dequantised."""
        tokenizer = build_tokenizer(self.header)
        with ThreadPoolExecutor(1) as pool:
            digest = pool.submit(hash_files, self.header.paths)
            reader = TensorReader(self.places, self.architecture.norm_offset, dtype)
            table = find_table(self.places[TABLE], self.header.name) if TABLE in self.places else None
            decoder = assemble_decoder(self.architecture, reader.read, device=device, dtype=dtype, table=table)
            return Loaded(
                decoder=decoder,
                tokenizer=tokenizer,
                config_hash=hash_architecture(self.architecture),
                file_sha256=digest.result(),
            )


def open_gguf(path: Path) -> GgufModel:
    """Read and check the header of a GGUF file, or of all shards if it is one. Raises ModelError."""
    header = read_model_header(path)
    architecture = read_architecture(header)
    places = check_tensors(header, architecture)
    quantised = describe_quantisation(header, places)
    return GgufModel(header=header, architecture=architecture, places=places, quantised=quantised)
