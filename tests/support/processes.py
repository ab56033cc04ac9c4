"""Run commands as separate processes, and wait for them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

from promptlight.io.places import Place
from tests.conftest import START
from tests.support.warm import WarmProcess

PATIENCE = 60  # seconds to wait for a silent process


def start_command(
    prompts: Path, folder: Place, *options: str, first: str = "", stderr: IO[str] | None = None
) -> WarmProcess:
    """``promptlight run`` with the bundled model, after the code ``first``."""
    options = options or ("--max-new-tokens", "24", "--device", "cpu")
    errors = None if stderr is None else stderr.fileno()
    return WarmProcess(["run", prompts, "-o", folder, *options], first=first, stderr=errors)


def start_cold_command(prompts: Path, folder: Place, *options: str, stderr: Any = subprocess.PIPE) -> Popen[str]:
    """The same in a new interpreter, which has everything to import yet."""
    command = [sys.executable, "-c", START.format(""), "run", str(prompts), "-o", str(folder), *options]
    return Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait until this is true; fail after a long time."""
    give_up = time.monotonic() + 5 * PATIENCE
    while not happened():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.01)


def finish(run: WarmProcess | Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    printed, complained = run.communicate(timeout=5 * PATIENCE)
    assert run.returncode is not None
    return run.returncode, printed, complained


def find_processes(start: str, end: str) -> set[int]:
    """Find running processes by their command."""
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            command = (folder / "cmdline").read_bytes().rstrip(b"\0 ").decode()
            if command.startswith(start) and command.endswith(end):
                found.add(int(folder.name))
    return found


def list_ancestors(process: int) -> list[int]:
    """The process's parent, that one's parent, and so on."""
    ancestors: list[int] = []
    with contextlib.suppress(OSError):  # it has ended in the meantime
        while process > 1:
            stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
            process = int(stat.rpartition(")")[2].split()[1])
            ancestors.append(process)
    return ancestors


def run_measured(command: list[str], **options: Any) -> tuple[str, int]:
    """Run a command to its successful end: what it printed, and its peak memory in bytes.

    A small process in between starts it, as on Linux a peak begins with that of the process before it.
    """
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        **options,
    )
    printed, _, peak = done.stdout.rstrip("\n").rpartition("\n")
    return printed, int(peak) * (1 if sys.platform == "darwin" else 1024)
