"""Read what a stored evaluation says about a prompt, for ``show`` and ``report``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from promptlight.salience.errors import OutputError
from promptlight.salience.types import Analysis, Method, Span

if TYPE_CHECKING:
    from promptlight.io.results.evaluations import StoredEvaluation


class StoredTrust:
    """The evaluation stored with a folder's results, if there is one; it is read once."""

    def __init__(self, results: Path | None) -> None:
        self._results = results

    def describe(self, analysis: Analysis, method: Method, targets: Sequence[Span] = ()) -> str:
        """A line about one method's map: empty if nothing was measured, the reason if the file can't be read.

        It names the evaluated target if that differs from these targets.
        """
        from promptlight.cli.views.trust import describe_trust, name_target
        from promptlight.salience.faithfulness.summaries import PromptEvaluation

        try:
            stored = self._stored
        except OutputError as error:
            return f"trust: {error}"
        prompt = analysis.completion.prompt
        row = stored and stored.find(prompt.id, method, prompt.fingerprint)
        if not row:
            return ""
        found = PromptEvaluation.from_row(row)
        same = targets and (targets[0].start, targets[-1].stop) == (found.target_start, found.target_stop)
        return f"trust{'' if same else f', for {name_target(found)}'}: {describe_trust(found)}"

    @cached_property
    def _stored(self) -> StoredEvaluation | None:
        from promptlight.io.results.evaluations import read_evaluation

        return read_evaluation(self._results) if self._results else None
