"""A user's regular expressions: each finds ranges inside the text, in order, or raises an error that names it.

The time limit is short here, so that a pattern that would take forever is only slow. The fuzzer's own limit finds a
pattern that ignores it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from hypothesis import strategies as st

from promptlight.io.prompts.sections import read_section_patterns
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.text import patterns
from promptlight.salience.text.patterns import find_matches
from promptlight.salience.text.sections import find_sections
from promptlight.salience.text.spans import describe_spans, parse_cut, segment
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.types import Compat, Granularity, Role
from tests.fuzz.surface import WHOLE_TEXTS, Surface, assert_says, split_whole_texts
from tests.support.span_cases import build_completion

SECONDS = 0.02
FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")


@dataclass(frozen=True)
class Search:
    """An expression, and the text to search."""

    expression: str
    text: str


def check(search: Search) -> None:
    with patch.object(patterns, "PATTERN_SECONDS", SECONDS):
        check_matches(search)
        check_cut(search)
        check_sections(search)
        check_target(search)
        check_file(search)


def check_matches(search: Search) -> None:
    try:
        ranges = list(find_matches(search.expression, search.text, "message"))
    except UsageError as error:
        assert_says(error, "message (")
        return
    assert all(0 <= start <= stop <= len(search.text) for start, stop in ranges)
    assert len(set(ranges)) == len(ranges)


def check_cut(search: Search) -> None:
    try:
        cut = parse_cut(f"regex:{search.expression}")
        completion = build_completion(["<bos>", *search.text], list(search.text[:9]))
        for compat in (None, Compat.LIT):
            bounds = segment(completion, cut, compat).bounds
            assert (bounds[0], bounds[-1]) == (0, len(completion.tokens))
            assert list(bounds) == sorted(set(bounds))
    except UsageError as error:
        assert_says(error, "expected a regular expression")


def check_sections(search: Search) -> None:
    try:
        sections = find_sections(search.text, {"one": search.expression, "two": r"\S+"})
    except UsageError as error:
        assert_says(error, "section 'one': expected a regular expression (")
        return
    place = 0
    for section in sections:
        assert place <= section.start < section.stop <= len(search.text)
        assert search.text[section.start : section.stop].strip()
        place = section.stop


def check_target(search: Search) -> None:
    completion = build_completion(["<bos>", "a"], list(search.text))
    spans = describe_spans(completion, segment(completion, Granularity.WORD))
    try:
        found = find_target_spans(spans, search.expression)
    except UsageError as error:
        assert_says(error, "expected ")
        return
    assert found
    assert all(span.role is Role.COMPLETION for span in found)


def check_file(search: Search) -> None:
    """A sections file with the pattern is rejected or can be used."""
    path = Path(FOLDER.name) / "sections.toml"
    quoted = search.expression.replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(f'name = "{quoted}"\n', "utf-8")
    try:
        wanted = read_section_patterns(path)
    except InputError as error:
        assert_says(error, "expected lines such as")
        return
    assert list(wanted) == ["name"]


def from_bytes(data: bytes) -> Search:
    expression, text = split_whole_texts(data, 2)
    return Search(expression, text[:200])


PIECES = st.sampled_from(
    [
        *"ab.^$|?*+()[]{}\\-,:=!<>0129&~#",
        *(
            r"\b",
            r"\w",
            r"\s",
            r"\X",
            r"\R",
            r"\K",
            r"\G",
            r"\p{L}",
            r"\N{DIGIT ONE}",
            r"\L<x>",
            r"\1",
            r"\g<1>",
            r"[[a]--[b]]",
        ),
        *(
            "(a+)+$",
            "(a|aa)+$",
            "(?:",
            "(?=",
            "(?!",
            "(?<=",
            "(?<!",
            "(?>",
            "(?R)",
            "(?1)",
            "(?|",
            "(?(1)",
            "(?P<n>",
            "(?P=n)",
        ),
        *("(?i)", "(?L)", "(?a)", "(?u)", "(?x)", "(?r)", "(?b)", "(?e)", "(?p)", "(?V0)", "(?V1)", "(?s-m:"),
        *(
            "{e}",
            "{e<=3}",
            "{1,99999}",
            "{99999999999}",
            "{,5}",
            "*+",
            "++",
            "{i<=1,d<=1}",
            "(*FAIL)",
            "(*SKIP)",
            "(*PRUNE)",
        ),
    ]
)
EXPRESSIONS = st.lists(PIECES | WHOLE_TEXTS, max_size=6).map("".join)
SEARCHED = WHOLE_TEXTS | st.integers(0, 60).map(lambda n: "a" * n + "!")
SEEDS = (
    b"(a+)+$\xff" + b"a" * 40 + b"!",
    b"(?i)\\b(?P<n>\\w+)(?=\\s)(?<!b)|x{2,}?\xffab Ab\nxx x",
    b"(?:dish){e<=2}[\\p{L}--[a]]\\X(?R)?\xffdesh a",
)
SURFACE = Surface(
    cases=st.builds(Search, EXPRESSIONS, SEARCHED),
    from_bytes=from_bytes,
    check=check,
    seeds=SEEDS,
    found=(
        Search("(?V0)(?V1)a", "a"),  # regex raised a ValueError
        Search("(?:(?:a{1000}){1000}){1000}", "a"),  # filled memory until the system killed the process
        Search("9" * 5000, "a"),  # as a target's number: more digits than Python parses
    ),
)
