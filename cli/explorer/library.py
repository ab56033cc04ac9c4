"""The prompts that the explorer can show: those of a results folder, read on demand, and those made in the session."""

from __future__ import annotations

from collections.abc import Sequence

from promptlight.cli.explorer.scene import open_scene
from promptlight.cli.work.stored_results import SectionNames
from promptlight.io.places import Place
from promptlight.io.prompts.selection import select_by_values, values_of
from promptlight.io.results.facts import RunFacts, read_facts
from promptlight.io.results.listing import START_LENGTH, Listed, list_results, search_results
from promptlight.io.results.reader import list_records, read_result
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import Analysis, SetAside


class Library:
    """A list of prompts, and each one's analysis on demand. ``conditions`` choose some of the folder's.

    Raises OutputError for a folder without results, UsageError if the conditions fit none.

    For stored prompts, only the list's fields are in memory. ``problems`` names shards that could not be read,
    ``facts`` say where the folder's results come from.
    """

    def __init__(self, folder: Place, conditions: Sequence[tuple[str, str]] = ()) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self.listed = list(list_results(folder, self.problems))
        if not self.listed:
            raise OutputError("; ".join(self.problems))
        self.facts = read_facts(folder)
        if conditions:
            values = (values_of(*record) for record in list_records(folder))
            self.listed = list(select_by_values(zip(self.listed, values, strict=True), (), conditions))
        self._made: list[Analysis] = []
        self._made_facts: dict[str, RunFacts] = {}

    def find_first(self, id: str | None = None, row: int | None = None) -> Listed:
        """The prompt with an id or in a row, or else the first that can be shown. Raises UsageError if it isn't there.

        Rows count from 0, negative ones from the end.
        """
        if row is not None:
            return self._find_row(id, row)
        if id is None:
            return next((one for one in self.listed if one.reason is None), self.listed[0])
        found = next((one for one in self.listed if one.id == id), None)
        if found is None:
            hint = suggest(id, (one.id for one in self.listed))
            raise UsageError(f"{self.folder}: no result with id {id!r}; leave --id out to see all{hint}")
        return found

    def _find_row(self, id: str | None, row: int) -> Listed:
        if id is not None:
            raise UsageError("expected either --id or --row, found both: leave one out")
        if not -len(self.listed) <= row < len(self.listed):
            raise UsageError(f"{self.folder}: expected a row from 0 to {len(self.listed) - 1}, found {row}")
        return self.listed[row]

    def check_target(self, listed: Listed, question: Question, names: SectionNames) -> None:
        """Raise UsageError if the prompt to open first lacks the target or the method."""
        result = self.load(listed)
        if isinstance(result, Analysis) and (question.target is not None or question.method is not None):
            try:
                open_scene(names.give(result), question)
            except UsageError as error:
                raise UsageError(f"{listed.id}: {error}") from error

    def load(self, listed: Listed) -> Analysis | SetAside:
        """Load a prompt's result. Raises OutputError if it can no longer be read."""
        return self._made[listed.place] if listed.shard is None else read_result(listed.shard, listed.place)

    def search(self, wanted: str) -> list[Listed]:
        """The prompts whose id, label, prompt, completion or reason contains a text, ignoring case; "": all."""
        if not wanted:
            return self.listed
        stored = set(search_results(self.folder, wanted))
        made = {place for place, analysis in enumerate(self._made) if _holds(analysis, wanted.casefold())}
        return [
            one for one in self.listed if (one.place in made if one.shard is None else (one.shard, one.place) in stored)
        ]

    def find_facts(self, id: str) -> RunFacts | None:
        """Where a prompt's scores come from; None if it is not known."""
        return self._made_facts.get(id, self.facts)

    def add(self, analysis: Analysis, facts: RunFacts) -> Listed:
        """Keep an analysis in memory, at the end of the list."""
        prompt = analysis.completion.prompt
        listed = Listed(
            id=prompt.id,
            label=prompt.label,
            start=prompt.text[:START_LENGTH],
            reason=None,
            shard=None,
            place=len(self._made),
        )
        self._made.append(analysis)
        self._made_facts[prompt.id] = facts
        self.listed.append(listed)
        return listed

    @property
    def made(self) -> list[Listed]:
        """The prompts that are in memory only."""
        return [one for one in self.listed if one.shard is None]

    def name_change(self, id: str) -> str:
        """Make a unique id for a changed prompt."""
        taken = {one.id for one in self.listed}
        names = (f"{id} (changed{f' {number}' if number > 1 else ''})" for number in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)


def _holds(analysis: Analysis, wanted: str) -> bool:
    completion = analysis.completion
    texts = (completion.prompt.id, completion.prompt.label or "", completion.text)
    return any(wanted in text.casefold() for text in texts)
