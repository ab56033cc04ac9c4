"""Ctrl-C and SIGTERM end a run in good order: what was computed goes to disk, and one line says how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from promptlight.cli.work.progress import Tally, Watcher
from promptlight.salience.errors import StoppedError

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Reminder(Watcher):
    """Interrupts again, if an interruption has not ended the run."""

    def __init__(self, received: list[int]) -> None:
        self._received = received

    def update(self, tally: Tally, message: str | None) -> None:
        """Called after each record."""
        if self._received:
            raise KeyboardInterrupt


@contextmanager
def ending_in_order(tally: Tally) -> Generator[None]:
    """The block is left by KeyboardInterrupt on either signal, and StoppedError raised once it has cleaned up.

    Another signal while it cleans up ends that too. Python drops what some callbacks raise, and a library may
    catch it: then the next record that is counted ends the block. Signals that are ignored stay so: a shell starts what
    it puts into the background that way. Outside the main thread, which alone gets signals, nothing is changed.
    """
    received: list[int] = []
    tally.watchers.append(Reminder(received))

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in NAMES if is_main}
    watched = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    try:
        for number in watched:
            signal.signal(number, stop)
        yield
    except KeyboardInterrupt as error:
        raise StoppedError(received[0] if received else signal.SIGINT, describe_stop(received, tally)) from error
    finally:
        for number, handler in watched.items():
            signal.signal(number, handler)


def describe_stop(received: list[int], tally: Tally) -> str:
    """What stopped the run, where, and how to go on."""
    name = NAMES[signal.Signals(received[0])] if received else "Ctrl-C"
    place = f"stopped by {name} after {tally.n_seen} of {tally.total} prompts"
    kept = "what was computed is kept" if len(received) < 2 else "at once: the last of them may not have been written"
    return f"{place}, {kept}; run the same command again to go on"
