"""``promptlight serve``: its link, its end, and what it refuses in a line."""

# pyright: standard

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import pytest

from promptlight.cli.server.foreground import VARIABLE, Address, read_password
from promptlight.cli.server.keeping import choose_kept
from promptlight.cli.server.running import Serving
from promptlight.io.places import parse_place
from promptlight.io.results.folders import BUNDLED
from promptlight.salience.errors import UsageError
from tests.conftest import START, Command
from tests.support.processes import finish
from tests.support.results import snapshot

BUNDLE = BUNDLED["gemma-tutorial"]


@pytest.fixture
def folder(demo_results: Path, tmp_path: Path) -> Path:
    """Results in which something may be kept."""
    return Path(shutil.copytree(demo_results, tmp_path / "results"))


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """The command as a process, on a free port."""
    command = [sys.executable, "-c", START.format(""), "serve", str(folder), "--port", "0", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_prints_its_link_answers_and_ends_with_ctrl_c(folder: Path) -> None:
    running = start(folder)
    try:
        assert running.stdout is not None
        link = urlsplit(running.stdout.readline().strip())
        assert (link.scheme, link.hostname) == ("http", "127.0.0.1")
        token = link.query.removeprefix("token=")
        with closing(HTTPConnection("127.0.0.1", link.port or 0, timeout=60)) as connection:
            connection.request("GET", "/events", headers={"Authorization": f"Bearer {token}"})
            stream = connection.getresponse()
            assert stream.readline() == b"event: state\n"
            running.send_signal(signal.SIGINT)
            assert stream.read().endswith(b"\n\n")  # the end of a whole stream; a broken one raises
    except BaseException:
        running.kill()
        finish(running)
        raise
    code, printed, said = finish(running)
    assert (code, printed) == (0, "")  # the link was all
    assert said.splitlines()[0] == f"serving {folder} with demo; press Ctrl-C to stop"
    assert said.splitlines()[-1] == "stopped; what waits goes on at the next start"
    assert token not in said


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")])
def test_other_signals_end_it_in_order_too(
    promptlight: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, name: str
) -> None:
    def wait(_: Serving) -> None:
        os.kill(os.getpid(), number)
        threading.Event().wait(60)

    monkeypatch.setattr(Serving, "wait", wait)
    before = signal.signal(number, signal.SIG_DFL)  # it may be ignored, as for a job in the background
    try:
        done = promptlight("serve", folder, "--port", 0)
    finally:
        signal.signal(number, before)
    assert done.exit_code == 128 + number
    assert done.stderr.splitlines()[-1] == f"promptlight: stopped by {name}; what waits goes on at the next start"


def test_a_taken_port_and_a_folder_in_use_are_a_line(promptlight: Command, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = promptlight("serve", folder, "--port", port)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == (
            f"promptlight: port {port} of 127.0.0.1 is taken: choose another one, or 0 for any that is free (--port)\n"
        )
    running = start(folder)
    assert running.stdout is not None
    running.stdout.readline()
    done = promptlight("serve", folder, "--port", 0)
    assert (done.exit_code, "another run is writing there" in done.stderr) == (5, True)
    running.kill()
    finish(running)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "no.such.name.invalid"], "expected a name or an address of this machine, found"),
        (["--host", "192.0.2.1"], "expected an address of this machine to listen on, found 192.0.2.1 (--host)"),
        (["--port", "65536"], "--port"),
        (["--allow-host", "https://lab.example"], "expected a host's name such as lab.example, without https://"),
        (["--allow-host", "*"], "expected a host's name"),
        (["--password-file", "missing"], "missing: could not be read (No such file or directory) (--password-file)"),
        (["--keep", "."], "expected a new folder, or one with a copy of"),
        (["--prot", "1"], "--port"),
        (["--open", "dish-mistak"], "found dish-mistak; did you mean dish-mistake? (--open)"),
    ],
)
def test_what_can_not_be_is_a_line(
    promptlight: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    monkeypatch.chdir(folder.parent)
    done = promptlight("serve", folder, *options)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr


def test_without_the_extra_it_says_what_to_install(
    promptlight: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("promptlight.cli.server.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = promptlight("serve", folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "promptlight: the server: expected the package uvicorn, found none; pip install 'promptlight[serve]'\n"
    )


# The password


def test_the_password_is_that_of_the_file_and_else_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_password(None) is None
    monkeypatch.setenv(VARIABLE, "of the environment")
    file = tmp_path / "password"
    file.write_text(" öpen sesame \r\n", "utf-8")
    assert (read_password(None), read_password(file)) == ("of the environment", " öpen sesame ")


@pytest.mark.parametrize("content", [b"", b"\n", b"seven77\n", b"\xff" * 10])
def test_a_password_that_can_be_guessed_is_refused_and_not_shown(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        read_password(file)
    assert "seven77" not in str(raised.value)


def test_names_of_hosts_are_names() -> None:
    Address(names=["Lab.example", "xn--bcher-kva.example", "10.0.0.1", "::1", "box"])
    for wrong in ("", "a/b", "a:80", "http://a", "a b", ".a", "a\n", "*"):
        with pytest.raises(UsageError):
            Address(names=[wrong])


# What is kept where


def test_results_of_the_package_are_copied_once_and_not_touched(promptlight: Command, tmp_path: Path) -> None:
    done = promptlight("serve", "gemma-tutorial")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "these results are part of promptlight: name a folder for a copy (--keep)" in done.stderr
    before, keep = snapshot(BUNDLE), tmp_path / "new" / "kept"
    assert choose_kept(BUNDLE, keep) == keep
    copied = {name: content for name, content in before.items() if not name.endswith(".md")}
    assert snapshot(keep) == copied
    (keep / "part-00001.parquet").write_bytes(b"what was tried")
    (keep / "_evaluation" / "why.json").write_text("more", "utf-8")
    assert choose_kept(BUNDLE, keep) == keep
    assert (keep / "part-00001.parquet").read_bytes() == b"what was tried"
    assert snapshot(BUNDLE) == before


def test_an_object_store_needs_a_folder_here(demo_results: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(f"{demo_results}/", "/bucket/run/", recursive=True)
    try:
        there = parse_place("memory://bucket/run")
        with pytest.raises(UsageError, match="these results are on an object store: name a folder for a copy"):
            choose_kept(there, None)
        (tmp_path / "kept").mkdir()
        keep = choose_kept(there, tmp_path / "kept")
        shard = "part-00000.parquet"
        assert (keep / shard).read_bytes() == (demo_results / shard).read_bytes()
    finally:
        memory.rm("/bucket", recursive=True)


def test_what_waits_elsewhere_and_was_asked_otherwise(demo_results: Path, tmp_path: Path) -> None:
    """A copy has the questions that were asked, but not the jobs that wait in the folder that it is from."""
    folder = Path(shutil.copytree(demo_results, tmp_path / "results"))
    shutil.copytree(demo_results, folder / "_tried" / "grad_l2")
    (folder / "_evaluation").mkdir(exist_ok=True)
    (folder / "_evaluation" / "queue.json").write_text(json.dumps([]), "utf-8")
    names = set(snapshot(choose_kept(folder, tmp_path / "kept")))
    assert "_tried/grad_l2/part-00000.parquet" in names
    assert not any(name.endswith("queue.json") for name in names)


def test_a_copy_that_breaks_off_leaves_nothing(
    demo_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        choose_kept(demo_results, tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []
