"""Count what becomes of the records of a run, and sum it up at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from promptlight.cli.failures import name_options
from promptlight.cli.views.command import name_command
from promptlight.cli.views.progress import spell_rate
from promptlight.io.places import Place
from promptlight.salience.errors import at_place
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Analysis, Prompt, SetAside

Watcher = Callable[[str | None], None]
"""Called after each record, with a message about it if there is one."""


@dataclass
class Tally:
    """Counts what happens to the records, and notifies watchers."""

    total: int
    n_explained: int = 0
    n_written: int = 0
    n_set_aside: int = 0
    n_already_done: int = 0
    n_gone: int = 0
    n_tokens: int = 0
    n_blank_lines: int = 0
    started: float = field(default_factory=time.monotonic)
    watchers: list[Watcher] = field(default_factory=list[Watcher])

    @property
    def n_seen(self) -> int:
        """The number of records processed so far."""
        return self.n_explained + self.n_written + self.n_set_aside + self.n_already_done

    @property
    def tokens_per_second(self) -> float:
        """Target tokens explained per second of wall-clock time."""
        return self.n_tokens / max(time.monotonic() - self.started, 1e-9)

    def explained(self, analysis: Analysis) -> None:
        """Count a prompt as explained."""
        self.n_explained += 1
        self.n_tokens += analysis.completion.n_targets
        self._tell(None)

    def written(self) -> None:
        """Count a prompt for which the model wrote again."""
        self.n_written += 1
        self._tell(None)

    def set_aside(self, record: SetAside) -> None:
        """Count a record as skipped."""
        self.n_set_aside += 1
        self._tell(_describe(record, name_options(record.reason, record.parameters)))

    def already_done(self, record: Prompt | SetAside, error: str | None) -> None:
        """Count a record as done by an earlier run, with a result or with ``error``."""
        if error is not None:  # still unusable: report it again, in the message and the exit code
            self.n_set_aside += 1
            parameters = record.parameters if isinstance(record, SetAside) else ()
            self._tell(_describe(record, name_options(error, parameters)))
        else:
            self.n_already_done += 1
            self._tell(None)

    def _tell(self, message: str | None) -> None:
        for watcher in self.watchers:
            watcher(message)


def _describe(record: Prompt | SetAside, reason: str) -> str:
    return one_line(at_place(record.path, record.line, f"skipped: {reason}"))


def summarize(tally: Tally, output: Place) -> str:
    """Summarise a run in two lines."""
    seconds = time.monotonic() - tally.started
    parts = [f"{tally.n_explained} explained"]
    if tally.n_already_done:
        parts.append(f"{tally.n_already_done} done before")
    if tally.n_set_aside:
        parts.append(f"{tally.n_set_aside} skipped (see above)")
    if tally.n_gone:
        parts.append(f"{tally.n_gone} skipped before, no longer in the file")
    if tally.n_blank_lines:
        parts.append(f"{tally.n_blank_lines} blank line{'s' * (tally.n_blank_lines > 1)} skipped")
    speed = f" at {spell_rate(tally.tokens_per_second)}" if tally.n_tokens else ""
    folder = one_line(str(output))
    hint = f"next: {name_command()} show {folder}"
    return f"{', '.join(parts)} in {seconds:.1f} s{speed}; stored in the folder {folder}\n{hint}"
