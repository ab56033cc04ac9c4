"""Load a model's tokenizer without the model."""

from __future__ import annotations

from promptlight.salience.loading._preset_files import find_vocabulary
from promptlight.salience.loading.families import find_family
from promptlight.salience.loading.handles import parse_handle
from promptlight.salience.text.tokenizer import Tokenizer


def load_tokenizer(handle: str) -> Tokenizer:
    """Load only a model's tokenizer; for a folder or the demo model, without torch and Keras. Raises ModelError."""
    parsed = parse_handle(handle)
    path, config = find_vocabulary(parsed)
    return Tokenizer.from_file(path, find_family(config, parsed.preset).turn_marks)
