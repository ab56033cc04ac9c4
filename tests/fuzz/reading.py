"""Read a whole prompt file, as several surfaces do."""

from __future__ import annotations

from promptlight.io.prompts.reader import PromptReader
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.fuzz.surface import assert_says


def read_all(reader: PromptReader) -> list[Prompt | SetAside] | None:
    """All records; None if the file is refused, which must say what was expected."""
    try:
        return list(reader)
    except InputError as error:
        assert_says(error, "expected")
        return None
