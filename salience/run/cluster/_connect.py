"""Connect to a Ray cluster, or start one on this machine, without Ray's messages on the terminal."""

# pyright: standard

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Generator

import ray

from promptlight.salience.errors import UsageError
from promptlight.salience.run.cluster.pool import Node

HTTP2_SETTINGS, HTTP2_FRAME = b"\x04", 9  # a frame's type, and the bytes of its header (RFC 9113, 3.4 and 4.1)
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + HTTP2_SETTINGS + bytes(5)
LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"


def find_nodes() -> list[Node]:
    """The machines of the cluster that are alive."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(cpus=has.get("CPU", 0), gpus=has.get("GPU", 0), memory=has.get("memory", 0)) for has in found]


@contextlib.contextmanager
def connect(address: str | None) -> Generator[bool]:
    """Connect to a cluster, or start one on this machine; yields True if it was started. Raises UsageError."""
    if ray.is_initialized():
        yield False
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # a cluster that is started here reports nothing
    address = address or os.environ.get("RAY_ADDRESS")
    dashboard = False if address is None else None  # None: the cluster's setting
    try:
        _check_address(address)
        with _no_backend_log(), _keeping_sigterm():
            ray.init(address or "local", include_dashboard=dashboard, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"Ray at {address}" if address else "Ray on this machine"
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise UsageError(f"{where}: can't connect ({reason})", parameters=("address",)) from error
    try:
        yield address is None
    finally:
        ray.shutdown()


def _check_address(address: str | None) -> None:
    """Raise OSError if no Ray listens there; Ray itself takes minutes to report that.

    Its port speaks gRPC over HTTP/2, whose servers answer a client's preface with a settings frame.
    """
    if address in (None, "auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in host:
        raise ValueError("expected HOST:PORT of a cluster that this machine is part of, such as 10.0.0.1:6379")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return
        connection.sendall(HTTP2_HELLO)
        answer = connection.recv(HTTP2_FRAME)
    if answer[3:4] != HTTP2_SETTINGS:
        raise OSError("something else than Ray listens there")


@contextlib.contextmanager
def _keeping_sigterm() -> Generator[None]:
    """Keep our handler of SIGTERM: Ray installs its own at its start, which ends the process in the middle of work."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _no_backend_log() -> Generator[None]:
    """Keep the log of Ray's C++ part off the terminal. It reads its level when Ray starts.

    It announces that level on file descriptor 2, past Python's ``sys.stderr``, so that descriptor is redirected too.
    """
    if LOG_LEVEL in os.environ:  # the user wants to see it
        yield
        return
    os.environ[LOG_LEVEL] = "fatal"
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
        del os.environ[LOG_LEVEL]
