"""The summary on the page: which sources mattered over many prompts, of each folder and of each label in it.

Its numbers are those of ``summarize`` for the same question. Only sources that several prompts have are kept, and of
them the strongest.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from promptlight.io.page.encoding import round_digits
from promptlight.io.page.overview import name_cut
from promptlight.io.page.record import ReportEntry
from promptlight.io.results.tried import describe_try
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.summary import (
    BLANK,
    GroupQuestion,
    GroupSummary,
    PromptShares,
    ShareTotals,
    share_prompt,
)
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Granularity

N_GROUPS = 15  # as many as `summarize` shows


@dataclass
class _Part:
    """The prompts of one folder, or those of them with one label."""

    totals: ShareTotals
    having: defaultdict[str, list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )  # which prompts have a source

    def add(self, number: int, id: str, shares: PromptShares | UsageError) -> None:
        self.totals.add(id, shares)
        for name in () if isinstance(shares, UsageError) else shares.groups:
            self.having[name].append(number)


class Summaries:
    """Collects the shares of one prompt after the other. ``number`` is a prompt's place on the page, from 0.

    Without a question there are none.
    """

    def __init__(self, question: GroupQuestion | None) -> None:
        self._question = question
        self._parts: dict[tuple[int, str | None], _Part] = {}

    def add(self, number: int, entry: ReportEntry) -> None:
        """Add one prompt to its folder, and to its label there; one that was tried only to the latter."""
        if self._question is None:
            return
        prompt = entry.analysis.completion.prompt
        try:
            shares = share_prompt(entry.analysis, replace(self._question, method=entry.question.method))
        except UsageError:  # as `summarize`, which then has no answer either
            self._question = None
            return
        labels = (prompt.label,) if describe_try(prompt) else dict.fromkeys((None, prompt.label or None))
        for label in labels:
            part = self._parts.setdefault((entry.source, label), _Part(ShareTotals(self._question)))
            part.add(number, prompt.id, shares)

    def describe(self) -> dict[str, Any]:
        """The question, and a summary for each folder (``label`` None) and label where prompts share a source."""
        if self._question is None:
            return {"question": None, "summaries": []}
        described = (_describe_part(*key, part) for key, part in self._parts.items())
        found = [one for one in described if one is not None]
        return {"question": _describe_question(self._question), "summaries": found}


def _describe_question(question: GroupQuestion) -> dict[str, str | None]:
    """What is summarised: ``target`` is as the user gave it, None for the whole completion."""
    return {
        "target": None if question.target is None else printable(question.target),
        "targetBy": name_cut(question.target_by or Granularity.LINE),
        "by": name_cut(question.by),
        "way": question.way,
    }


def _describe_part(source: int, label: str | None, part: _Part) -> dict[str, Any] | None:
    try:
        found = part.totals.summarize()
    except UsageError:
        return None
    shared = [group for group in found.groups if group.n_prompts > 1]
    if not shared:
        return None
    return {
        "source": source,
        "label": None if label is None else printable(label),
        "prompts": found.n_prompts,
        "without": found.n_skipped,
        "more": len(shared) - len(shared[:N_GROUPS]),
        "once": len(found.groups) - len(shared),
        "groups": [_describe_group(group) | {"in": part.having[group.name]} for group in shared[:N_GROUPS]],
    }


def _describe_group(group: GroupSummary) -> dict[str, Any]:
    """Blank lines have no name: the page has a word for them in each language."""
    shares = (group.mean_share, group.share_low, group.share_high)
    mean, low, high = (None if share is None else round_digits(share) for share in shares)
    return {
        "name": "" if group.name == BLANK else printable(group.name),
        "share": mean,
        "low": low,
        "high": high,
        "top": group.n_top,
        "words": [printable(word) for word in group.top_words],
    }
