"""What is asked about in a completion, and what stands in its place in another one.

Both completions are cut the same way. Spans are paired as in ``comparison``: those with the same text, then those with
the most words in common. The counterpart of a whole completion is the whole other one.

    asked about                            in another completion
    Analysis: it has eggs.                 Analysis: it has cheese.
    Recommendation: Avoid it.     <-->     Recommendation: You have to try it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptlight.salience.explain.comparison import align
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.types import Compat, Completion, Cut, Role, Span


@dataclass(frozen=True, kw_only=True)
class Target:
    """Spans of a completion that somebody asks about, and how it was cut into spans."""

    completion: Completion
    cut: Cut
    compat: Compat | None
    spans: Sequence[Span]

    @classmethod
    def of(cls, explanation: Explanation) -> Target:
        """The target of an explanation."""
        analysis = explanation.analysis
        return cls(
            completion=analysis.completion,
            cut=explanation.target_by,
            compat=analysis.compat,
            spans=explanation.targets,
        )

    @property
    def text(self) -> str:
        """The spans' text, without the blanks around it."""
        return "".join(span.text for span in self.spans).strip()


def find_target(completion: Completion, choice: str | None, cut: Cut, compat: Compat | None = None) -> Target:
    """The target that a user chose, as in ``targets.find_target_spans``."""
    spans = describe_spans(completion, segment(completion, cut, compat))
    return Target(completion=completion, cut=cut, compat=compat, spans=find_target_spans(spans, choice))


def find_counterpart(target: Target, completion: Completion) -> Target | None:
    """What stands in another completion where the target stood; None if nothing does (of a whole one, no spans)."""
    before, after = (_list_written(one, target) for one in (target.completion, completion))
    chosen = {span.start for span in target.spans}
    wanted = {number for number, span in enumerate(before) if span.start in chosen}
    if len(wanted) == len(before):
        return replace(target, completion=completion, spans=after)
    pairs = align([span.text.strip() for span in before], [span.text.strip() for span in after])
    partners = [other for one, other in pairs if one in wanted and other is not None]
    if not partners:
        return None
    return replace(target, completion=completion, spans=after[min(partners) : max(partners) + 1])


def find_counterpart_text(target: Target, completion: Completion) -> str | None:
    """The text of what stands in the target's place, stripped; None if nothing does."""
    found = find_counterpart(target, completion)
    return None if found is None else found.text


def _list_written(completion: Completion, target: Target) -> list[Span]:
    """The spans that the model wrote."""
    spans = describe_spans(completion, segment(completion, target.cut, target.compat))
    return [span for span in spans if span.role is Role.COMPLETION]
