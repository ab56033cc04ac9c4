"""Stop a run cleanly on Ctrl-C, SIGTERM and SIGHUP: write computed results to disk, and say in a line how to resume."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from promptlight.cli.work.tally import Tally
from promptlight.salience.errors import OutputError, StoppedError

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


@contextmanager
def ending_in_order(tally: Tally) -> Generator[None]:
    """Leave the block with KeyboardInterrupt on any of these signals, and raise StoppedError after its cleanup.

    After a signal, other errors are its consequences and end in StoppedError too, except OutputError: results are lost.
    A second signal also ends the cleanup, but for a second SIGHUP: a closing terminal and its shell may both send one.
    Python drops exceptions of some callbacks, and a library may catch them: then
    the next record that is counted ends the block, and Python says nothing of the dropped one. Ignored signals stay
    ignored, as a shell sets them for background jobs. Outside the main thread, the only one that receives signals,
    nothing changes.
    """
    received: list[int] = []
    is_over = False  # the cleanup, too: what comes now has nothing to end

    def remind(_: str | None) -> None:
        """Called after each record: raise KeyboardInterrupt again if the first one did not end the run."""
        if received:
            raise KeyboardInterrupt

    tally.watchers.append(remind)
    report_dropped = sys.unraisablehook

    def pass_over_stops(dropped: sys.UnraisableHookArgs) -> None:
        if not (received and issubclass(dropped.exc_type, KeyboardInterrupt)):
            report_dropped(dropped)

    def stop(number: int, _: FrameType | None) -> None:
        if is_over or (received and number == signal.SIGHUP):
            return
        received.append(number)
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in NAMES if is_main}
    watched = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    try:
        if is_main:
            sys.unraisablehook = pass_over_stops
        for number in watched:
            signal.signal(number, stop)
        yield
    except (KeyboardInterrupt, Exception) as error:
        is_over = True
        # h5py turns an interruption of its callback into a SystemError, and Ray a call that is cut short into others
        if isinstance(error, OutputError) or not (received or isinstance(error, KeyboardInterrupt)):
            raise
        raise StoppedError(received[0] if received else signal.SIGINT, _describe_stop(received, tally)) from error
    finally:
        for number, handler in watched.items():
            signal.signal(number, handler)
        if is_main:
            sys.unraisablehook = report_dropped


def _describe_stop(received: list[int], tally: Tally) -> str:
    """Say what stopped the run, where, and how to resume it."""
    name = NAMES[signal.Signals(received[0])] if received else "Ctrl-C"
    place = f"stopped by {name} after {tally.n_seen} of {tally.total} prompts"
    kept = "what was computed is kept" if len(received) < 2 else "at once: the last of them may not have been written"
    return f"{place}, {kept}; run the same command again to resume"
