"""How a text is cut: tokens, words, sentences, lines, paragraphs, named sections, or wherever a pattern matches.

There are two steps. *Where* to cut depends on the text alone: a finder returns the character positions where a new span
starts. *Which tokens* belong together depends on the tokens: a token belongs to the span that holds its first visible
character, so a token that straddles a cut is never split. Spans tile all tokens. A special token is a span of its own,
and no span crosses the border between prompt and completion. ``lit.py`` has LIT's rules, used for ``compat``.

A space belongs to the word after it, line feeds to the line, sentence or word that they end (at the start of a text
they are on their own), and punctuation to the word that it touches:

    text    'Buy eggs, (sweet) milk.\n\nIt’s 好吃的！'
    words   'Buy' ' eggs,' ' (sweet)' ' milk.\n\n' 'It’s' ' 好' '吃' '的！'
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from typing import cast

import regex

from promptlight.salience.errors import UsageError
from promptlight.salience.text.lit import find_bounds
from promptlight.salience.text.patterns import find_matches
from promptlight.salience.text.sections import count_blanks, sections_of
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import (
    Compat,
    Completion,
    Cut,
    Granularity,
    Pattern,
    Role,
    Segmentation,
    Span,
    Token,
)

CutFinder = Callable[[str], list[int]]
"""A text -> the increasing character positions where a new span starts, without 0 and the end of the text."""


def parse_cut(text: str) -> Cut:
    """``token``, ``word``, ... or ``regex:PATTERN``. Raises UsageError for anything else."""
    if text.startswith("regex:"):
        return _compile_pattern(Pattern(text.removeprefix("regex:")))
    try:
        return Granularity(text)
    except ValueError:
        hint = suggest(text, Granularity)
        raise UsageError(f"expected {', '.join(Granularity)} or regex:PATTERN, found {text!r}{hint}") from None


def segment(completion: Completion, cut: Cut, compat: Compat | None = None) -> Segmentation:
    """Cut T tokens into spans; prompt and completion are cut separately.

    TOKEN is one span per token, except that the byte tokens of one character make one span: alone, they show nothing.
    SECTION leaves a completion without thoughts and tool calls whole. ``compat`` LIT applies LIT's rules, except to
    sections, which LIT does not have.
    """
    tokens, text, border = completion.tokens, completion.text, completion.prompt_stop
    if compat is Compat.LIT and cut is not Granularity.SECTION:
        return Segmentation(granularity=cut, bounds=find_bounds([token.piece for token in tokens], cut))
    if cut is Granularity.TOKEN:
        cuts = [token.start for token in tokens if token.start < token.stop]
    elif cut is Granularity.SECTION:
        sections = sections_of(completion)
        cuts = sorted({border, *(place for section in sections for place in (section.start, section.stop))})
    else:
        find = pattern_finder(cut) if isinstance(cut, Pattern) else _FINDERS[cut]
        cuts = [*find(text[:border]), border, *(border + place for place in find(text[border:]))]
        if cut is Granularity.WORD:
            cuts = _without_shared(cuts, tokens, text)
    return Segmentation(granularity=cut, bounds=group_tokens(tokens, completion.n_prompt_tokens, text, cuts))


def group_tokens(tokens: Sequence[Token], n_prompt_tokens: int, text: str, cuts: Sequence[int]) -> tuple[int, ...]:
    """Group T tokens by a text's cuts at these increasing positions, and return the bounds of the spans: 0, ..., T.

    A cut inside a token, past its first visible character, takes effect at the next token.
    """
    starts: list[int] = []
    piece: int | None = None  # number of the previous token's span of text; None if that token is special
    for position, token in enumerate(tokens):
        before = None if position == n_prompt_tokens else piece
        if token.role is Role.SPECIAL:
            piece = None
        elif before is None or token.start < token.stop:  # else another byte of the same character
            piece = bisect_right(cuts, _anchor(token, text))
        if piece is None or piece != before:
            starts.append(position)
    return (*starts, len(tokens))


def _without_shared(cuts: Sequence[int], tokens: Sequence[Token], text: str) -> list[int]:
    """Drop cuts inside a token that also starts the next word: both words then make one span."""
    shared = {
        place
        for token in tokens
        for place in range(_anchor(token, text) + 1, token.stop)
        if _WORD_BEGUN.search(text, place, token.stop)
    }
    return [cut for cut in cuts if cut not in shared]


def _anchor(token: Token, text: str) -> int:
    """The position of a token's first visible character, or its start if it has none."""
    return token.start + _find_visible(text[token.start : token.stop])


def _find_visible(text: str) -> int:
    """Count the characters before the first visible one; 0 if there is none."""
    n_blanks = count_blanks(text)
    return n_blanks if n_blanks < len(text) else 0


# ---- where a text may be cut ----------------------------------------------------------------------------------------


def find_lines(text: str) -> list[int]:
    """Lines start after a run of line feeds; blank lines in the run belong to it."""
    return _find_ends(_LINE_BREAKS, text)


def find_paragraphs(text: str) -> list[int]:
    """Paragraphs start after at least one blank line, which belongs to the paragraph before it."""
    return _find_ends(_BLANK_LINES, text)


def _find_ends(breaks: regex.Pattern[str], text: str) -> list[int]:
    """The end of each break, except of one at the end of the text."""
    return [found.end() for found in breaks.finditer(text) if found.end() < len(text)]


def pattern_finder(pattern: Pattern) -> CutFinder:
    """A finder for which spans start where matches start. Raises UsageError if the pattern fails or takes too long."""

    def find(text: str) -> list[int]:
        matches = find_matches(pattern.expression, text, f"{pattern}: expected a regular expression")
        return sorted({start for start, _ in matches} - {0, len(text)})

    return find


