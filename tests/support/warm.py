"""Run commands that start in a tenth of the time: forked from a process that has imported what they need.

A command that starts from nothing imports for four seconds. What it does then is the same: a process of its own, with
streams, signals and an exit code. Where the start itself is tested, or what libraries read when they are imported, use
``subprocess``.
"""

# pyright: standard

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, NoReturn

HERE = Path(__file__)
LIBRARIES = ("keras", "keras_nlp", "h5py", "pandas", "pyarrow.parquet")
ROOMS = ("salience.run", "salience.loading.keras", "io.prompts", "io.prompts.files", "io.results")
ROOMS += ("cli", "cli.commands", "cli.work", "cli.views")


class WarmProcess:
    """A running command, as a ``Popen`` of text. Without a file for them, stdout and stderr are pipes."""

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        first: str = "",
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """``first`` is code that the process runs before the command."""
        request = {
            "arguments": [str(one) for one in arguments],
            "folder": str(folder or Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
            "first": first,
        }
        self.returncode: int | None = None
        with contextlib.ExitStack() as ours:
            self.stdout, out = _open_stream(stdout, ours)
            self.stderr, errors = _open_stream(stderr, ours)
            nothing = ours.enter_context(open(os.devnull, "rb"))
            streams = [nothing.fileno() if stdin is None else stdin, out, errors]
            self._link = ask(_find_server(), streams, request)
        self._told = self._link.makefile("r", encoding="ascii")
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, or None if it still runs after ``timeout`` seconds."""
        if self.returncode is None and select.select([self._link], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
            self._link.close()
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """All that stdout and stderr get up to the end, if they are pipes."""
        with ThreadPoolExecutor(2) as readers:
            parts = [readers.submit(_read_all, stream) for stream in (self.stdout, self.stderr)]
            try:
                printed, complained = (part.result(timeout) for part in parts)
            except TimeoutError:
                self.kill()  # so that the readers end
                raise
        assert self.wait(timeout) is not None, "it has closed its streams and hangs"
        return printed, complained

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _open_stream(file: int | None, ours: contextlib.ExitStack) -> tuple[IO[str] | None, int]:
    """Our end of a pipe, and the process's end or file."""
    if file is not None:
        return None, file
    end, its = os.pipe()
    ours.callback(os.close, its)
    return open(end, encoding="utf-8"), its


def _read_all(stream: IO[str] | None) -> str:
    if stream is None:
        return ""
    with stream:
        return stream.read()


def ask(address: str, streams: Sequence[int], request: Mapping[str, Any]) -> socket.socket:
    """Have the server start a command; it sends the process's number, then its exit code, a line each."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(address)
    socket.send_fds(link, [b"\n"], streams)
    link.sendall(json.dumps(request).encode() + b"\n")
    return link


@functools.cache
def _find_server() -> str:
    """The address of this process's server, which ends with this process."""
    address = str(Path(tempfile.mkdtemp(prefix="warm")) / "socket")  # the server removes it
    alive, its = os.pipe()
    server = subprocess.Popen([sys.executable, HERE, address], stdin=alive, stdout=subprocess.PIPE)
    os.close(alive)

    def end() -> None:
        os.close(its)
        server.wait()

    atexit.register(end)
    assert server.stdout is not None
    with server.stdout as ready:
        assert ready.readline() == b"ready\n", "the server that starts commands didn't start"
    return address


STAND_IN = """#!{python} -SE
import json, os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
socket.send_fds(link, [b"\\n"], [0, 1, 2])
request = dict(arguments=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ), first="")
link.sendall(json.dumps(request).encode() + b"\\n")
_, ended = link.makefile()
sys.exit(int(ended) if int(ended) >= 0 else 128 - int(ended))
"""


def write_stand_in(folder: Path) -> None:
    """A ``promptlight`` for shells that have the folder on their PATH: its work is done in a warm process."""
    path = folder / "promptlight"
    path.write_text(STAND_IN.format(python=sys.executable, address=_find_server()), encoding="utf-8")
    path.chmod(0o755)


# ---- the server ------------------------------------------------------------------------------------------------------


def serve(address: str) -> None:
    """Start a command for each that asks, until stdin is closed. Returns in each of the commands, as it is to run."""
    import_libraries()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the keepers need nobody who waits for them
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            link, _ = server.accept()
            if os.fork() == 0:
                server.close()
                return keep(link)
            link.close()
    shutil.rmtree(Path(address).parent)
    sys.exit()


def keep(link: socket.socket) -> None:
    """Fork the command, tell how it ends, and end. Returns in the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(link, 1, 3)
    with link.makefile("rb") as asked:
        request = json.loads(asked.readline())
    process = os.fork()
    if process == 0:
        link.close()
        return become(request, streams)
    for stream in (*streams, 0, 1, 2):
        os.close(stream)
    with contextlib.suppress(OSError):  # nobody wants to know any longer
        link.sendall(f"{process}\n".encode())
        _, status = os.waitpid(process, 0)
        link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Make this process what ``python -m promptlight.cli`` begins as."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    assert isinstance(sys.stdout, TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["promptlight", *request["arguments"]]
    for number in (signal.SIGINT, signal.SIGHUP):  # count even if nohup has started the tests
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    exec(request["first"], {})


def import_libraries() -> None:
    """Import all that commands import late, and leave it out of the garbage collection."""
    sys.path.pop(0)  # this folder
    gc.disable()
    from promptlight.salience.loading.environment import VARIABLES, block_tensorflow

    block_tensorflow()
    os.environ.update(VARIABLES | {"KERAS_BACKEND": "torch"})
    for name in LIBRARIES:
        importlib.import_module(name)
    for room in ROOMS:
        package = importlib.import_module(f"promptlight.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"promptlight.{room}."):
            if not module.ispkg and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    gc.freeze()
    gc.enable()


def main() -> NoReturn:
    """Serve, and be one of the commands when it returns."""
    serve(sys.argv[1])
    runpy.run_module("promptlight.cli", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
