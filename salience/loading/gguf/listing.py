"""Say what a GGUF file is without loading it, for ``promptlight doctor``."""

from __future__ import annotations

from pathlib import Path

from promptlight.salience.loading.gguf._family import find_gguf_family
from promptlight.salience.loading.gguf._shards import read_model_header
from promptlight.salience.loading.gguf._tensors import describe_quantisation


def describe_file(path: Path) -> str:
    """``x.gguf (Q4_K_M: Q4_K, Q6_K)``. Raises ModelError if it is of no covered family, damaged or can't be read."""
    header = read_model_header(path)
    find_gguf_family(header)
    quantised = describe_quantisation(header, header.tensors)
    return f"{path} ({quantised})" if quantised else str(path)
