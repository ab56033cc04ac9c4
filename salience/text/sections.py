"""Named parts of a prompt, such as "example 1" or "question", to ask which of them mattered.

They come from the record, as text or as a range, or from patterns that are searched in every prompt. A chat without
sections uses its turns instead. As with lines, blanks and line feeds after a section belong to it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from promptlight.salience.text.patterns import find_matches
from promptlight.salience.types import Analysis, Granularity, Prompt, Section


def locate_section(name: str, wanted: str, text: str) -> Section:
    """Find the one place of a section's text. Raises ValueError if it occurs nowhere or more than once."""
    start = text.find(wanted) if wanted.strip() else -1
    if start < 0:
        raise ValueError(f"expected the text of section {name!r} in the prompt, found it nowhere; copy it from there")
    if text.find(wanted, start + 1) >= 0:
        raise ValueError(f"expected the text of section {name!r} once, found it again; give [start, stop] instead")
    return Section(name=name, start=start, stop=start + len(wanted))


def order_sections(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Sort sections by their place in the text. Raises ValueError if two overlap."""
    ordered = sorted(sections, key=lambda section: section.start)
    for one, other in pairwise(ordered):
        if other.start < one.stop:
            raise ValueError(f"expected sections apart from each other, found {one.name!r} and {other.name!r} overlap")
    return tuple(ordered)


def find_sections(text: str, patterns: Mapping[str, str]) -> tuple[Section, ...]:
    """Each pattern's matches as sections, numbered if there are several: "example 1", "example 2".

    A match that overlaps one of an earlier pattern is skipped. Raises UsageError if a pattern fails.
    """
    found: list[Section] = []
    for name, expression in patterns.items():
        matches = find_matches(expression, text, f"section {name!r}: expected a regular expression")
        free = [
            (start, stop)
            for start, stop in matches
            if text[start:stop].strip() and all(stop <= taken.start or start >= taken.stop for taken in found)
        ]
        found += (Section(name=name, start=start, stop=stop) for start, stop in free)
    return order_sections(_number_sections(sorted(found, key=lambda section: section.start)))


def _number_sections(sections: Sequence[Section]) -> list[Section]:
    """Append a number to each name that several sections share."""
    n_times = Counter(section.name for section in sections)
    n_seen: Counter[str] = Counter()
    numbered: list[Section] = []
    for section in sections:
        n_seen[section.name] += 1
        name = f"{section.name} {n_seen[section.name]}" if n_times[section.name] > 1 else section.name
        numbered.append(dataclasses.replace(section, name=name))
    return numbered


def sections_of(prompt: Prompt) -> list[Section]:
    """A prompt's sections, or a chat's turns, each with the blanks after it."""
    turns = [Section(name=turn.role, start=turn.start, stop=turn.stop) for turn in prompt.turns]
    sections = list(prompt.sections) or _number_sections(turns)
    ends = [*(section.start for section in sections), len(prompt.text)][1:]
    return [
        dataclasses.replace(section, stop=section.stop + count_blanks(prompt.text[section.stop : end]))
        for section, end in zip(sections, ends, strict=True)
    ]


def count_blanks(text: str) -> int:
    """Count the blanks and line feeds at the start of a text."""
    return len(text) - len(text.lstrip())


def name_sections(analysis: Analysis, patterns: Mapping[str, str]) -> Analysis:
    """A copy of the analysis with the sections that the patterns find instead of its own; scores do not change."""
    prompt = analysis.completion.prompt
    prompt = dataclasses.replace(prompt, sections=find_sections(prompt.text, patterns))
    stored = {name: cut for name, cut in analysis.segmentations.items() if name is not Granularity.SECTION}
    return dataclasses.replace(
        analysis, completion=dataclasses.replace(analysis.completion, prompt=prompt), segmentations=stored
    )
