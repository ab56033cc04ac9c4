"""The family of a GGUF file's model."""

from __future__ import annotations

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.families import Family, find_family
from promptlight.salience.loading.gguf._header import Header

ARCHITECTURE = "general.architecture"
COVERED = ("gemma", "gemma2", "gemma3", "gemma3n", "gemma4")  # llama.cpp's names, which are also transformers'


def find_gguf_family(header: Header) -> Family:
    """The family of a GGUF file's model. Raises ModelError if it is not covered, or if the file is no whole model."""
    name = header.fields.get(ARCHITECTURE)
    if (kind := header.fields.get("general.type", "model")) != "model":
        raise ModelError(f"{header.name}: general.type is {kind}; expected the GGUF file of a whole model")
    if name is None:
        raise ModelError(f"{header.name}: its header does not say what the model is (no {ARCHITECTURE})")
    return find_family({"model_type": name if name in COVERED else f"the architecture {name}"}, header.name)
