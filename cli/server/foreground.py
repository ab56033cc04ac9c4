"""The page's server as a command: it runs until Ctrl-C, and says in the terminal where it is."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from promptlight.cli.server.guard import LOOPBACK, is_address
from promptlight.salience.errors import StoppedError, UsageError
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.secrets import SHORTEST
from promptlight.salience.text.spelling import suggest

if TYPE_CHECKING:
    from promptlight.cli.work.live_model import LiveModel
    from promptlight.io.page.write import Opening
    from promptlight.salience.explain.explanation import Question

VARIABLE = "PROMPTLIGHT_PASSWORD"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_STOPS = {signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the server listens, and who is let in. Raises UsageError for ``names`` that are no names of hosts."""

    host: str = "127.0.0.1"
    port: int = 8321
    names: Sequence[str] = ()
    password: str | None = None

    def __post_init__(self) -> None:
        for name in self.names:
            if not (_NAME.fullmatch(name.lower()) or is_address(name)):
                raise UsageError(
                    f"expected a host's name such as lab.example, without https:// and port, found {one_line(name)}",
                    parameters=("allow_host",),
                )


def import_server() -> None:
    """Raise UsageError if the packages of the extra are not there: before anything is read."""
    try:
        import_module("promptlight.cli.server.running")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "h11", "anyio"):
            raise
        raise UsageError(
            f"the server: expected the package {error.name}, found none; pip install 'promptlight[serve]'"
        ) from error


def read_password(path: Path | None) -> str | None:
    """The password of a file, or of the environment; None if there is none. Raises UsageError for one that is short."""
    if path is None:
        password, where = os.environ.get(VARIABLE), VARIABLE
    else:
        where = str(path)
        try:
            password = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UsageError(f"{where}: could not be read ({reason})", parameters=("password_file",)) from error
    if password is not None and len(password) < SHORTEST:
        raise UsageError(f"{where}: expected a password of at least {SHORTEST} characters, found {len(password)}")
    return password


def check_opening(folder: Path, id: str | None) -> None:
    """Raise UsageError unless this is a prompt of the page: an id of the folder, or a name of another source."""
    from promptlight.io.results.reader import list_ids

    if id is None or id in (ids := list(list_ids(folder))) or (id.endswith(")") and id.rpartition(" (")[0] in ids):
        return
    raise UsageError(
        f"expected a prompt of the page to open with, found {one_line(id)}{suggest(id, ids)}", parameters=("open",)
    )


def serve_until_stopped(folder: Path, live: LiveModel, question: Question, opening: Opening, address: Address) -> None:
    """Serve a folder's page until Ctrl-C. Raises StoppedError on SIGTERM and SIGHUP, after the same cleanup."""
    from promptlight.cli.server._key import keeping_token
    from promptlight.cli.server.guard import Rules
    from promptlight.cli.server.running import start
    from promptlight.cli.server.studio import Studio

    with (
        _stopping_in_order(),
        Studio(folder, live, question=question) as studio,
        keeping_token(folder) as token,
        start(
            studio,
            rules=Rules(token=token),
            opening=opening,
            host=address.host,
            port=address.port,
            names=address.names,
            password=address.password,
        ) as serving,
    ):
        print(serving.link, flush=True)
        _describe(folder, live, address, studio.notices)
        serving.wait()


def _describe(folder: Path, live: LiveModel, address: Address, notices: Sequence[str]) -> None:
    """Say what is served to whom, and how to stop, beside the link."""
    entered = " or the password" if address.password is not None else ""
    print(f"serving {one_line(str(folder))} with {one_line(live.model)}; press Ctrl-C to stop", file=sys.stderr)
    if address.host not in LOOPBACK:
        print(
            f"Everyone on the network who has the link{entered} can use the model. It travels unencrypted: on a network"
            " of strangers, put a proxy with TLS before it.",
            file=sys.stderr,
        )
    for notice in notices:
        print(one_line(notice), file=sys.stderr)


@contextmanager
def _stopping_in_order() -> Generator[None]:
    """End the block on Ctrl-C without an error, and on SIGTERM or SIGHUP with one, after its cleanup.

    Signals that are ignored, as a shell sets them for a job in the background, stay so.
    """
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _STOPS}
    watched = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in watched:
        signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        if received:
            name = _STOPS[signal.Signals(received[0])]
            raise StoppedError(received[0], f"stopped by {name}; what waits goes on at the next start") from None
        print("stopped; what waits goes on at the next start", file=sys.stderr)
    finally:
        for number, handler in watched.items():
            signal.signal(number, handler)
