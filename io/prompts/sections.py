"""Read names for parts of prompts: from a file of patterns, or from a record's field ``sections``.

The file is TOML, one ``name = 'regular expression'`` a line.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, cast

from promptlight.io.prompts.jsonline import RecordError, kind_of
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.text.sections import count_blanks, find_sections, locate_section, order_sections
from promptlight.salience.types import Section, Turn

WHAT_IS_EXPECTED = "expected lines such as  example = '^Suggestion.*'"


def read_section_patterns(path: str | Path) -> dict[str, str]:
    """Name -> pattern, in the file's order. Raises InputError if there are none, or for an invalid pattern."""
    try:
        read = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found no readable file ({error.strerror})") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found no TOML: {error}") from error
    if not read:
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found none")
    for name, pattern in read.items():
        if not isinstance(pattern, str):
            raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found {name!r} without a text")
        try:
            find_sections("", {name: pattern})
        except UsageError as error:
            reason = f"{WHAT_IS_EXPECTED}, found {name!r} with a pattern that fails: {error}"
            raise InputError(str(path), None, reason) from error
    return read


def read_sections(record: dict[str, Any], text: str, turns: tuple[Turn, ...]) -> tuple[Section, ...]:
    """The named parts of a prompt, in order; ranges count characters of the field ``prompt``."""
    wanted = record.get("sections")
    if wanted is None:
        return ()
    if not isinstance(wanted, dict):
        raise RecordError(f"expected `sections` to be an object of names and texts, found {kind_of(wanted)}")
    sections: list[Section] = []
    try:
        for name, value in cast("dict[str, Any]", wanted).items():
            if value is None:  # a table has every name in every row
                continue
            if not isinstance(value, str):
                start, stop = _read_range(name, value, record)
                if turns:  # chat messages are stripped
                    shift = turns[0].start - count_blanks(record["prompt"])
                    start, stop = max(start + shift, turns[0].start), min(stop + shift, turns[0].stop)
                sections.append(Section(name=name, start=start, stop=stop))
            else:
                sections.append(locate_section(name, value, text))
        return order_sections(sections)
    except ValueError as error:
        raise RecordError(str(error)) from error


def _read_range(name: str, value: Any, record: dict[str, Any]) -> tuple[int, int]:
    """Read a range [start, stop] that contains some text."""
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    if len(numbers) != 2 or not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise ValueError(f"expected section {name!r} to be text or [start, stop], found {kind_of(value)}")
    start, stop = numbers
    prompt = record.get("prompt")
    if not isinstance(prompt, str):
        raise ValueError(f"expected section {name!r} of a chat to be text, found a range; copy the text")
    if not 0 <= start < stop <= len(prompt) or not prompt[start:stop].strip():
        raise ValueError(
            f"expected section {name!r} to be some text from 0 to {len(prompt)}, found [{start}, {stop}]; count "
            "characters of `prompt`"
        )
    return start, stop
