"""Select records by id and by the values of their fields."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from promptlight.io.prompts._fields import find_field
from promptlight.salience.errors import UsageError
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import Analysis, Prompt, SetAside

N_LISTED = 8
Item = TypeVar("Item")


def parse_condition(text: str) -> tuple[str, str]:
    """``name=value`` as a pair. Raises UsageError for anything else."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"expected a condition such as source=fewshot-mistake, found {text!r}")
    return name.strip(), value


def matches(prompt: Prompt, ids: Collection[str], conditions: Sequence[tuple[str, str]]) -> bool:
    """Whether a prompt has one of the ids, if any are given, and every one of the values, compared as text."""
    values = _values_of_prompt(prompt)
    return (not ids or prompt.id in ids) and all(values.get(name) == value for name, value in conditions)


class Values(Mapping[str, str]):
    """The fields that a condition can name, with values as text or JSON; null fields are left out.

    A name may have dots (``_fields.py``); of those fields, only the outermost are listed.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        _, value = find_field(self._fields, name)
        if value is None:
            raise KeyError(name)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self._fields.items() if value is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def values_of(id: str, label: str | None, target: str | None, fields: Mapping[str, Any]) -> Values:
    """The values of a record, or of a result."""
    return Values({**fields, "id": id, "source": label, "target": target})


def _values_of_prompt(prompt: Prompt) -> Values:
    return values_of(prompt.id, prompt.label, prompt.given_completion, prompt.fields)


def select_results(
    results: Iterable[Analysis | SetAside], ids: Collection[str], conditions: Sequence[tuple[str, str]]
) -> Iterator[Analysis]:
    """The results that match, without those that were skipped.

    Raises UsageError after the last result if there was a condition and nothing matched; it lists the values found.
    """
    notes: list[str] = []

    def explained() -> Iterator[tuple[Analysis, Values]]:
        for result in results:
            if isinstance(result, Analysis):
                yield result, _values_of_prompt(result.completion.prompt)
            elif result.id in ids:
                notes.append(f"{result.id} was skipped: {result.reason}")

    return select_by_values(explained(), ids, conditions, notes)


def select_by_values(
    items: Iterable[tuple[Item, Mapping[str, str]]],
    ids: Collection[str],
    conditions: Sequence[tuple[str, str]],
    notes: Sequence[str] = (),
) -> Iterator[Item]:
    """The items whose values (``values_of``) match.

    Raises UsageError after the last item if there was a condition and nothing matched; it gives the notes, and lists
    the values found.
    """
    there: dict[str, dict[str, None]] = {"id": {}} if ids else {}  # name -> its first values
    there |= {name: {} for name, _ in conditions}
    names: dict[str, None] = {}
    n_found = 0
    for item, values in items:
        if (not ids or values["id"] in ids) and all(values.get(name) == value for name, value in conditions):
            n_found += 1
            yield item
        elif not n_found:
            names |= dict.fromkeys(values)
            for name in there:
                if name in values and len(there[name]) <= N_LISTED:
                    there[name][values[name]] = None
    if there and not n_found:
        asked = [" or ".join(f"id={id}" for id in ids)] * bool(ids) + [f"{name}={value}" for name, value in conditions]
        wanted = {"id": list(ids)} | {name: [value] for name, value in conditions}
        described = (_describe(name, wanted[name], list(values), list(names)) for name, values in there.items())
        found = [*notes, *described]
        raise UsageError(f"expected results with {' and '.join(asked)}, found none; {'; '.join(found)}")


def _describe(name: str, wanted: Sequence[str], values: list[str], names: list[str]) -> str:
    """List some of a field's values, or the existing fields if there is no such field, and guess what was meant."""
    if not values:
        could_be = _list(names) or "none, as there are no results"
        return f"no result has a field {name!r}: it could be {could_be}{suggest(name, names)}"
    return f"{name} could be {_list(values)}{''.join(suggest(one, values) for one in wanted[:1])}"


def _list(texts: list[str]) -> str:
    shown = [text if len(text) <= 40 else f"{text[:39]}…" for text in texts[:N_LISTED]]
    return ", ".join([*shown, *["..."] * (len(texts) > N_LISTED)])
