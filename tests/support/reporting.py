"""Processes that report to the test while they work, until they end or are killed.

They are forked from a server, which a test module has import that module and what storing results imports late.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tests.support.processes import PATIENCE

CONTEXT = multiprocessing.get_context("forkserver")
LATE = ("pandas", "pyarrow.compute", "pyarrow.pandas_compat", "sentencex")  # a fifth of a second in each process


def preload(module: str) -> None:
    """Have processes forked with this test module, and nothing heavier such as torch."""
    CONTEXT.set_forkserver_preload([module, *LATE])


@contextlib.contextmanager
def start(work: Callable[..., None], *arguments: Any) -> Generator[tuple[BaseProcess, Connection]]:
    """A process that calls ``work(reports, *arguments)``, and the other end of ``reports``; killed in the end."""
    received, reports = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=work, args=(reports, *arguments))
    process.start()
    reports.close()
    try:
        yield process, received
    finally:
        kill(process)
        received.close()


def kill(process: BaseProcess) -> None:
    """Kill it, and wait until it is gone."""
    process.kill()
    process.join(PATIENCE)


def receive(reports: Connection, n_reports: int | None = None) -> list[Any]:
    """The next reports of a process, or all up to its end."""
    received: list[Any] = []
    with contextlib.suppress(EOFError):
        while n_reports is None or len(received) < n_reports:
            assert reports.poll(PATIENCE), "the process hangs"
            received.append(reports.recv())
    return received
