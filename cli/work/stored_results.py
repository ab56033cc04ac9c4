"""Find the stored results that a command works on: ``--id``, ``--where``, ``--sections``, and damaged shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path

from promptlight.io.places import Place
from promptlight.io.results.folders import is_bundled
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.types import Analysis, Completion, Cut, Granularity, Prompt, SetAside, StopReason


def find_stored(results: Place, *, id: str | None = None, row: int | None = None) -> Analysis:
    """One result of a folder, by default the first. Raises UsageError if it was skipped."""
    from promptlight.io.results.reader import find_result

    if id is not None and row is not None:
        raise UsageError("expected either --id or --row, found both: leave one out")
    result = find_result(results, id=id, row=row or 0)
    if isinstance(result, SetAside):
        raise UsageError(f"{result.id} was skipped, there is nothing to show: {result.reason}")
    return result


def refuse_given_completion(completion: Completion) -> None:
    """Raise UsageError for a completion that the model can't write anew."""
    if completion.stop_reason is StopReason.GIVEN:
        raise UsageError(
            f"{completion.prompt.id}: expected a completion that the model wrote, found the record's own, which the"
            " model can't write anew: run the prompts without `--explain target`"
        )


def say_where_model_is(results: Place) -> str:
    """What to do if the model that made a folder's results is not where it was."""
    fetch = " (`make real` in promptlight's checkout fetches it)" if is_bundled(results) else ""
    return f"it made these results: use --model to say where it is now{fetch}"


class SectionNames:
    """Names sections in each prompt by the file of ``--sections``, if given. Raises errors of the file at once."""

    def __init__(self, path: Path | None) -> None:
        from promptlight.io.prompts.sections import read_section_patterns

        self._patterns = read_section_patterns(path) if path else None

    def give(self, analysis: Analysis, *cuts: Cut | None) -> Analysis:
        """The analysis with its sections. Raises UsageError if a cut needs sections and there are none."""
        from promptlight.salience.text.sections import name_sections, sections_of

        named = name_sections(analysis, self._patterns) if self._patterns else analysis
        if Granularity.SECTION in cuts and not sections_of(named.completion):
            reason = "expected a prompt with sections, found none: give its record `sections`, or name them by a file"
            raise UsageError(f"{named.completion.prompt.id}: {reason}", parameters=("sections",))
        return named


class ChosenResults:
    """The requested results of a folder; each loop over them reads the folder again.

    ``skipped`` then has the records that were skipped, as far as they match. Without ``tried``, prompts that were tried
    in the served page are left out and counted in ``n_left_out``, unless ids or conditions choose them. Damaged shards
    are noted in ``problems``, and ``raise_damage`` reports them at the end. Errors of a condition or of a sections file
    are raised at once; UsageError is raised after the last result if none was found.
    """

    def __init__(
        self,
        folder: Place,
        *,
        ids: Sequence[str] | None,
        where: Sequence[str] | None,
        sections: Path | None,
        tried: bool = True,
    ) -> None:
        from promptlight.io.prompts.selection import parse_condition

        self.folder = folder
        self._may_be_empty = False
        self._ids = ids or ()
        self._conditions = [parse_condition(condition) for condition in where or ()]
        self._names = SectionNames(sections)
        self._takes_tried = tried or bool(ids or where)
        self.n_left_out = 0
        self.problems: list[str] = []
        self.skipped: list[SetAside] = []

    def __iter__(self) -> Iterator[Analysis]:
        from promptlight.io.results.reader import read_results
        from promptlight.io.results.tried import is_tried

        self.problems.clear()
        self.skipped.clear()
        self.n_left_out = 0
        results = self._note_skipped(read_results(self.folder, self.problems))
        for analysis in self._select(results):
            if self._takes_tried or not is_tried(analysis):
                yield self._names.give(analysis)
            else:
                self.n_left_out += 1

    def list_tried(self) -> Sequence[ChosenResults]:
        """The same prompts where they were asked about otherwise in the served page, a choice for each such folder.

        Not all of them need be there.
        """
        from promptlight.io.results.tried import find_tried_folders

        return [self._in_tried(folder) for folder in find_tried_folders(self.folder)]

    def _in_tried(self, folder: Place) -> ChosenResults:
        one = copy(self)
        one.folder, one._may_be_empty, one.problems, one.skipped = folder, True, [], []
        return one

    def _select(self, results: Iterable[Analysis | SetAside]) -> Iterator[Analysis]:
        from promptlight.io.prompts.selection import matches, select_results

        if not self._may_be_empty:
            yield from select_results(results, self._ids, self._conditions)
            return
        for result in results:
            if isinstance(result, Analysis) and matches(result.completion.prompt, self._ids, self._conditions):
                yield result

    def _note_skipped(self, results: Iterable[Analysis | SetAside]) -> Iterator[Analysis | SetAside]:
        from promptlight.io.prompts.selection import matches

        for result in results:
            if isinstance(result, SetAside):
                record = Prompt(id=result.id, text=result.prompt or "", label=result.label)
                if matches(record, self._ids, self._conditions):
                    self.skipped.append(result)
            yield result

    def raise_damage(self) -> None:
        """Raise OutputError if the last loop skipped damaged shards."""
        if self.problems:
            raise OutputError(f"{'; '.join(self.problems)}; all other results were read")
