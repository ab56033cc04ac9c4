"""Fold the lines of a long prompt that matter little: which ones, and how much they matter together.

A line stays if a source in it is marked, is listed among the strongest or named in the advice, or if the target or the
completion is in it; so do the lines next to it. Sources of several lines are never split: a share can't be divided.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from promptlight.cli.views.palette import SMALLEST_MARK
from promptlight.cli.views.strongest import find_first
from promptlight.cli.views.text import Fold
from promptlight.salience.explain.explanation import Explanation

FEWEST_FOLDED = 4  # lines; to fold fewer saves no room


def find_folds(explanation: Explanation, n_top: int) -> list[Fold]:
    """The runs of pale lines that can be folded, in the order of the text; ``n_top`` strongest sources are listed."""
    lines = _find_lines(explanation)
    blocks = _tie_lines(list(lines.values()))
    kept = {lines[number][0] for number in _find_kept(explanation, n_top) if number in lines}
    stays = _add_context(blocks, [not kept.isdisjoint(range(start, stop)) for start, stop in blocks])
    hidden = [block for block, stay in zip(blocks, stays, strict=True) if not stay]
    return list(_fold(explanation, lines, hidden))


def _find_lines(explanation: Explanation) -> dict[int, tuple[int, int]]:
    """The half-open range of lines, from 0, of each span that has text, by the span's number."""
    completion = explanation.analysis.completion
    feeds = [at for at, character in enumerate(completion.text) if character == "\n"]
    places = {
        span.number: (completion.tokens[span.start].start, completion.tokens[span.stop - 1].stop)
        for span in explanation.spans
    }
    return {
        number: (bisect_left(feeds, start), bisect_left(feeds, stop - 1) + 1)  # a line feed is the end of its line
        for number, (start, stop) in places.items()
        if start < stop
    }


def _tie_lines(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges of lines that overlap, in the order of the text."""
    blocks: list[tuple[int, int]] = []
    for start, stop in ranges:
        if blocks and start < blocks[-1][1]:
            blocks[-1] = (blocks[-1][0], max(stop, blocks[-1][1]))
        else:
            blocks.append((start, stop))
    return blocks


def _find_kept(explanation: Explanation, n_top: int) -> set[int]:
    """The numbers of the spans that are always shown; the target is part of the completion."""
    strongest = {span.number for span in explanation.strongest(n_top)}
    if first := find_first(explanation):
        strongest.add(first.number)
    return strongest | {
        span.number
        for span, level in zip(explanation.spans, explanation.levels, strict=True)
        if 100 * abs(level) >= SMALLEST_MARK or span.stop > explanation.analysis.completion.n_prompt_tokens
    }


def _add_context(blocks: Sequence[tuple[int, int]], stays: Sequence[bool]) -> list[bool]:
    """Let a short block stay, too, if it is next to one that stays."""
    return [
        any(stays[max(0, at - 1) : at + 2]) if stop - start < FEWEST_FOLDED else stays[at]
        for at, (start, stop) in enumerate(blocks)
    ]


def _fold(
    explanation: Explanation, lines: Mapping[int, tuple[int, int]], hidden: Sequence[tuple[int, int]]
) -> Iterator[Fold]:
    """A fold for each run of adjacent blocks that is long enough."""
    runs: list[tuple[int, int]] = []
    for start, stop in hidden:
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    for start, stop in runs:
        if stop - start >= FEWEST_FOLDED:
            inside = [number for number, (first, _) in lines.items() if start <= first < stop]
            yield Fold(start=start, stop=stop, share=float(abs(explanation.shares[inside].astype(float)).sum()))
