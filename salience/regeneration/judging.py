"""Judge each stored method, by each way, against the parts that writing again showed to be causes.

 1. The parts of the prompt are ranked by a method's scores for the target: directly, through the model's own words, and
    in all (``explain/through.py``). Scores with a sign go from the part that raises the target most to the one that
    lowers it most.
 2. ``precision.py`` says how good the ranking is. Its rivals are chance, the nearest part first, and the last line of
    the prompt first, then all others from the top.

The last two ways need own words before the target: a prompt without them has only the first. No model is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.direction import find_direction
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.regeneration.precision import Precision, judge_chance, judge_scores
from promptlight.salience.regeneration.prompt_causes import PromptCauses, TriedPart
from promptlight.salience.statistics import BoolArray, WideArray
from promptlight.salience.types import Analysis, Way

RIVALS = ("random", "nearest", "last_line")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How well one method ranks the parts of one prompt by one way, and how well its rivals do.

    ``top_line`` and ``top_text`` are of the part that it puts first; of equal scores, the first in the text.
    """

    id: str
    label: str | None
    fingerprint: str
    method: str
    way: Way
    by: str
    target: str
    target_by: str
    target_text: str
    n_parts: int
    n_causes: int
    top_line: int
    top_text: str
    own: Precision
    random: Precision
    nearest: Precision
    last_line: Precision

    def to_row(self) -> dict[str, Any]:
        """Make one flat row: ``first`` is the method's, ``random_first`` that of chance, and so on."""
        row = {name: value for name, value in vars(self).items() if not isinstance(value, Precision)}
        row |= {"source": row.pop("label"), "way": self.way.value}
        for name in ("own", *RIVALS):
            found, prefix = read_precision(self, name), "" if name == "own" else f"{name}_"
            row |= {f"{prefix}first": found.first, f"{prefix}average_precision": found.average}
        return row


def read_precision(row: Judgement, name: str) -> Precision:
    """The figures of ``own``, or of a rival."""
    return getattr(row, name)


@dataclass
class Judged:
    """What was found so far: the causes of each prompt, the judgements, and what could not be measured or judged.

    ``refused`` counts the prompts where a method's scores can't be followed by a way, with the first error.
    """

    causes: list[PromptCauses] = field(default_factory=list[PromptCauses])
    rows: list[Judgement] = field(default_factory=list[Judgement])
    n_skipped: int = 0
    reason: str = ""  # of the first that was skipped
    refused: Counter[tuple[str, Way]] = field(default_factory=Counter[tuple[str, Way]])
    refusal: UsageError | None = None

    def add(self, analysis: Analysis, question: Question, causes: PromptCauses) -> None:
        """Add a prompt's causes, and judge its methods by them."""
        self.causes.append(causes)
        for method in analysis.maps if causes.can_judge else ():
            for way in (Way.DIRECT, Way.THROUGH, Way.ALL):
                try:
                    self.rows.append(judge_method(analysis, replace(question, method=method, way=way), causes))
                except UsageError as error:
                    self.refused[method.value, way] += 1
                    self.refusal = self.refusal or error
                    break  # the ways after it need the same and more

    def skip(self, reason: str) -> None:
        """Count a prompt that could not be measured, and why."""
        self.n_skipped += 1
        self.reason = self.reason or reason


def judge_method(analysis: Analysis, question: Question, causes: PromptCauses) -> Judgement:
    """Judge the scores of the question's method by its way, on the parts that were tested.

    Raises UsageError if there are no such scores, or none that say what raises the target. Raises ValueError unless
    there is a cause.
    """
    explanation = explain_target(analysis, question)
    scores = _rank_parts(explanation, causes.parts)
    is_cause = np.array([part.changed for part in causes.parts])
    top = causes.parts[int(np.argmax(scores))]
    return Judgement(
        id=causes.id,
        label=causes.label,
        fingerprint=causes.fingerprint,
        method=explanation.salience.method.value,
        way=question.way,
        by=causes.by,
        target=causes.target,
        target_by=causes.target_by,
        target_text=causes.target_text,
        n_parts=len(causes.parts),
        n_causes=len(causes.causes),
        top_line=top.line,
        top_text=top.text,
        own=judge_scores(scores, is_cause),
        random=judge_chance(is_cause),
        nearest=judge_scores(np.arange(len(is_cause)), is_cause),
        last_line=_judge_last_line(causes.parts, is_cause),
    )


def _rank_parts(explanation: Explanation, parts: Sequence[TriedPart]) -> WideArray:
    """Scores of the parts [S], oriented so that the highest raises the target most."""
    method = explanation.salience.method
    direction = find_direction(explanation.analysis, method)
    scores = explanation.scores[[part.number for part in parts]].astype(np.float64)
    if explanation.way is not Way.DIRECT:  # these are shares, of what raises the target
        return scores
    return direction * scores if method.is_signed else np.abs(scores)


def _judge_last_line(parts: Sequence[TriedPart], is_cause: BoolArray) -> Precision:
    """The parts of the last line first, the last one before the others; then all others from the top."""
    last = max(part.line for part in parts)
    places = [len(parts) + place if part.line == last else -place for place, part in enumerate(parts)]
    return judge_scores(places, is_cause)
