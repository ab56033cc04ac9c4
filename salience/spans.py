"""How a text is cut: tokens, words, sentences, lines.

Two steps. *Where* a text may be cut is a question about text alone: a finder returns the character positions at which a
new span starts. *Which tokens* then belong together is a question about tokens: a token belongs to the span in
which its first visible character lies, so one that straddles a cut moves as a whole. Spans tile all tokens; a
special token is a span of its own, and nothing crosses the border between prompt and completion.

A space belongs to the word that follows it, line feeds to the line, sentence or word that they end, and punctuation to
the word that it touches.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import cast

import regex

from promptlight.salience.errors import UsageError
from promptlight.salience.types import Completion, Granularity, Role, Segmentation, Span, Token

CutFinder = Callable[[str], list[int]]
"""A text -> the sorted character positions, 0 left out, at which a new span starts."""


def segment(tokens: Sequence[Token], n_prompt_tokens: int, text: str, granularity: Granularity) -> Segmentation:
    """Cut a sequence of T tokens into spans; prompt and completion are cut each by itself.

    Several byte tokens that make one character are never parted, so TOKEN is one span per token but for those.
    """
    prompt_stop = next((token.start for token in tokens[n_prompt_tokens:]), len(text))
    find = _FINDERS[granularity]
    cuts = [*find(text[:prompt_stop]), prompt_stop, *(prompt_stop + cut for cut in find(text[prompt_stop:]))]
    bounds = [0]
    for position in range(1, len(tokens)):
        before, token = tokens[position - 1], tokens[position]
        if position == n_prompt_tokens or Role.SPECIAL in (before.role, token.role):
            bounds.append(position)
        elif token.start == token.stop:  # a further byte of the character before
            continue
        elif granularity is Granularity.TOKEN or _span_of(token, text, cuts) != _span_of(before, text, cuts):
            bounds.append(position)
    return Segmentation(granularity=granularity, bounds=(*bounds, len(tokens)) if tokens else (0,))


def _span_of(token: Token, text: str, cuts: Sequence[int]) -> int:
    """The number of the text span that a token belongs to: where its first visible character is, or else its start."""
    shown = text[token.start : token.stop]
    n_blanks = len(shown) - len(shown.lstrip())
    return bisect_right(cuts, token.start + (n_blanks if n_blanks < len(shown) else 0))


# ---- where a text may be cut ----------------------------------------------------------------------------------------


def find_lines(text: str) -> list[int]:
    """Lines start after a run of line feeds."""
    return [found.end() for found in regex.finditer(r"(?:\r?\n)+", text) if found.end() < len(text)]


def find_sentences(text: str) -> list[int]:
    """Sentences by ``sentencex``, never across a line feed; the number of a list item stays with the item."""
    # loaded only here: it is a compiled library, and untyped
    split = cast("Callable[[str, str], list[str]]", import_module("sentencex").segment)
    starts = [0, *find_lines(text), len(text)]
    cuts: list[int] = []
    for start, stop in pairwise(starts):
        place, joins = start, False
        for sentence in split("en", text[start:stop]):
            if not joins:
                cuts.append(place)
            joins = _LIST_NUMBER.fullmatch(sentence) is not None
            place += len(sentence)
    return [cut for cut in cuts if cut > 0]


def find_words(text: str) -> list[int]:
    """What stands between blanks, cut further where Unicode's rules (UAX 29) part two letters, as in Chinese."""
    cuts: list[int] = []
    for found in _BLANKS_AND_REST.finditer(text):
        blanks, start = found.group(1), found.start(2)
        cuts.append(found.start() + blanks.rfind("\n") + 1)  # line feeds end what came before them
        inner = [start, *(mark.start() for mark in _WORD_BOUNDARY.finditer(text, start + 1, found.end()))]
        pieces = [text[a:b] for a, b in zip(inner, [*inner[1:], found.end()], strict=True)]
        cuts += [
            place
            for place, before, after in zip(inner[1:], pieces, pieces[1:], strict=False)
            if _is_word(after) and (_is_word(before) or _WIDE_PUNCTUATION.search(before[-1:]))
        ]
    return [cut for cut in cuts if cut > 0]


_BLANKS_AND_REST = regex.compile(r"(\s*)(\S+)")
_WORD_BOUNDARY = regex.compile(r"\b", regex.WORD | regex.VERSION1)
_WIDE_PUNCTUATION = regex.compile(r"[\p{Block=CJK_Symbols_And_Punctuation}\p{Block=Halfwidth_And_Fullwidth_Forms}]")
_LIST_NUMBER = regex.compile(r"\s*\(?(?:\d+|[A-Za-z])[.)]\s*")


def _is_word(piece: str) -> bool:
    return any(character.isalnum() for character in piece)


_FINDERS: dict[Granularity, CutFinder] = {
    Granularity.TOKEN: lambda text: [],
    Granularity.WORD: find_words,
    Granularity.SENTENCE: find_sentences,
    Granularity.LINE: find_lines,
}


# ---- spans as text --------------------------------------------------------------------------------------------------


def describe_spans(completion: Completion, segmentation: Segmentation) -> list[Span]:
    """Each span with its exact text; a special token shows its piece."""
    spans: list[Span] = []
    for number, (start, stop) in enumerate(segmentation.ranges()):
        tokens = completion.tokens[start:stop]
        special = tokens[0].role is Role.SPECIAL
        text = tokens[0].piece if special else completion.text[tokens[0].start : tokens[-1].stop]
        spans.append(Span(number=number, start=start, stop=stop, text=text, role=tokens[0].role))
    return spans


def find_target_spans(spans: Sequence[Span], choice: str | None) -> list[Span]:
    """The spans of the completion that a user chose.

    None: all of them. A number: that one, from 1, negative from the end. Anything else, read as plain text or else as a
    regular expression: the spans that its first match in the completion touches. Raises UsageError if there is none.
    """
    targets = [span for span in spans if span.role is Role.COMPLETION]
    if not targets:
        raise UsageError("the completion is empty: there is nothing to explain; try a larger --max-new-tokens")
    if choice is None:
        return targets
    if regex.fullmatch(r"-?\d+", choice):
        return [_pick_number(targets, int(choice))]
    return _pick_text(targets, choice)


def _pick_number(targets: Sequence[Span], number: int) -> Span:
    if not 1 <= abs(number) <= len(targets):
        raise UsageError(f"--target {number}: the completion has spans 1 to {len(targets)}: {_list_spans(targets)}")
    return targets[number - 1 if number > 0 else number]


def _pick_text(targets: Sequence[Span], choice: str) -> list[Span]:
    text = "".join(span.text for span in targets)
    start = text.find(choice)
    stop = start + len(choice)
    if start < 0:
        try:
            found = regex.search(choice, text, timeout=2.0)
        except (regex.error, TimeoutError) as error:
            raise UsageError(f"--target {choice!r}: not in the completion, and no pattern ({error})") from error
        if found is None or found.start() == found.end():
            raise UsageError(f"--target {choice!r}: not in the completion; its spans are {_list_spans(targets)}")
        start, stop = found.span()
    chosen: list[Span] = []
    place = 0
    for span in targets:
        if place < stop and place + len(span.text) > start:
            chosen.append(span)
        place += len(span.text)
    return chosen


def _list_spans(targets: Sequence[Span]) -> str:
    shown = ", ".join(f"{number} {span.text.strip()!r}" for number, span in enumerate(targets[:8], 1))
    return shown + (", ..." if len(targets) > 8 else "")
