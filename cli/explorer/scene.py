"""The state of the explorer as one frozen value: an analysis, its cuts, and the chosen part of the completion.

The chosen spans go from an *anchor* to a *cursor*, as in an editor: moving changes both, extending only the cursor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from promptlight.salience.explain.comparison import find_partner_target
from promptlight.salience.explain.explanation import Explanation, Question, explain_spans, find_targets
from promptlight.salience.explain.span_scores import choose_targets
from promptlight.salience.text.sections import sections_of, written_sections
from promptlight.salience.types import Analysis, Cut, Granularity, Method, Pooling, Role, SalienceMap, Span, Way

Choice = TypeVar("Choice")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One state of the view; every change makes a new one. ``anchor`` and ``cursor`` number the completion's spans."""

    analysis: Analysis
    by: Cut
    target_by: Cut
    pooling: Pooling
    method: Method
    anchor: int
    cursor: int
    way: Way = Way.DIRECT
    through_by: Cut = Granularity.TOKEN

    @cached_property
    def targets(self) -> list[Span]:
        """All spans of the completion that can be chosen."""
        return find_targets(self.analysis, self.question)

    @property
    def chosen(self) -> list[Span]:
        """The targets that are explained."""
        return self.targets[min(self.anchor, self.cursor) : max(self.anchor, self.cursor) + 1]

    @property
    def takes_all(self) -> bool:
        """Whether the whole completion is explained."""
        return len(self.chosen) == len(self.targets)

    @cached_property
    def explanation(self) -> Explanation:
        """Every source's score for what is chosen. Raises UsageError if its way can't be followed."""
        return explain_spans(self.analysis, self.question, self.chosen)

    @property
    def question(self) -> Question:
        """The question without the target. Raises UsageError for a way that can't be pooled like this."""
        return Question(
            by=self.by,
            target_by=self.target_by,
            pooling=self.pooling,
            method=self.method,
            way=self.way,
            through_by=self.through_by,
        )

    @property
    def splits(self) -> list[int]:
        """Where targets begin: a click must tell them apart even within one source."""
        return [span.start for span in self.targets]

    # ---- which target ------------------------------------------------------------------------------------------------

    def choose(self, number: int) -> Scene:
        """Choose a single target by number, or the nearest number that exists."""
        number = self._clip(number)
        return self._change(anchor=number, cursor=number)

    def move(self, step: int) -> Scene:
        """Move to the next or the previous target; from the whole completion, to the first or the last."""
        if self.takes_all and len(self.targets) > 1:
            return self.choose(0 if step > 0 else -1)
        return self.choose(max(0, self.cursor + step))

    def extend(self, step: int) -> Scene:
        """Add or drop one target at the cursor."""
        return self.extend_to(max(0, self.cursor + step))

    def extend_to(self, number: int) -> Scene:
        """Choose all targets from the anchor to this one."""
        return self._change(anchor=self.anchor, cursor=self._clip(number))

    def choose_all(self) -> Scene:
        """Choose the whole completion."""
        return self._change(anchor=0, cursor=len(self.targets) - 1)

    def find_target(self, token: int) -> int | None:
        """The number of the target that holds a token; None if the token is not in the completion's text."""
        return next((number for number, span in enumerate(self.targets) if span.start <= token < span.stop), None)

    def _clip(self, number: int) -> int:
        return min(number, len(self.targets) - 1) if number >= 0 else max(0, len(self.targets) + number)

    def _change(self, *, anchor: int, cursor: int) -> Scene:
        changed = replace(self, anchor=anchor, cursor=cursor)
        changed.__dict__["targets"] = self.targets  # reuse them: finding them is the slowest step
        return changed

    # ---- how it is cut -----------------------------------------------------------------------------------------------

    def cut_sources(self, step: int, own: Cut) -> Scene:
        """Cut sources one step coarser, or with -1 finer; ``own`` is the user's own cut, added to the others."""
        return replace(self, by=step_from(_list_source_cuts(self.analysis, own), self.by, step))

    def cut_targets(self, step: int, own: Cut) -> Scene:
        """Cut targets one step coarser or finer; those that overlap the old selection become the new one."""
        cuts = _list_target_cuts(self.analysis, self.analysis.map_by(self.method), own)
        changed = replace(self, target_by=step_from(cuts, self.target_by, step), anchor=0, cursor=0)
        if self.takes_all:
            return changed.choose_all()
        first, stop = self.chosen[0].start, self.chosen[-1].stop
        held = [number for number, span in enumerate(changed.targets) if span.start < stop and span.stop > first]
        return changed.choose(held[0]).extend_to(held[-1])

    def view_next_method(self) -> Scene:
        """Switch to the next method with stored scores; keep the selection if it has scores for such targets."""
        methods = sorted(list_methods(self.analysis), key=list(Method).index)
        question = replace(self.question, method=step_from(methods, self.method, 1))
        if choose_targets(self.analysis.map_by(question.method), self.target_by) == self.target_by:
            return replace(self, method=question.method)
        return open_scene(self.analysis, question)

    def pool_next(self) -> Scene:
        """Switch to the next pooling of a source's tokens."""
        return replace(self, pooling=step_from(list(Pooling), self.pooling, 1))

    def follow(self, way: Way) -> Scene:
        """Look at sources by another way. Nothing that the model wrote comes before the whole completion, so a way
        through its words begins at the last target."""
        scene = self.choose(-1) if self.takes_all and way is not Way.DIRECT else self
        return replace(scene, way=way)


