"""Files that appear whole or not at all, whatever ends the writing."""

# pyright: standard

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from promptlight.io.files import writing
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
