"""List the prompts for ``report``, from one folder or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING

from promptlight.cli.options.question import choose_target
from promptlight.cli.views.facts import describe_quantised
from promptlight.cli.work.stored_checks import StoredChecks
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.cli.work.stored_trust import StoredTrust
from promptlight.cli.work.tried_folders import name_tried_folders
from promptlight.io.page.words import Language
from promptlight.io.places import Place
from promptlight.io.results.folders import BUNDLED
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Method, SetAside, Way

if TYPE_CHECKING:
    from promptlight.io.page.overview import AllPrompts
    from promptlight.io.page.record import ReportEntry
    from promptlight.io.results.facts import RunFacts
    from promptlight.salience.explain.explanation import Question

N_NAMED = 3  # prompts without the target


class FolderEntries:
    """Describes the prompts of one folder, the ``number``-th of the page, with what was measured and tried about them.

    What is beside the results is read once.
    """

    def __init__(self, folder: Place, facts: RunFacts | None, number: int, question: Question) -> None:
        self._number, self._question = number, question
        self._trust, self._checks = StoredTrust(folder), StoredChecks(folder)
        self._quantised = _describe_quantised(facts)

    def describe(self, analysis: Analysis, name: str) -> ReportEntry:
        """One prompt, with its name on the page."""
        from promptlight.io.page.record import ReportEntry

        return ReportEntry(
            analysis=analysis,
            name=name,
            question=self._question,
            trust=partial(_describe_trust, self._trust),
            check=self._checks.find,
            quantised=self._quantised,
            source=self._number,
        )


class ReportEntries:
    """All prompts of some folders. With several, each prompt's name includes its folder.

    Where a folder's completions were asked about otherwise in the served page, these are sources of their own after it.
    Raises UsageError after the last prompt if none has the question's target, or if the prompt to open with, ``start``,
    is not among them. ``without_target`` has the names of those without the target, once they were listed.
    """

    def __init__(self, folders: Sequence[ChosenResults], question: Question, start: str | None) -> None:
        self._own, self._question, self._start = folders, question, start
        self._folders = [one for chosen in folders for one in (chosen, *chosen.list_tried())]
        self._names = _name_all(folders)
        self.without_target: list[str] = []

    def __iter__(self) -> Iterator[ReportEntry]:
        names: list[str] = []
        missing: UsageError | None = None
        self.without_target.clear()
        for number, (chosen, facts) in enumerate(zip(self._folders, self.sources, strict=True)):
            is_alone = len(self._own) == 1 and chosen is self._own[0]
            question = self._question if chosen in self._own else _drop_missing(self._question, facts)
            folder = FolderEntries(chosen.folder, facts, number, question)
            for analysis in chosen:
                id = analysis.completion.prompt.id
                names.append(id if is_alone else f"{id} ({self._names[number]})")
                if error := self._find_error(analysis):
                    missing = error
                    self.without_target.append(names[-1])
                yield folder.describe(analysis, names[-1])
        if missing and len(self.without_target) == len(names):
            raise missing
        self._check_start(names)

    def _find_error(self, analysis: Analysis) -> UsageError | None:
        """Why a prompt does not have the target; None if it has it, or if none was asked for."""
        from promptlight.salience.explain.explanation import find_targets

        if self._question.target is None:
            return None
        try:
            find_targets(analysis, self._question)
        except UsageError as error:
            return error
        return None

    def _check_start(self, names: Sequence[str]) -> None:
        if self._start is None or self._start in names:
            return
        close = get_close_matches(self._start, names, 1)
        hint = f"did you mean {close[0]}?" if close else f"it has {_list_names(names)}"
        raise UsageError(
            f"expected a prompt of the page to open with, found {self._start}; {hint}", parameters=("open",)
        )

    def describe_missing(self, n_prompts: int) -> str:
        """Which prompts open with their last line, because they don't have the target."""
        named = _list_names(self.without_target)
        return f"{len(self.without_target)} of {n_prompts} have no such target, and open with their last line: {named}"

    def raise_damage(self) -> None:
        """Raise OutputError if the last loop skipped damaged shards."""
        for chosen in self._folders:
            chosen.raise_damage()

    @property
    def everything(self) -> AllPrompts:
        """What the page says of all prompts together; complete once they were listed."""
        skipped = chain.from_iterable(chosen.skipped for chosen in self._folders)
        problems = chain.from_iterable(chosen.problems for chosen in self._folders)
        return describe_all(self._question, self._names, skipped, problems)

    @cached_property
    def sources(self) -> list[RunFacts | None]:
        """Where the results of each folder come from."""
        from promptlight.io.results.facts import read_facts

        return [read_facts(chosen.folder) for chosen in self._folders]


def describe_all(
    question: Question, names: Sequence[str], skipped: Iterable[SetAside], problems: Iterable[str]
) -> AllPrompts:
    """What stands beside the table of all prompts; ``names`` are those of the folders."""
    from promptlight.io.page.overview import AllPrompts
    from promptlight.salience.explain.summary import GroupQuestion
    from promptlight.salience.text.spans import parse_cut

    target_by = str(question.target_by) if question.target_by else None
    target, target_by = choose_target(question.target, target_by, question.way)
    asked = GroupQuestion(
        by=question.by,
        target=target,
        target_by=parse_cut(target_by) if target_by else None,
        method=question.method,
        way=question.way,
    )
    return AllPrompts(question=asked, folders=names, skipped=skipped, problems=problems)


def _drop_missing(question: Question, facts: RunFacts | None) -> Question:
    """The question without its method if a folder does not have that: completions were asked about by another one."""
    known = facts is not None and question.method in facts.settings["methods"]
    return question if known else replace(question, method=None)


def _name_all(own: Sequence[ChosenResults]) -> list[str]:
    """The names of the folders; after each, what its folders of other questions ask: ``grad_dot_input, margin``.

    With several folders, their names come first: ``results: grad_dot_input, margin``.
    """
    names: list[str] = []
    for chosen, name in zip(own, name_folders([chosen.folder for chosen in own]), strict=True):
        before = f"{name}: " if len(own) > 1 else ""
        names += [name, *(f"{before}{asked}" for _, asked in name_tried_folders(chosen.folder))]
    return names


def name_folders(folders: Sequence[Place]) -> list[str]:
    """The folders' last names if these tell them apart, because a whole path may name a person; else the paths."""
    bundled = {folder: name for name, folder in BUNDLED.items()}
    names = [bundled[folder] if folder in bundled else folder.name or str(folder) for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _list_names(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:N_NAMED]) + (", ..." if len(names) > N_NAMED else "")


def _describe_trust(trust: StoredTrust, analysis: Analysis, method: Method, way: Way) -> dict[Language, str] | str:
    """What was measured and tried, in each language of the page; empty if nothing was."""
    said = {language: trust.describe(analysis, method, way=way, language=language) for language in Language}
    return said if any(said.values()) else ""


def _describe_quantised(facts: RunFacts | None) -> dict[Language, str] | str:
    """Say that the model is quantised, in each language of the page; empty if it is not."""
    if facts is None or not facts.quantised:
        return ""
    return {language: describe_quantised(facts, language) for language in Language}
