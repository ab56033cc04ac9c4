"""Which source spans matter over many prompts: mean shares of groups of spans, with intervals.

1. Find the *target* in each prompt as ``show`` does; skip prompts without it. *Sources* are the spans before its end
   that are neither special nor touched by it.
2. A source's share is its score over the sum of the absolute scores of all the prompt's sources. By a way through the
   model's own words it is the part of the target that came that way, and what the model wrote is no source. A
   *group's* share is the sum over its spans. The group with the largest absolute share is the prompt's *top*.
3. A group's *mean share* is the mean over the prompts in which it occurs. Its 95% interval is the percentile bootstrap:
   the 2.5th to the 97.5th percentile of the mean over 1,000 resamples of these prompts (Efron and Tibshirani, An
   Introduction to the Bootstrap, 1993, chapter 13).
4. Shares of words have the same denominator, so the words of a group of lines add up to the group's share.

Only the shares of a prompt are kept in memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question, cut_targets, explain_spans, find_targets
from promptlight.salience.statistics import bootstrap_interval
from promptlight.salience.types import Analysis, Cut, Granularity, Role, Segmentation, Span, Way

N_TOP_WORDS = 3
BLANK, COMPLETION, NO_SECTION = "(blank)", "(completion)", "(no section)"


class Grouping(StrEnum):
    """What spans of one group have in common."""

    TEXT = "text"
    LINE = "line"
    SECTION = "section"
    ROLE = "role"

    def name_of(self, span: Span) -> str:
        """The name of a source's group. Grouped by line or section, a completion without sections is one group."""
        if self is Grouping.TEXT:
            return span.text.strip() or BLANK
        if self is Grouping.ROLE:
            return span.role.value
        if span.role is Role.COMPLETION:
            return (span.section if self is Grouping.SECTION else None) or COMPLETION
        return str(span.line) if self is Grouping.LINE else span.section or NO_SECTION


@dataclass(frozen=True, kw_only=True)
class GroupQuestion(Question):
    """A question about every prompt, and how to group its sources."""

    by: Cut = Granularity.LINE
    group: Grouping = Grouping.TEXT

    @property
    def has_words(self) -> bool:
        """Whether a group's words add anything to its name."""
        return not (self.group is Grouping.TEXT and self.by in (Granularity.TOKEN, Granularity.WORD))


