"""Read what a folder's evaluations and the kept answers of ``why`` say about a prompt, for ``show`` and ``report``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptlight.cli.views.sentences import say
from promptlight.io.page.words import Language
from promptlight.io.places import Place
from promptlight.salience.errors import OutputError
from promptlight.salience.types import Analysis, Method, Span, Way

if TYPE_CHECKING:
    from promptlight.io.results.answers import Answer
    from promptlight.io.results.evaluations import StoredEvaluation


class StoredTrust:
    """What was measured and tried about a folder's results; each file is read once."""

    def __init__(self, results: Place | None) -> None:
        self._results = results

    def describe(
        self,
        analysis: Analysis,
        method: Method,
        targets: Sequence[Span] = (),
        way: Way = Way.DIRECT,
        language: Language = Language.ENGLISH,
    ) -> str:
        """Lines about one method's map: empty if nothing was measured, the reason if a file can't be read.

        It names the evaluated target if that differs from these targets, and says that direct scores were evaluated if
        the ``way`` is another one. Answers about parts of the targets count, and without targets all.
        """
        target = "".join(span.text for span in targets)
        lines = [
            self._describe_evaluation(analysis, method, targets, way, language),
            *self._say_answers(analysis, method, target, language),
            *self._say_causes(analysis, target, language),
        ]
        return "\n".join(filter(None, lines))

    def _describe_evaluation(
        self, analysis: Analysis, method: Method, targets: Sequence[Span], way: Way, language: Language
    ) -> str:
        from promptlight.cli.views.trust import describe_trust, name_target
        from promptlight.salience.faithfulness.summaries import PromptEvaluation

        try:
            stored = self._stored
        except OutputError as error:
            return say(language, "trust.head", said=error)
        prompt = analysis.completion.prompt
        row = stored and stored.find(prompt.id, method, prompt.fingerprint)
        if not row:
            return ""
        found = PromptEvaluation.from_row(row)
        same = targets and (targets[0].start, targets[-1].stop) == (found.target_start, found.target_stop)
        head = f"trust.head{'' if way is Way.DIRECT else '-direct'}{'' if same else '-for'}"
        return say(language, head, target=name_target(found, language), said=describe_trust(found, language))

    def _say_answers(self, analysis: Analysis, method: Method, target: str, language: Language) -> Iterator[str]:
        """The sentences that ``why`` found about a target or parts of it; if it is empty, about all."""
        from promptlight.cli.views.why_sentence import spell_why
        from promptlight.io.results.answers import find_answers

        try:
            answers = find_answers(self._answers, analysis, method)
        except OutputError as error:
            yield say(language, "tested.head", said=error)
            return
        for one in answers:
            if not target or one["target"] in target:
                said = one["sentence"] if language is Language.ENGLISH else spell_why(one, language, width=None)
                yield say(language, "tested.head", said=said)

    def _say_causes(self, analysis: Analysis, target: str, language: Language) -> Iterator[str]:
        """Which parts of the prompt change a target or a part of it, as ``evaluate --regenerate`` or a reader found."""
        from promptlight.cli.views.causes import spell_causes
        from promptlight.salience.regeneration.prompt_causes import PromptCauses

        prompt = analysis.completion.prompt
        try:
            rows = self._causes.get(prompt.id, [])
        except OutputError as error:
            yield say(language, "tested.head", said=error)
            return
        for causes in PromptCauses.list_from_rows(rows, prompt.fingerprint):
            if not target or causes.target_text in target:
                yield say(language, "tested.causes", said=spell_causes(causes, language))

    @cached_property
    def _stored(self) -> StoredEvaluation | None:
        from promptlight.io.results.evaluations import read_evaluation

        return read_evaluation(self._results) if self._results else None

    @cached_property
    def _causes(self) -> Mapping[str, list[dict[str, Any]]]:
        from promptlight.io.results.regenerations import read_regenerated

        return read_regenerated(self._results) if self._results else {}

    @cached_property
    def _answers(self) -> list[Answer]:
        from promptlight.io.results.answers import read_answers

        return read_answers(self._results) if self._results else []
