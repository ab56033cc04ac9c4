"""Explain a prompt and its change in a thread, while the app stays responsive."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.message import Message

from promptlight.cli.work.live_model import LiveModel
from promptlight.salience.errors import PromptlightError
from promptlight.salience.text.editing import apply_edits, find_edits, said_in
from promptlight.salience.types import Analysis, Prompt


class Finished(Message):
    """Both are explained, or ``error`` says why not."""

    def __init__(self, pair: tuple[Analysis, Analysis] | None, error: str | None) -> None:
        super().__init__()
        self.pair, self.error = pair, error


def find_said(prompt: Prompt) -> str:
    """The part of a prompt that can be edited: all of it, or the last message of a chat."""
    start, stop = said_in(prompt)[-1]
    return prompt.text[start:stop]


def change_said(prompt: Prompt, said: str, id: str) -> Prompt:
    """Replace that part of the prompt with another text."""
    return apply_edits(prompt, find_edits(find_said(prompt), said, said_in(prompt)[-1][0]), id=id)


def start_run(
    live: LiveModel, original: Prompt, changed: Prompt, tell: Callable[[Message], object]
) -> threading.Thread:
    """Explain both in a thread, which calls ``tell`` with a Finished."""

    def work() -> None:
        try:
            before, after = live.explain(original, changed)
        except PromptlightError as error:
            tell(Finished(None, str(error)))
        except Exception as error:  # a bug, or an error of torch: the app keeps running with its prompts
            tell(Finished(None, f"{type(error).__name__}: {error}"))
        else:
            tell(Finished((before, after), None))

    # a plain thread: on exit, the app would wait for asyncio's own threads
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
