"""Templates: any text and record give a prompt or an error, and a value is inserted unchanged and never inspected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from promptlight.io.prompts.jsonline import RecordError
from promptlight.io.prompts.template import Template
from promptlight.salience.errors import InputError
from tests.fuzz.surface import HALVES, TEXTS, WHOLE_TEXTS, Surface, assert_says, split_texts

Part = tuple[str, bool]  # text as it is, or a placeholder's name


@dataclass(frozen=True)
class Filling:
    """A template's text, and the record whose fields fill it."""

    text: str
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Guarded(str):
    """A text that a template may only copy."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("__class__", "__str__"):
            return super().__getattribute__(name)
        raise AssertionError(f"looked for {name}")

    def __format__(self, _: str) -> str:
        raise AssertionError("formatted")

    def __getitem__(self, _: Any) -> str:
        raise AssertionError("indexed")


def check(filling: Filling) -> None:
    parts = parse_by_hand(filling.text)
    names = [text for text, is_name in parts or () if is_name]
    try:
        template = Template(filling.text)
    except InputError as error:
        template = None
        assert_says(error, "expected a template")
    assert (template is None) == (not names)
    if template is None:
        return
    assert template.names == list(dict.fromkeys(names))
    record = filling.record
    guarded = {name: Guarded(value) if isinstance(value, str) else value for name, value in record.items()}
    can_fill = all(type(record.get(name)) in (str, int, float) for name in names)
    try:
        filled = template.fill(guarded)
    except RecordError as error:
        filled = None
        assert_says(error, "expected ")
    assert filled == (fill_by_hand(parts or [], record) if can_fill else None)
    marks = {name: f"<{{{number}}}{{{name}.x}}>" for number, name in enumerate(names)}
    assert template.fill(marks) == fill_by_hand(parts or [], marks)


def parse_by_hand(text: str) -> list[Part] | None:
    """Parse a template character by character; None if it is broken."""
    parts: list[Part] = []
    rest = text
    while rest:
        character, rest = rest[0], rest[1:]
        if character in "{}" and rest.startswith(character):
            rest = rest[1:]
            parts.append((character, False))
        elif character == "{":
            name, closing, rest = rest.partition("}")
            if not closing or not name.strip() or any(mark in name for mark in "{:!"):
                return None
            parts.append((name.strip(), True))
        elif character == "}":
            return None
        else:
            parts.append((character, False))
    return parts


def fill_by_hand(parts: list[Part], record: Mapping[str, Any]) -> str:
    return "".join(str(record[text]) if is_name else text for text, is_name in parts)


def from_bytes(data: bytes) -> Filling:
    """Make a case: a text, then names and values in turn."""
    text, *rest = split_texts(data, 7)
    text = HALVES.sub("\ufffd", text)  # templates are read from UTF-8
    return Filling(text, dict(zip(rest[::2], rest[1::2], strict=True)))


FIELDS = st.sampled_from(["x", "y", "x.__class__", "x[0]", "0", ""]) | TEXTS
VALUES = TEXTS | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(TEXTS, max_size=2)
PIECES = st.sampled_from(
    ["{x}", "{y}", "{ x }", "{{", "}}", "{", "}", "{x!r}", "{x:>9}", "{x.__class__}", "{x[0]}", "{}", "{0}", "{x{y}}"]
)
SEEDS = (
    b"Question: {x}\n{{as it is}} {y}\xffx\xffwhy {y}?\xffy\xff7",
    b"{x.__class__} {x[0]} {x!r}\xffx.__class__\xffa\xffx[0]\xffb",
)
SURFACE = Surface(
    cases=st.builds(
        Filling, st.lists(PIECES | WHOLE_TEXTS, max_size=6).map("".join), st.dictionaries(FIELDS, VALUES, max_size=4)
    ),
    from_bytes=from_bytes,
    check=check,
    seeds=SEEDS,
    found=(
        Filling("{x}", {"\ud800": None}),  # the reason quoted a lone surrogate, which can't be stored
        Filling("{x[0s}} ]}", {}),  # Python's format strings take braces within [ ] as part of the name
        Filling("{x!\0}", {"x": "a"}),  # and treat this as {x}
    ),
)