def _compile_pattern(pattern: Pattern) -> Pattern:
    """Check that a pattern compiles, and return it. Raises UsageError if it does not."""
    pattern_finder(pattern)("")
    return pattern


def find_sentences(text: str) -> list[int]:
    """Sentences by ``sentencex``'s rules for English, which know ``e.g.`` and ``。``; never across a line feed.

    The number of a list item stays with the item, and a closing bracket or quote with the sentence that it closes.
    """
    # imported only here: a compiled library without types
    split = cast("Callable[[str, str], list[str]]", import_module("sentencex").segment)
    lines = find_lines(text)
    cuts = set(lines)
    for start, stop in pairwise([0, *lines, len(text)]):
        # sentencex 1.0.32 panics on blanks that are not ASCII, as in "B\xa0."
        place, before = start, ""
        for sentence in split("en", _WIDE_BLANK.sub(" ", text[start:stop].rstrip())):
            closing = _CLOSING.match(sentence) if before and not before[-1].isspace() else None
            if not _LIST_NUMBER.fullmatch(before):
                cuts.add(place + (closing.end() if closing else 0))
            place, before = place + len(sentence), sentence
    return sorted(cuts - {0, len(text)})


def find_words(text: str) -> list[int]:
    """Text between blanks, cut further in scripts without blanks, and after a dash that separates words.

    Between letters, cuts are at Unicode's word boundaries (UAX 29): every Chinese character may start a word. Which of
    them do depends on the tokenizer's pieces, as tokens are never cut.
    """
    cuts: list[int] = []
    for found in _BLANKS_AND_REST.finditer(text):
        line_feed = found.group(1).rfind("\n")
        cuts += [found.start() + line_feed + 1, *(found.start(2) + cut for cut in _parts_of(found.group(2)))]
    return [cut for cut in cuts if cut > 0]


def _parts_of(chunk: str) -> Iterator[int]:
    """Where to cut a text without blanks.

    A cut goes between two words that touch. It also goes between two words with punctuation between them, if the
    punctuation or one of the words is of a script without blanks. Punctuation stays with the word before it; from an
    opening bracket on, it goes with the word after it.
    """
    words = [(start, stop) for start, stop in _parted_by_unicode(chunk) if _LETTER.search(chunk, start, stop)]
    for (start, stop), (next_start, next_stop) in pairwise(words):
        if stop == next_start:
            yield next_start
        elif _NEEDS_NO_BLANK.search(chunk, start, next_stop):
            opening = _OPENING.search(chunk, stop, next_start)
            yield opening.start() if opening else next_start


def _parted_by_unicode(chunk: str) -> Iterator[tuple[int, int]]:
    return pairwise(mark.start() for mark in _WORD_BOUNDARY.finditer(chunk))


_LINE_FEED = regex.compile(r"\n")
_LINE_BREAKS = regex.compile(r"\r?\n(?:[^\S\n]*\n)*(?:\s+\Z)?")
_BLANK_LINES = regex.compile(r"\r?\n(?:[^\S\n]*\n)+(?:\s+\Z)?")
_BLANKS_AND_REST = regex.compile(r"(\s*)(\S+)")
_WIDE_BLANK = regex.compile(r"[^\S\x00-\x7F]")
_CLOSING = regex.compile(r"""[\p{Pe}\p{Pf}"'*_]+(?:\s+|$)|[\p{Pe}\p{Pf}]+""")
_LIST_NUMBER = regex.compile(r"[\s#>*_(-]*(?:\d+(?:\.\d+)*|[A-Za-z]|[ivxIVX]+)[.)][*_]*\s*")
_WORD_BOUNDARY = regex.compile(r"\b", regex.WORD)
_LETTER = regex.compile(r"[\p{L}\p{Nl}\p{Nd}]")
_OPENING = regex.compile(r"[\p{Ps}\p{Pi}]")
_WORD_BEGUN = regex.compile(r"[^\s\p{Ps}\p{Pi}]")
_NEEDS_NO_BLANK = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}—…"
    r"\p{Block=CJK_Symbols_And_Punctuation}\p{Block=Halfwidth_And_Fullwidth_Forms}]"
)
_FINDERS: dict[Granularity, CutFinder] = {
    Granularity.WORD: find_words,
    Granularity.SENTENCE: find_sentences,
    Granularity.LINE: find_lines,
    Granularity.PARAGRAPH: find_paragraphs,
}


# ---- spans as text --------------------------------------------------------------------------------------------------


def describe_spans(completion: Completion, segmentation: Segmentation) -> list[Span]:
    """Each span with its exact text; a special token without text shows its piece."""
    line_feeds = [found.start() for found in _LINE_FEED.finditer(completion.text)]
    sections = sections_of(completion)
    section_starts = [section.start for section in sections]
    spans: list[Span] = []
    for number, (start, stop) in enumerate(segmentation.ranges()):
        tokens = completion.tokens[start:stop]
        text = completion.text[tokens[0].start : tokens[-1].stop]
        seen = tokens[0].start + _find_visible(text)
        at = bisect_right(section_starts, seen) - 1
        role = max((token.role for token in tokens), key=list(Role).index)
        span = Span(
            number=number,
            start=start,
            stop=stop,
            text=tokens[0].piece if not text and role is Role.SPECIAL else text,
            role=role,
            line=bisect_left(line_feeds, seen) + 1,
            section=sections[at].name if at >= 0 and seen < sections[at].stop and role is not Role.SPECIAL else None,
        )
        spans.append(span)
    return spans