def open_scene(analysis: Analysis, question: Question) -> Scene:
    """Open an analysis at the question's target, or with its whole completion chosen; cut as asked, if possible.

    Raises UsageError if there is no such target, or if the completion is empty.
    """
    by = question.by if question.by in _list_source_cuts(analysis, question.by) else Granularity.LINE
    salience = analysis.map_by(question.method)
    scene = Scene(
        analysis=analysis,
        by=by,
        target_by=choose_targets(salience, question.target_by or Granularity.LINE),
        pooling=question.pooling,
        method=salience.method,
        anchor=0,
        cursor=0,
        way=question.way,
        through_by=question.through_by,
    )
    if question.target is None:
        return scene.choose_all()
    chosen = find_targets(analysis, replace(scene.question, target=question.target))
    return scene.choose(scene.targets.index(chosen[0])).extend_to(scene.targets.index(chosen[-1]))


def carry_target(scene: Scene, analysis: Analysis) -> Scene:
    """Ask the same question about another analysis; a choice of the whole completion carries over as such."""
    method = scene.method if scene.method in analysis.maps else None
    other = open_scene(analysis, replace(scene.question, method=method))
    if scene.takes_all:
        return other
    first, last = sorted((scene.anchor, scene.cursor))
    found = find_partner_target(range(first, last + 1), scene.targets, other.targets)
    return other.choose(found.start).extend_to(found.stop - 1)


def _list_source_cuts(analysis: Analysis, own: Cut) -> list[Cut]:
    """The cuts of sources, from fine to coarse, with sections if the text has any."""
    has_sections = bool(sections_of(analysis.completion))
    cuts: list[Cut] = [cut for cut in Granularity if cut is not Granularity.SECTION or has_sections]
    return cuts if isinstance(own, Granularity) else [*cuts, own]


def _list_target_cuts(analysis: Analysis, salience: SalienceMap, own: Cut) -> list[Cut]:
    """The cuts of targets that have stored scores, from fine to coarse."""
    has_sections = bool(written_sections(analysis.completion))
    cuts = [cut for cut in _list_source_cuts(analysis, own) if cut is not Granularity.SECTION or has_sections]
    return [cut for cut in cuts if choose_targets(salience, cut) == cut]


def list_methods(analysis: Analysis) -> list[Method]:
    """The methods whose scores are stored."""
    return list(analysis.maps)


def step_from(choices: list[Choice], current: Choice, step: int) -> Choice:
    """The next or the previous choice, wrapping around."""
    place = choices.index(current) if current in choices else 0
    return choices[(place + step) % len(choices)]


def find_source(explanation: Explanation, token: int) -> Span | None:
    """The span that holds a token; None for a token that the model's format added."""
    span = next((span for span in explanation.spans if span.start <= token < span.stop), None)
    return None if span is None or span.role is Role.SPECIAL else span
