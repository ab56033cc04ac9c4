"""Find the spans of the completion that a user asks about: by number, section, text or pattern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import regex

from promptlight.salience.errors import UsageError
from promptlight.salience.text.patterns import find_matches
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import Role, Span

WORD = regex.compile(r"[\w'-]+")


def find_target_spans(spans: Sequence[Span], choice: str | None) -> list[Span]:
    """The spans of the completion that a user chose.

    None selects all. A number selects one, counted from 1, or from the end if negative. The name of a section, such as
    ``thought``, selects its spans. Anything else is searched as plain text, then as a regular expression, and selects
    the spans that the first match touches. Raises UsageError if nothing matches.
    """
    targets = [span for span in spans if span.role is Role.COMPLETION]
    if not targets:
        raise UsageError(
            "expected a target in the completion, but that is empty: let the model write more, or stop it later"
        )
    if choice is None:
        return targets
    if regex.fullmatch(r"-?\d{1,18}", choice):
        return [_pick_number(targets, int(choice))]
    if named := [span for span in targets if span.section == choice]:
        return named
    start, stop = _find_text(targets, choice)
    places = pairwise([0, *_stops(targets)])
    return [span for span, (first, last) in zip(targets, places, strict=True) if first < stop and last > start]


def _stops(spans: Sequence[Span]) -> Iterator[int]:
    """Where each span ends in the joined text of all spans."""
    place = 0
    for span in spans:
        place += len(span.text)
        yield place


def _pick_number(targets: Sequence[Span], number: int) -> Span:
    if not 1 <= abs(number) <= len(targets):
        raise UsageError(
            f"target {number}: expected a span from 1 to {len(targets)} (or -1 to -{len(targets)}, from the end) of "
            f"{_list_spans(targets)}; to look for the number as text, put its first digit in brackets, as in [4]2"
        )
    return targets[number - 1 if number > 0 else number]


def _find_text(targets: Sequence[Span], choice: str) -> tuple[int, int]:
    """The range of the first match in the joined text of all spans."""
    text = "".join(span.text for span in targets)
    start = text.find(choice) if choice else -1
    if start >= 0:
        return start, start + len(choice)
    missing = f"target {choice!r}: expected text, or a pattern that matches some, of {_list_spans(targets)}"
    matches = find_matches(choice, text, f"{missing}; it is not in that text, and as a pattern it fails")
    found = next(((start, stop) for start, stop in matches if start < stop), None)
    if found is None:
        sections = [span.section for span in targets if span.section]
        raise UsageError(f"{missing}; found none{suggest(choice, [*sections, *WORD.findall(text)])}")
    return found


def _list_spans(targets: Sequence[Span]) -> str:
    """The first spans with their numbers, each short enough to read."""
    texts = [span.text.strip() or span.text for span in targets[:6]]
    shown = [text if len(text) <= 24 else text[:23] + "…" for text in texts]
    listed = ", ".join(f"{number} {text!r}" for number, text in enumerate(shown, 1))
    return listed + (", ..." if len(targets) > len(shown) else "")
