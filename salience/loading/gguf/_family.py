"""The family of a GGUF file's model."""

from __future__ import annotations

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.families import Family, find_family
from promptlight.salience.loading.gguf._header import Header
from promptlight.salience.text.chat import GEMMA_4_CHAT

ARCHITECTURE = "general.architecture"
COVERED = ("gemma", "gemma2", "gemma3")  # llama.cpp's names, which are also transformers'

_HERE_ALONE = {  # families that no other format is read of yet
    "gemma3n": Family(
        name="Gemma 3n text",
        keras_backbone="Gemma3nBackbone",
        model_types=("gemma3n",),
        presets=(),
        context_length=32768,
    ),
    "gemma4": Family(
        name="Gemma 4 text",
        keras_backbone="Gemma4Backbone",
        model_types=("gemma4",),
        presets=(),
        context_length=131_072,
        chat=GEMMA_4_CHAT,
    ),
}


def find_gguf_family(header: Header) -> Family:
    """The family of a GGUF file's model. Raises ModelError if it is not covered, or if the file is no whole model."""
    name = header.fields.get(ARCHITECTURE)
    if (kind := header.fields.get("general.type", "model")) != "model":
        raise ModelError(f"{header.name}: general.type is {kind}; expected the GGUF file of a whole model")
    if name is None:
        raise ModelError(f"{header.name}: its header does not say what the model is (no {ARCHITECTURE})")
    if (here := _HERE_ALONE.get(str(name))) is not None:
        return here
    return find_family({"model_type": name if name in COVERED else f"the architecture {name}"}, header.name)
