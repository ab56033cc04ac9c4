"""The key of a page outlives a server that was killed, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptlight.cli.server._key import find_key, keeping_token


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder for what programs remember."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def leave_key(folder: Path, mode: int = 0o600) -> str:
    """What a server leaves that was killed."""
    with keeping_token(folder) as token:
        kept = find_key(folder).read_text()
    assert kept == token
    find_key(folder).write_text(token)
    find_key(folder).chmod(mode)
    return token


def test_a_stopped_server_takes_its_key_along(tmp_path: Path, state: Path) -> None:
    with keeping_token(tmp_path) as token:
        path = find_key(tmp_path)
        assert path.is_relative_to(state)
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyboardInterrupt), keeping_token(tmp_path) as other:
        raise KeyboardInterrupt
    assert not path.exists()
    assert other != token


def test_the_link_of_a_killed_server_works_again(tmp_path: Path) -> None:
    token = leave_key(tmp_path)
    with keeping_token(tmp_path) as again, keeping_token(tmp_path / "other") as other:
        assert again == token
        assert other != token


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_may_know_is_not_used(tmp_path: Path, mode: int) -> None:
    token = leave_key(tmp_path, mode)
    with keeping_token(tmp_path) as again:
        assert again != token
        assert find_key(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", ["", "short", "x" * 44, "x" * 42 + "\n", "\x00" * 43])
def test_a_damaged_key_is_not_used(tmp_path: Path, kept: str) -> None:
    leave_key(tmp_path)
    find_key(tmp_path).write_text(kept)
    with keeping_token(tmp_path) as token:
        assert len(token) == 43
        assert token != kept


def test_a_link_in_the_key_s_place_is_not_followed(tmp_path: Path) -> None:
    token = leave_key(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    find_key(tmp_path).rename(elsewhere)
    find_key(tmp_path).symlink_to(elsewhere)
    with keeping_token(tmp_path) as again:
        assert again != token
    assert elsewhere.read_text() == token


def test_without_a_place_for_it_the_key_is_new_each_time(tmp_path: Path, state: Path) -> None:
    state.write_text("not a folder")
    with keeping_token(tmp_path) as token, keeping_token(tmp_path) as other:
        assert len(token) == len(other) == 43
        assert token != other
    assert os.listdir(tmp_path) == ["state"]
