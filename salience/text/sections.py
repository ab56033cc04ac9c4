"""Named parts of a text, such as "example 1" or "question", to ask which of them mattered.

A prompt's come from the record, as text or as a range, or from patterns that are searched in every prompt. A chat
without sections uses its turns instead. As with lines, blanks and line feeds after a section belong to it.

What a model of Gemma 4 says itself has sections wherever its marks part it: its completion, and its turns in a chat.

    pieces     <|channel>  thought \n  Soup ?  <channel|>   No .
    sections               thought                          answer
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from promptlight.salience.text.chat import (
    CHANNEL,
    CHANNEL_END,
    MODEL,
    THOUGHT,
    TOOL_CALL,
    TOOL_CALL_END,
    TOOL_RESULT,
    TOOL_RESULT_END,
    is_continued,
)
from promptlight.salience.text.patterns import find_matches
from promptlight.salience.types import Analysis, Completion, Granularity, Role, Section, Token

ANSWER = "answer"
_OPENING = {CHANNEL: THOUGHT, TOOL_CALL: "tool call", TOOL_RESULT: "tool result"}
_MARKS = {*_OPENING, CHANNEL_END, TOOL_CALL_END, TOOL_RESULT_END}


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


def sections_of(completion: Completion) -> list[Section]:
    """The sections of a prompt, or a chat's turns, and what the model's own marks part of the completion."""
    return [*_sections_of_prompt(completion), *written_sections(completion)]


def written_sections(completion: Completion) -> list[Section]:
    """A completion's thoughts, answers, tool calls and tool results; none if it has no marks of them."""
    border, within = completion.prompt_stop, ANSWER
    marks = _list_own_marks(completion.tokens[completion.n_prompt_tokens :])
    if is_continued(completion.prompt):
        begun = _list_own_marks(completion.tokens[: completion.n_prompt_tokens])
        last = [mark for mark in begun if mark.start >= completion.prompt.turns[-1].start][-1:]
        within = _OPENING.get(last[0].piece, ANSWER) if last else ANSWER
    return _number_sections(_part_own(marks, border, len(completion.text), within))


def _sections_of_prompt(completion: Completion) -> list[Section]:
    """A prompt's sections, or a chat's turns, each with the blanks after it."""
    prompt, turns = completion.prompt, list[Section]()
    marks = _list_own_marks(completion.tokens[: completion.n_prompt_tokens]) if prompt.turns else []
    for turn in prompt.turns:
        said = [mark for mark in marks if turn.start <= mark.start and mark.stop <= turn.stop]
        parted = _part_own(said, turn.start, turn.stop) if turn.role == MODEL else []
        turns += parted or [Section(name=turn.role, start=turn.start, stop=turn.stop)]
    sections = list(prompt.sections) or _number_sections(turns)
    ends = [*(section.start for section in sections), len(prompt.text)][1:]
    return [
        dataclasses.replace(section, stop=section.stop + count_blanks(prompt.text[section.stop : end]))
        for section, end in zip(sections, ends, strict=True)
    ]


def _part_own(marks: Sequence[Token], start: int, stop: int, within: str = ANSWER) -> list[Section]:
    """Part what the model said between two characters at its marks; ``within`` is what it begins in."""
    if not marks and within == ANSWER:
        return []
    sections: list[Section] = []
    for mark in marks:
        sections.append(Section(name=within, start=start, stop=mark.start))
        within, start = _OPENING.get(mark.piece, ANSWER), mark.stop
    sections.append(Section(name=within, start=start, stop=stop))
    return [section for section in sections if section.start < section.stop]


def _list_own_marks(tokens: Sequence[Token]) -> list[Token]:
    """The marks that part what the model says."""
    return [token for token in tokens if token.role is Role.SPECIAL and token.piece in _MARKS]


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
