"""Which stored results a command works on: ``--id``, ``--where``, ``--sections``, and what of a folder can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from promptlight.salience.errors import OutputError
from promptlight.salience.types import Analysis


class ChosenResults:
    """The results of a folder that were asked for, read anew by each loop over them.

    Damaged shards are left out; ``raise_damage`` says so when all else is done. Raises what is wrong with a condition
    or with a file of sections at once, and UsageError behind the last result if none was found.
    """

    def __init__(
        self, folder: Path, *, ids: Sequence[str] | None, where: Sequence[str] | None, sections: Path | None
    ) -> None:
        from promptlight.io.sections import read_section_patterns
        from promptlight.salience.selection import parse_condition

        self.folder = folder
        self._ids = ids or ()
        self._conditions = [parse_condition(condition) for condition in where or ()]
        self._patterns = read_section_patterns(sections) if sections else None
        self._problems: list[str] = []

    def __iter__(self) -> Iterator[Analysis]:
        from promptlight.io.store import read_results
        from promptlight.salience.sections import name_sections
        from promptlight.salience.selection import select_results

        self._problems.clear()
        for analysis in select_results(read_results(self.folder, self._problems), self._ids, self._conditions):
            yield name_sections(analysis, self._patterns) if self._patterns else analysis

    def raise_damage(self) -> None:
        """Raise OutputError if the latest loop could not read all."""
        if self._problems:
            raise OutputError(f"{'; '.join(self._problems)}; all other results were read")
