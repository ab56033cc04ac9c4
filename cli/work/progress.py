"""Show the progress of a run and a summary at its end: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from promptlight.cli.failures import name_options
from promptlight.cli.views.quantised import describe_model
from promptlight.salience.errors import at_place
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Analysis, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.model import ModelFacts

SECONDS_BETWEEN_LINES = 5.0
DEMO_NOTE = (
    "demo is a small demo model, trained from scratch on made-up restaurant prompts: it shows how the tool works, and"
    " knows nothing else. For real work use --model gemma2_instruct_2b_en or another Gemma."
)


SLOW_NOTE = (
    "note: bfloat16 is many times slower than float32 on this CPU, which has no units for it: take --dtype float32"
)


@dataclass
class Tally:
    """Counts what happens to the records, and notifies watchers."""

    total: int
    n_explained: int = 0
    n_set_aside: int = 0
    n_already_done: int = 0
    n_tokens: int = 0
    n_blank_lines: int = 0
    started: float = field(default_factory=time.monotonic)
    watchers: list[Watcher] = field(default_factory=list["Watcher"])

    @property
    def n_seen(self) -> int:
        """The number of records processed so far."""
        return self.n_explained + self.n_set_aside + self.n_already_done

    @property
    def tokens_per_second(self) -> float:
        """Target tokens explained per second of wall-clock time."""
        return self.n_tokens / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float:
        """A guess from the records done so far in this run."""
        worked = self.n_explained + self.n_set_aside
        left = max(0, self.total - self.n_seen)
        return (time.monotonic() - self.started) / worked * left if worked else 0.0

    def explained(self, analysis: Analysis) -> None:
        """Count a prompt as explained."""
        self.n_explained += 1
        self.n_tokens += analysis.completion.n_targets
        self._tell(None)

    def set_aside(self, record: SetAside) -> None:
        """Count a record as set aside."""
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
            watcher.update(self, message)


def _describe(record: Prompt | SetAside, reason: str) -> str:
    return one_line(at_place(record.path, record.line, f"set aside: {reason}"))


class Watcher:
    """Shows a tally's progress as plain lines, one every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def update(self, tally: Tally, message: str | None) -> None:
        """Show the tally after a record, with a message about it if there is one."""
        if message:
            print(message, file=sys.stderr, flush=True)
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            print(
                f"{tally.n_seen} of {tally.total} prompts, {tally.tokens_per_second:.0f} tokens/s,"
                f" about {tally.seconds_left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


class BarWatcher(Watcher):
    """Shows a tally's progress as a live bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("explaining", total=total, speed="")

    def update(self, tally: Tally, message: str | None) -> None:
        if message:
            self._progress.console.print(  # unchanged: Rich would turn the 100 in x.jsonl:100: into an emoji
                message, markup=False, highlight=False, emoji=False, soft_wrap=True
            )
        self._progress.update(self._task, completed=tally.n_seen, speed=f"{tally.tokens_per_second:.0f} tokens/s")


@contextmanager
def show_progress(tally: Tally, facts: ModelFacts, output: Path, plan: str = "") -> Generator[None]:
    """Show the plan and then progress on stderr while the block runs, and a summary on stdout after it."""
    console = Console(stderr=True)
    print(describe_model(facts), file=sys.stderr)
    if _is_slow_here(facts):
        print(SLOW_NOTE, file=sys.stderr)
    if facts.preset == "demo":
        print(DEMO_NOTE, file=sys.stderr)
    if plan:
        print(plan, file=sys.stderr)
    if console.is_terminal:
        columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("prompts"))
        times = (TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
        with Progress(*columns, *times, console=console, transient=True) as progress:
            tally.watchers.append(BarWatcher(progress, tally.total))
            yield
    else:
        tally.watchers.append(Watcher())
        yield
    print(summarize(tally, output))


def _is_slow_here(facts: ModelFacts) -> bool:
    """Whether the model's dtype is many times slower than float32 on this CPU."""
    if facts.dtype != "bfloat16" or facts.device != "cpu":
        return False
    from promptlight.salience.decoder.processor import has_fast_bfloat16

    return not has_fast_bfloat16()


def summarize(tally: Tally, output: Path) -> str:
    """Summarise a run in one or two lines."""
    seconds = time.monotonic() - tally.started
    parts = [f"{tally.n_explained} explained"]
    if tally.n_already_done:
        parts.append(f"{tally.n_already_done} done before")
    if tally.n_set_aside:
        parts.append(f"{tally.n_set_aside} set aside (see above)")
    if tally.n_blank_lines:
        parts.append(f"{tally.n_blank_lines} blank line{'s' * (tally.n_blank_lines > 1)} skipped")
    speed = f" at {tally.tokens_per_second:.0f} tokens/s" if tally.n_tokens else ""
    folder = one_line(str(output))
    return f"{', '.join(parts)} in {seconds:.1f} s{speed}; results in {folder}\nlook at one: promptlight show {folder}"
