"""A model's tokenizer without the model."""

from __future__ import annotations

from pathlib import Path

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import check_folder, parse_handle
from promptlight.salience.loading.presets import VOCABULARIES, check_link
from promptlight.salience.text.tokenizer import Tokenizer


def load_tokenizer(handle: str) -> Tokenizer:
    """A model's tokenizer alone; of a folder, or the demo model, without torch and Keras. Raises ModelError."""
    parsed = parse_handle(handle)
    if parsed.is_folder:
        check_folder(Path(parsed.preset))
        found = [path for name in VOCABULARIES if (path := Path(parsed.preset) / name).is_file()]
        if not found:
            raise ModelError(f"{parsed.preset}: expected {' or '.join(VOCABULARIES)} in it, found neither")
        check_link(Path(parsed.preset), found[0], parsed.preset)
        return Tokenizer.from_file(found[0])
    from promptlight.salience.loading.load import load_preset_tokenizer

    return load_preset_tokenizer(parsed)
