"""Compare two explanations: pair the parts of their texts, and show how their shares moved.

Parts with the same text are paired as in a diff (Ratcliff and Obershelp's matching, as in ``difflib``). Where one run
of parts replaces another, the parts with the most words in common are paired too, in order: they are *edited*. Parts
without a partner are *gone* or *new*.

    before          after                         before   after
    Analyze.        Analyze.           same          2%      3%
    You must try.   You must not try.  edited       12%     31%
                    Be brief.          new                   4%
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

import numpy as np

from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.types import Granularity, Role, Span

Pair = tuple[int | None, int | None]
LARGEST_BLOCK = 40_000  # pairs of parts to compare by words; a larger block is paired in order
UNLIKE = 1e-3  # the value of a pair with no word in common


class Change(StrEnum):
    """What happened to a part of a text."""

    SAME = "same"
    EDITED = "edited"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, kw_only=True)
class PairedSpan:
    """A source before and after; None where it is missing. The share of a part of the target is None."""

    change: Change
    before: Span | None
    after: Span | None
    share_before: float | None
    share_after: float | None

    @property
    def moved(self) -> float:
        """The change of its share, -1 to 1; a missing source has share 0."""
        return (self.share_after or 0.0) - (self.share_before or 0.0)


def compare_explanations(before: Explanation, after: Explanation) -> list[PairedSpan]:
    """Pair all sources of both, up to the end of their targets, in the order of the texts."""
    spans, others = ([span for span in one.spans if _is_shown(one, span)] for one in (before, after))
    keys = [[_name_span(before, span) for span in side] for side in (spans, others)]
    paired: list[PairedSpan] = []
    for left, right in align(*keys):
        one, other = (None if left is None else spans[left]), (None if right is None else others[right])
        change = name_change(one and one.text.strip(), other and other.text.strip())
        shares = _find_share(before, one), _find_share(after, other)
        paired.append(PairedSpan(change=change, before=one, after=other, share_before=shares[0], share_after=shares[1]))
    return paired


def find_moved(paired: Sequence[PairedSpan]) -> float:
    """How much of all shares moved, 0 to 1: half the sum of all moves (the total variation distance)."""
    return sum(abs(pair.moved) for pair in paired) / 2


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A comparison in brief: did the completion change, how much moved, and what moved most (None: nothing)."""

    id: str
    same_completion: bool
    moved: float
    most: PairedSpan | None


def summarize_comparison(before: Explanation, after: Explanation) -> Difference:
    """Compare two explanations and keep the main figures."""
    paired = compare_explanations(before, after)
    most = max(paired, key=lambda pair: abs(pair.moved), default=None)
    one, two = (explanation.analysis.completion for explanation in (before, after))
    return Difference(
        id=one.prompt.id,
        same_completion=one.completion_text == two.completion_text,
        moved=find_moved(paired),
        most=most if most and most.moved else None,
    )


def _name_span(explanation: Explanation, span: Span) -> str:
    """The key by which spans are paired: a section's name, else the text."""
    return (span.section if explanation.by is Granularity.SECTION else None) or span.text.strip()


def _is_shown(explanation: Explanation, span: Span) -> bool:
    return span.role is not Role.SPECIAL and span.start < explanation.targets[-1].stop


def _find_share(explanation: Explanation, span: Span | None) -> float | None:
    if span is None or not explanation.visible[span.number]:
        return None
    return float(explanation.shares[span.number])


def name_change(before: str | None, after: str | None) -> Change:
    """The change from one text of a part to the other; None is a missing part."""
    if before is None or after is None:
        return Change.NEW if before is None else Change.GONE
    return Change.SAME if before == after else Change.EDITED


def find_partner_target(chosen: range, targets: Sequence[Span], others: Sequence[Span]) -> range:
    """Find the targets of another text that match the chosen ones, as numbers of ``others``.

    These are the first with the same text, else those with the same numbers, limited to the last one.
    """
    wanted = [targets[number].text.strip() for number in chosen]
    texts = [span.text.strip() for span in others]
    for first in range(len(texts) - len(wanted) + 1):
        if texts[first : first + len(wanted)] == wanted:
            return range(first, first + len(wanted))
    last = len(others) - 1
    return range(min(chosen.start, last), min(chosen.stop - 1, last) + 1)


# ---- which parts belong together ------------------------------------------------------------------------------------


def align(before: Sequence[str], after: Sequence[str]) -> list[Pair]:
    """Pair parts by number, None for no partner; each part occurs once, in order on both sides."""
    pairs: list[Pair] = []
    for kind, left, left_stop, right, right_stop in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            pairs += zip(range(left, left_stop), range(right, right_stop), strict=True)
        else:
            block = pair_likest(before[left:left_stop], after[right:right_stop])
            pairs += [(None if i is None else left + i, None if j is None else right + j) for i, j in block]
    return pairs


def pair_likest(before: Sequence[str], after: Sequence[str]) -> Iterator[Pair]:
    """Pair parts in order so that partners have as many words in common as possible."""
    if len(before) * len(after) > LARGEST_BLOCK:
        worth = np.eye(len(before), len(after))
    else:
        words = [[Counter(part.split()) for part in side] for side in (before, after)]
        worth = np.array([[_find_likeness(one, other) for other in words[1]] for one in words[0]])
        worth = worth.reshape(len(before), len(after)) + UNLIKE
    best = np.zeros((len(before) + 1, len(after) + 1))  # [i, j]: the best total for the parts from i and j on
    for i in reversed(range(len(before))):
        for j in reversed(range(len(after))):
            best[i, j] = max(worth[i, j] + best[i + 1, j + 1], best[i + 1, j], best[i, j + 1])
    i = j = 0
    while i < len(before) or j < len(after):
        if i < len(before) and j < len(after) and best[i, j] == worth[i, j] + best[i + 1, j + 1]:
            yield i, j
            i, j = i + 1, j + 1
        elif j == len(after) or (i < len(before) and best[i, j] == best[i + 1, j]):
            yield i, None
            i += 1
        else:
            yield None, j
            j += 1


def _find_likeness(one: Counter[str], other: Counter[str]) -> float:
    """Dice's coefficient of two bags of words, 0 to 1."""
    n_words = one.total() + other.total()
    return 2 * (one & other).total() / n_words if n_words else 1.0


# ---- word by word ---------------------------------------------------------------------------------------------------


def split_words(text: str) -> list[str]:
    """Split a text into words, runs of blanks, and single other characters."""
    return re.findall(r"\s+|\w+(?:['’]\w+)*|[^\w\s]", text)


def diff_words(before: str, after: str) -> list[tuple[Change, str]]:
    """Pieces that are SAME, GONE or NEW: without NEW they make the first text, without GONE the second."""
    sides = [split_words(text) for text in (before, after)]
    pieces: list[tuple[Change, str]] = []
    for kind, left, left_stop, right, right_stop in SequenceMatcher(None, *sides, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append((Change.SAME, "".join(sides[0][left:left_stop])))
            continue
        if left < left_stop:
            pieces.append((Change.GONE, "".join(sides[0][left:left_stop])))
        if right < right_stop:
            pieces.append((Change.NEW, "".join(sides[1][right:right_stop])))
    return pieces