@dataclass(frozen=True, kw_only=True)
class PromptShares:
    """One prompt's answer: the share of each group, -1 to 1, and of each word in it."""

    groups: Mapping[str, float]
    words: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """A group over all prompts in which it occurs; with a single prompt, the interval is None."""

    name: str
    n_prompts: int
    mean_share: float
    share_low: float | None
    share_high: float | None
    n_top: int
    top_words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All groups, the largest mean share first, and the numbers of prompts with and without the target.

    If the way is not direct, prompts whose target can't be followed back are skipped, too. ``reason`` says why the
    first was.
    """

    groups: Sequence[GroupSummary]
    n_prompts: int
    n_skipped: int
    reason: str | None


def summarize_shares(analyses: Iterable[Analysis], question: GroupQuestion, *, seed: int = 0) -> Summary:
    """Average shares over all prompts. Raises UsageError if none of them has the target, or the sections asked for."""
    totals = ShareTotals(question)
    for analysis in analyses:
        totals.add(analysis.completion.prompt.id, share_prompt(analysis, question))
    return totals.summarize(seed=seed)


def share_prompt(analysis: Analysis, question: GroupQuestion) -> PromptShares | UsageError:
    """The shares in one prompt; if it is skipped, the error that says why."""
    by_way = None
    try:
        target_cut = cut_targets(analysis, question)
        targets = find_targets(analysis, question, target_cut)
        if question.way is not Way.DIRECT:
            by_way = share_out(analysis, question, targets, target_cut)
    except UsageError as error:
        return error
    return by_way or share_out(analysis, question, targets, target_cut)


class ShareTotals:
    """Collects the shares of one prompt after the other, and averages them."""

    def __init__(self, question: GroupQuestion) -> None:
        self._question = question
        self._groups: dict[str, _Group] = {}
        self._n_prompts = self._n_skipped = 0
        self._reason: str | None = None
        self._parameters: tuple[str, ...] = ()

    @property
    def n_seen(self) -> int:
        """The number of prompts that were added, with the target or without."""
        return self._n_prompts + self._n_skipped

    def add(self, id: str, shares: PromptShares | UsageError) -> None:
        """Collect what ``share_prompt`` found in a prompt."""
        if not isinstance(shares, UsageError):
            self._n_prompts += 1
            _collect(shares, self._groups)
            return
        self._n_skipped += 1
        if self._reason is None:
            self._reason, self._parameters = _spell_reason(id, shares), shares.parameters

    def summarize(self, *, seed: int = 0) -> Summary:
        """All groups. Raises UsageError if no prompt has the target, or the sections asked for."""
        if not self._n_prompts:
            because = f"; {self._reason}" if self._reason else ""
            raise UsageError(
                f"expected prompts with the target, found none among {self._n_skipped} that were explained{because}",
                parameters=self._parameters,
            )
        if self._question.group is Grouping.SECTION and not self._groups.keys() - {COMPLETION, NO_SECTION}:
            raise UsageError(
                "expected prompts with sections, found none: give their records `sections`, or say which"
                " patterns start one",
                parameters=("sections",),
            )
        groups = [_summarize_group(name, group, seed) for name, group in self._groups.items()]
        groups.sort(key=lambda group: -abs(group.mean_share))
        return Summary(groups=groups, n_prompts=self._n_prompts, n_skipped=self._n_skipped, reason=self._reason)


def _spell_reason(id: str, error: UsageError) -> str:
    """What is wrong with a prompt, behind its id."""
    return str(error) if str(error).startswith(f"{id}: ") else f"{id}: {error}"


def share_out(
    analysis: Analysis, question: GroupQuestion, targets: Sequence[Span], target_cut: Segmentation
) -> PromptShares:
    """The share of each group in one prompt, and of the words in it."""
    explanation = explain_spans(analysis, question, targets, target_cut)
    names = {
        span.number: question.group.name_of(span)
        for span in explanation.spans
        if explanation.visible[span.number] and span.start < targets[-1].start
    }
    total = 1.0  # by way, scores are shares of the target already
    if question.way is Way.DIRECT:
        total = float(np.abs(explanation.scores[list(names)]).sum(dtype=np.float64)) or 1.0
    groups: dict[str, float] = dict.fromkeys(names.values(), 0.0)
    for number, name in names.items():
        groups[name] += float(explanation.scores[number]) / total
    words: dict[str, dict[str, float]] = {name: defaultdict(float) for name in groups}
    if question.has_words:
        bounds = explanation.source_cut.bounds
        scored = explain_spans(analysis, replace(question, by=Granularity.WORD), targets, target_cut)
        for word in scored.spans:
            name = names.get(bisect_right(bounds, word.start) - 1)
            if name is not None and word.text.strip():
                words[name][word.text.strip()] += float(scored.scores[word.number]) / total
    return PromptShares(groups=groups, words=words)


@dataclass
class _Group:
    """Running totals of a group."""

    shares: list[float] = field(default_factory=list[float])  # one per prompt in which it occurs
    n_top: int = 0
    words: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))  # summed over those prompts


def _collect(prompt: PromptShares, collected: dict[str, _Group]) -> None:
    for name, share in prompt.groups.items():
        group = collected.setdefault(name, _Group())
        group.shares.append(share)
        for word, part in prompt.words[name].items():
            group.words[word] += part
    if any(prompt.groups.values()):
        collected[max(prompt.groups, key=lambda name: abs(prompt.groups[name]))].n_top += 1


def _summarize_group(name: str, group: _Group, seed: int) -> GroupSummary:
    low, high = bootstrap_interval(group.shares, seed=seed) or (None, None)
    strongest = sorted(group.words, key=lambda word: -abs(group.words[word]))[:N_TOP_WORDS]
    return GroupSummary(
        name=name,
        n_prompts=len(group.shares),
        mean_share=float(np.mean(group.shares)),
        share_low=low,
        share_high=high,
        n_top=group.n_top,
        top_words=tuple(word for word in strongest if group.words[word]),
    )
