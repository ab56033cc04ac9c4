"""Show on stderr how far long work has come: a live bar on a terminal, now and then a line elsewhere.

    with open_display() as display:
        with display.loading(name):
            model = load_model(name)
        following = Following(display, workload)
        found = analyze(prompts, model, options, on_step=following.hear)
        results = list(following.count(prompts, found))

A display shows what it is given; ``Following`` works out from steps what to show. Work of another kind calls
``display.show`` itself.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task
from rich.table import Column
from rich.text import Text

from promptlight.cli.views.progress import Standing, spell_left, spell_rate, spell_step
from promptlight.salience.errors import PromptlightError
from promptlight.salience.loading.handles import parse_handle
from promptlight.salience.progress import Phase, Step
from promptlight.salience.types import Prompt

if TYPE_CHECKING:
    from promptlight.salience.run.time_left import Workload

SECONDS_BEFORE_LINES = 5.0  # what takes less is not worth a line
SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_UPDATES = 0.1  # of a bar
WIDE = 80  # columns, for the speed and a bar
LOADING = "loading the model"

Clock = Callable[[], float]
Result = TypeVar("Result")


class Display(Protocol):
    """Where progress is shown."""

    def say(self, message: str) -> None:
        """Print a line that stays."""
        ...

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        """Show how far the phase has come, or that a part of it ``begins``.

        Cheap if it is too early to show more: then ``standing`` is not called.
        """
        ...

    def loading(self, model: str) -> AbstractContextManager[None]:
        """Show that this model is loaded, while the block does it."""
        ...


class Lines:
    """A line for each phase if the work takes a few seconds, and every half a minute."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._said: set[Phase] = set()

    def say(self, message: str) -> None:
        """Print it."""
        print(message, file=sys.stderr, flush=True)

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        """Print the standing if a line is due."""
        waited = self._clock() - self._last
        if waited < (SECONDS_BETWEEN_LINES if phase in self._said else SECONDS_BEFORE_LINES):
            return
        self._last = self._clock()
        self._said.add(phase)
        self.say(standing().spell())

    @contextmanager
    def loading(self, model: str) -> Generator[None]:
        """Print a line if it takes long; loading itself says nothing, so a timer does."""
        timer = threading.Timer(SECONDS_BEFORE_LINES, self.say, [LOADING])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._last = self._clock()


class Bar:
    """A live line at the bottom of a terminal: what is done, the time that is left, a bar."""

    def __init__(self, progress: Progress, clock: Clock = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
        self._last = 0.0
        self._phase: Phase | None = None
        self._task = progress.add_task("", total=None, visible=False)

    def say(self, message: str) -> None:
        """Print it above the bar."""
        self._progress.console.print(  # unchanged: Rich would turn the 100 in x.jsonl:100: into an emoji
            message, markup=False, highlight=False, emoji=False, soft_wrap=True
        )

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        """Change the line, at most ten times a second while a part goes on."""
        now = self._clock()
        if phase is self._phase and now - self._last < SECONDS_BETWEEN_UPDATES and not begins:
            return
        fields: dict[str, Any] = {"at": now} if phase is self._phase else {"at": now, "since": now}
        self._phase, self._last = phase, now
        found = standing()
        rate = f", {found.rate}" if found.rate and self._progress.console.width >= WIDE else ""
        self._progress.update(
            self._task,
            description=found.text + rate,
            total=None if found.share is None else 1.0,  # None: as before
            completed=found.share or 0.0,
            visible=True,
            refresh=begins,
            left=found.seconds_left,
            **fields,
        )

    @contextmanager
    def loading(self, model: str) -> Generator[None]:
        """Show how long it takes. A hub that may fetch files has its own bar: then there is only a line."""
        if _may_be_fetched(model):
            self.say(LOADING)
            self._progress.stop()
            yield
            self._progress.start()
            return
        self.show(Phase.LOADING, lambda: Standing(text=LOADING))
        yield
        self._phase = None
        self._progress.update(self._task, visible=False)


class _WordsColumn(ProgressColumn):
    """The words, and the time that is left, which runs down between updates; else how long the phase has taken."""

    max_refresh = None

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        """Rich calls it."""
        now = time.monotonic()
        left: float | None = task.fields.get("left")
        if left is None:
            return Text(f"{task.description}: {now - task.fields.get('since', now):.0f} s")
        return Text(f"{task.description}, about {spell_left(left - (now - task.fields['at']))} left")


@dataclass(frozen=True)
class _Narrower:
    """Leaves room at the end of the line: a terminal prints ^C there, which must not begin a line of its own."""

    drawn: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return console.render(self.drawn, options.update_width(max(1, options.max_width - 3)))


class _LiveLine(Progress):
    def get_renderable(self) -> RenderableType:
        """Rich calls it."""
        return _Narrower(super().get_renderable())


@contextmanager
def open_display() -> Generator[Display]:
    """A display on stderr: a bar if that is a terminal, else lines; in a notebook, a bar if there are widgets."""
    console = Console(stderr=True)
    has_bar = _has_widgets() if console.is_jupyter else console.is_terminal and not console.is_dumb_terminal
    if not has_bar:
        yield Lines()
        return
    words = (SpinnerColumn(table_column=Column(width=1)), _WordsColumn())
    bar = (BarColumn(bar_width=None, table_column=Column(ratio=1)),) if console.width >= WIDE else ()
    with _LiveLine(*words, *bar, console=console, transient=True, redirect_stdout=False, expand=True) as progress:
        yield Bar(progress)


def _has_widgets() -> bool:
    """Whether Rich can draw over what it drew before in a notebook; without widgets, it only warns."""
    return find_spec("ipywidgets") is not None


def _may_be_fetched(model: str) -> bool:
    """Whether a model comes from a hub, which may download it."""
    try:
        handle = parse_handle(model)
    except PromptlightError:
        return False  # loading it will say why
    return not (handle.is_folder or handle.is_gguf)


class Following:
    """Follows the work of ``analyze``, and shows how far it has come."""

    def __init__(self, display: Display, workload: Workload) -> None:
        from promptlight.salience.run.time_left import TimeLeft

        self._display = display
        self._time = TimeLeft(workload)
        self._has_steps = False

    def hear(self, step: Step) -> None:
        """Take a step into account."""
        self._has_steps = True
        self._time.see(step)
        self._display.show(step.phase, lambda: self._stand(step), begins=step.done == 0)

    def finish(self, id: str) -> None:
        """A prompt is explained, or was skipped."""
        self._time.finish(id)
        if not self._has_steps:  # actors explain it: of their steps nothing is known here
            self._display.show(Phase.EXPLAINING, self._stand_among_prompts)

    def count(self, prompts: Iterable[Prompt], results: Iterable[Result]) -> Iterator[Result]:
        """Pass on the results of these prompts, and finish each."""
        for prompt, result in zip(prompts, results, strict=True):
            self.finish(prompt.id)
            yield result

    def _stand(self, step: Step) -> Standing:
        text = spell_step(step, self._time.n_finished, self._time.workload.n_prompts)
        return self._measure(text, self._time.targets_per_second)

    def _stand_among_prompts(self) -> Standing:
        text = f"explained {self._time.n_finished:,} of {self._time.workload.n_prompts:,} prompts"
        return self._measure(text, 0.0)

    def _measure(self, text: str, per_second: float) -> Standing:
        rate = spell_rate(per_second) if per_second > 0 else ""
        return Standing(text=text, rate=rate, share=self._time.share, seconds_left=self._time.seconds)
