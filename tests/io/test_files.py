"""Files that appear whole or not at all, whatever ends the writing."""

# pyright: standard

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from promptlight.io.files import check_free, writing
from promptlight.salience.errors import OutputError


def test_a_file_appears_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    with writing(path) as temporary:
        temporary.write_text("whole", encoding="utf-8")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(28, os.strerror(28))])
def test_an_error_leaves_the_file_as_it_was(tmp_path: Path, error: BaseException | type[BaseException]) -> None:
    path = tmp_path / "page.html"
    path.write_text("before", encoding="utf-8")

    def fail_halfway() -> None:
        with writing(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises((ValueError, KeyboardInterrupt, OutputError)):
        fail_halfway()
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_file_is_synced_before_its_rename_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    path = tmp_path / "part-00000.parquet"
    synced: list[tuple[int, bool]] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, path.exists())))
    with writing(path, durable=durable) as temporary:
        temporary.write_bytes(b"rows")
    expected = [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]
    assert synced == (expected if durable else [])


def test_permissions_hold_from_the_first_byte_on_whatever_was_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "token"
    (tmp_path / ".token.tmp").write_text("left by a kill", encoding="utf-8")
    with writing(path, mode=0o600) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        assert temporary.read_bytes() == b""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / ".page.html.tmp").symlink_to(tmp_path / "mine")
    with writing(tmp_path / "page.html") as temporary:
        temporary.write_text("page", encoding="utf-8")
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "page"


@pytest.mark.parametrize("permissions", [0o640, 0o600, 0o444, 0o755])
def test_a_file_behind_a_link_is_replaced_with_its_permissions_and_the_link_stays(
    tmp_path: Path, permissions: int
) -> None:
    file, link = tmp_path / "shared" / "page.html", tmp_path / "page.html"
    file.parent.mkdir()
    file.write_text("before", encoding="utf-8")
    file.chmod(permissions)
    link.symlink_to("shared/page.html")
    with writing(link) as temporary:
        assert temporary.parent == file.parent
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        temporary.write_text("after", encoding="utf-8")
    assert (link.is_symlink(), file.read_text(encoding="utf-8")) == (True, "after")
    assert stat.S_IMODE(file.stat().st_mode) == permissions
    assert list(file.parent.iterdir()) == [file]


def test_a_link_to_nothing_gets_its_file_and_one_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ahead").symlink_to("later")
    with writing(tmp_path / "ahead") as temporary:
        temporary.write_text("here", encoding="utf-8")
    assert (tmp_path / "later").read_text(encoding="utf-8") == "here"
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OutputError, match="circle: could not be written"), writing(tmp_path / "circle"):
        pass
    assert (tmp_path / "circle").is_symlink()


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    check_free(pipe, overwrite=False)  # nothing would be lost
    reader = threading.Thread(target=lambda: found.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    with writing(pipe, durable=True) as temporary:
        temporary.write_text("whole", encoding="utf-8")
    reader.join(timeout=60)
    assert (found, stat.S_ISFIFO(pipe.stat().st_mode), list(tmp_path.iterdir())) == (["whole"], True, [pipe])


def test_a_device_is_written_to_and_says_if_it_is_full() -> None:
    with writing(Path("/dev/null")) as temporary:
        temporary.write_text("gone", encoding="utf-8")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    if os.path.exists("/dev/full"):
        with pytest.raises(OutputError, match="/dev/full: could not be written"), writing(Path("/dev/full")) as full:
            full.write_text("more", encoding="utf-8")


def test_a_stream_of_ones_own_whose_reader_is_gone_ends_as_print_does() -> None:
    reading, writes = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError), writing(Path(f"/dev/fd/{writes}")) as temporary:
        temporary.write_text("page", encoding="utf-8")
    os.close(writes)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_what_goes_to_a_stream_of_ones_own_comes_between_what_is_printed(tmp_path: Path, name: str) -> None:
    write = (
        "import sys; from pathlib import Path; from promptlight.io.files import choose_aside, writing\n"
        "print('before', flush=True)\n"
        f"with writing(path := Path({name!r})) as temporary: temporary.write_text('page\\n')\n"
        "print('said', file=choose_aside(path)); print('after')"
    )
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run([sys.executable, "-c", write], stdout=out, stderr=subprocess.PIPE, text=True, check=True)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "before\npage\nafter\n"
    assert done.stderr == "said\n"
