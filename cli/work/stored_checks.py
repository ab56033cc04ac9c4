"""Find what a folder's evaluations and tests say about a prompt in a few figures, for the table of all prompts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptlight.cli.views.trust import is_beaten_by_rule, judge_chance
from promptlight.io.places import Place
from promptlight.salience.errors import OutputError

if TYPE_CHECKING:
    from promptlight.io.page.overview import Checks, Rewritten, Tried, Verdict
    from promptlight.io.results.answers import Answer
    from promptlight.io.results.evaluations import StoredEvaluation
    from promptlight.salience.explain.explanation import Explanation
    from promptlight.salience.regeneration.prompt_causes import PromptCauses
    from promptlight.salience.types import Prompt


class StoredChecks:
    """What was measured and tried about a folder's results; each file is read once.

    A damaged file has nothing to say here: ``StoredTrust`` says why, beside each prompt.
    """

    def __init__(self, results: Place) -> None:
        self._results = results

    def find(self, explanation: Explanation) -> Checks:
        """What is known about the target that was explained, or about a part of it."""
        from promptlight.io.page.overview import Checks

        return Checks(
            verdict=self._find_verdict(explanation),
            tried=self._find_tried(explanation),
            rewritten=tuple(map(_describe_rewritten, self._list_causes(explanation.analysis.completion.prompt))),
        )

    def _find_verdict(self, explanation: Explanation) -> Verdict | None:
        from promptlight.io.page.overview import Verdict
        from promptlight.salience.faithfulness.summaries import PromptEvaluation

        prompt, targets = explanation.analysis.completion.prompt, explanation.targets
        row = self._stored and self._stored.find(prompt.id, explanation.salience.method, prompt.fingerprint)
        if not row:
            return None
        found = PromptEvaluation.from_row(row)
        is_same = (targets[0].start, targets[-1].stop) == (found.target_start, found.target_stop)
        return Verdict(
            n_beaten=found.n_beaten,
            n_random=found.n_random,
            chance=judge_chance(found),
            is_beaten_by_rule=is_beaten_by_rule(found),
            target_text=None if is_same else "" if found.target is None else found.target_text,
        )

    def _find_tried(self, explanation: Explanation) -> Tried | None:
        """All parts of the prompt, if each was tried; else those that ``why`` tried."""
        from promptlight.io.page.overview import Tried
        from promptlight.io.results.answers import find_answers

        analysis, target = explanation.analysis, explanation.target_text
        for causes in reversed(self._list_causes(analysis.completion.prompt)):
            if causes.target_text in target:
                changing = [(part.line, part.text) for part in causes.causes]
                return Tried(by=causes.by, n_parts=len(causes.parts), changing=changing)
        answers = find_answers(self._answers, analysis, explanation.salience.method)
        for answer in reversed(answers):
            trials = answer["trials"]
            if answer["target"] in target and trials and not trials[0]["replacement"]:
                changing = [(trial["line"], trial["text"]) for trial in trials if trial["changed"]]
                return Tried(by=answer["by"], n_parts=len(trials), changing=changing)
        return None

    def _list_causes(self, prompt: Prompt) -> list[PromptCauses]:
        """What the model wrote without each part of this very prompt, the latest last."""
        from promptlight.salience.regeneration.prompt_causes import PromptCauses

        return PromptCauses.list_from_rows(self._causes.get(prompt.id, ()), prompt.fingerprint)

    @cached_property
    def _stored(self) -> StoredEvaluation | None:
        from promptlight.io.results.evaluations import read_evaluation

        try:
            return read_evaluation(self._results)
        except OutputError:
            return None

    @cached_property
    def _causes(self) -> Mapping[str, list[dict[str, Any]]]:
        from promptlight.io.results.regenerations import read_regenerated

        try:
            return read_regenerated(self._results)
        except OutputError:
            return {}

    @cached_property
    def _answers(self) -> list[Answer]:
        from promptlight.io.results.answers import read_answers

        try:
            return read_answers(self._results)
        except OutputError:
            return []


def _describe_rewritten(causes: PromptCauses) -> Rewritten:
    from promptlight.io.page.overview import Rewritten

    parts = [
        (part.line, part.text, (part.completion if part.answer is None else part.answer) if part.changed else None)
        for part in causes.parts
    ]
    return Rewritten(by=causes.by, target_text=causes.target_text, parts=parts)
