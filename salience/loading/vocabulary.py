"""Load a model's tokenizer without the model."""

from __future__ import annotations

from pathlib import Path

from promptlight.salience.loading._preset_files import explaining_errors, find_vocabulary
from promptlight.salience.loading._tokenizer_files import read_tokenizer
from promptlight.salience.loading.families import find_family
from promptlight.salience.loading.gguf._shards import read_model_header
from promptlight.salience.loading.gguf._vocabulary import build_tokenizer
from promptlight.salience.loading.handles import parse_handle
from promptlight.salience.text.tokenizer import Tokenizer


def load_tokenizer(handle: str) -> Tokenizer:
    """Load only a model's tokenizer; for what is on this disk, without torch and Keras. Raises ModelError."""
    parsed = parse_handle(handle)
    if parsed.is_gguf:
        return build_tokenizer(read_model_header(Path(parsed.preset)))
    folder, config = find_vocabulary(parsed)
    family = find_family(config, parsed.preset)
    with explaining_errors(parsed):
        return read_tokenizer(folder, config, family, parsed.preset)
