"""Explain a prompt and its change in a thread, while the app stays responsive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from textual.message import Message

from promptlight.cli.views.progress import Standing
from promptlight.cli.work.live_model import LiveModel
from promptlight.cli.work.progress import LOADING
from promptlight.io.results.facts import RunFacts
from promptlight.salience.errors import PromptlightError
from promptlight.salience.progress import Phase
from promptlight.salience.text.editing import apply_edits, find_edits, said_in
from promptlight.salience.types import Analysis, Prompt

SECONDS_BETWEEN_WORDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A prompt before and after its change, and where that comes from."""

    before: Analysis
    after: Analysis
    facts: RunFacts


class Finished(Message):
    """A run is over: what it made, or a sentence that says why it made nothing."""

    def __init__(self, made: Explained | str) -> None:
        super().__init__()
        self.made = made


class RunningDisplay:
    """How far the run in the thread has come, for the app to read: ``words`` is what there is to say."""

    def __init__(self) -> None:
        self.words = "running the prompt before and after"
        self._last = 0.0

    def say(self, message: str) -> None:
        """Nothing of a run stays."""

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        """Keep the words, some times a second."""
        if begins or time.monotonic() - self._last > SECONDS_BETWEEN_WORDS:
            self.words, self._last = standing().spell(), time.monotonic()

    @contextmanager
    def loading(self, model: str) -> Generator[None]:
        """Say so."""
        self.words = LOADING
        yield


def find_said(prompt: Prompt) -> str:
    """The part of a prompt that can be edited: all of it, or the last message of a chat."""
    start, stop = said_in(prompt)[-1]
    return prompt.text[start:stop]


def change_said(prompt: Prompt, said: str, id: str) -> Prompt:
    """Replace that part of the prompt with another text."""
    return apply_edits(prompt, find_edits(find_said(prompt), said, said_in(prompt)[-1][0]), id=id)


def start_run(live: LiveModel, original: Prompt, changed: Prompt, tell: Callable[[Message], object]) -> RunningDisplay:
    """Explain both in a thread, which calls ``tell`` with a Finished; returns what it is at meanwhile."""
    display = RunningDisplay()

    def work() -> None:
        try:
            before, after = live.explain(original, changed, display=display)
            made = Explained(before=before, after=after, facts=live.describe_run())
        except PromptlightError as error:
            tell(Finished(str(error)))
        except Exception as error:  # a bug, or an error of torch: the app keeps running with its prompts
            tell(Finished(f"{type(error).__name__}: {error}"))
        else:
            tell(Finished(made))

    # a plain thread: on exit, the app would wait for asyncio's own threads
    threading.Thread(target=work, daemon=True).start()
    return display
