"""Addresses of object stores: what is read and put there, and what errors say."""

# pyright: standard

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from promptlight.io.files import writing
from promptlight.io.places import RangeReader, RemotePath, is_address, parse_place
from promptlight.salience.errors import OutputError


@pytest.fixture
def store() -> Iterator[RemotePath]:
    """A folder in this process's memory."""
    place = RemotePath(f"memory://bucket-{uuid4().hex}/run")
    yield place
    MemoryFileSystem.store.clear()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("results", Path("results")),
        ("s3:/results", Path("s3:/results")),
        ("file:///tmp/my%20runs", Path("/tmp/my runs")),
        ("s3://bucket/run/", RemotePath("s3://bucket/run")),
        ("S3://Bucket/Run", RemotePath("s3://Bucket/Run")),
        ("abfs://box@account.dfs.core.windows.net/run", RemotePath("abfs://box@account.dfs.core.windows.net/run")),
    ],
)
def test_a_text_is_a_path_or_an_address(text: str, place: Path | RemotePath) -> None:
    assert parse_place(text) == place
    assert parse_place(place) == place
    assert is_address(text) == ("://" in text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:hush@bucket/run",
        "s3://name:hu/sh@bucket/run",
        "az://box/run?sv=2024&sig=hush",
        "gs://bucket/run#hush",
    ],
)
def test_an_address_with_a_login_or_a_query_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(OutputError, match="expected an address without login and query") as refused:
        parse_place(text)
    assert "hush" not in str(refused.value)
    assert "sh@" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["s3://", "s3:///", "nosuch://bucket/run", "simplecache::s3://bucket/run", "zip://x::s3://b"]
)
def test_an_address_that_leads_nowhere_is_refused(text: str) -> None:
    if is_address(text):
        with pytest.raises(OutputError, match="or an address such as s3://bucket/run"):
            parse_place(text)
    else:
        assert isinstance(parse_place(text), Path)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(OutputError) as missing:
        parse_place("gs://bucket/run").exists()
    wanted = "gs://bucket/run: expected the package gcsfs, found none; pip install 'promptlight[cloud]'"
    assert str(missing.value) == wanted


def test_what_is_put_is_there_and_listed(store: RemotePath) -> None:
    assert not store.exists()
    with pytest.raises(FileNotFoundError):
        store.iterdir()
    (store / "b").put(b"12")
    (store / Path("_evaluation") / "c.json").put(b"{}")
    assert store.exists()
    assert (store / "b").exists()
    assert sorted(path.name for path in store.iterdir()) == ["_evaluation", "b"]
    assert (store / "_evaluation/c.json").read_text("utf-8") == "{}"
    with pytest.raises(NotADirectoryError):
        (store / "b").iterdir()
    (store / "b").unlink()
    (store / "b").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (store / "b").unlink()


def test_a_new_object_is_never_put_over_another_one(store: RemotePath) -> None:
    path = store / "part"
    path.put(b"mine", new=True)
    path.put(b"mine", new=True)  # the answer to the first one may have been lost
    with pytest.raises(FileExistsError):
        path.put(b"yours", new=True)
    assert path.read_bytes() == b"mine"
    path.put(b"yours")
    assert path.read_bytes() == b"yours"


def lose_the_answer(pipe_file: Callable[..., None]) -> Callable[..., None]:
    def put_and_fail(*arguments: Any, **options: Any) -> None:
        pipe_file(*arguments, **options)
        raise TimeoutError

    return put_and_fail


def test_a_put_whose_answer_is_lost_has_succeeded(store: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", lose_the_answer(MemoryFileSystem.pipe_file))
    (store / "part").put(b"mine", new=True)
    with pytest.raises(FileExistsError):
        (store / "part").put(b"yours", new=True)
    assert (store / "part").read_bytes() == b"mine"


def test_an_error_of_any_kind_has_a_reason_without_secrets(store: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_SECRET_KEY", "hush-hush-hush")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("hush-hush-hush at https://bucket/run?X-Signature=hush\nand more")

    monkeypatch.setattr(MemoryFileSystem, "ls", fail)
    with pytest.raises(OSError, match="at https") as failed:
        store.exists()
    assert failed.value.strerror == "*** at https://bucket/run?***"


def test_a_file_that_is_written_appears_when_the_block_ends_and_not_before(store: RemotePath) -> None:
    with writing(store / "page.html", durable=True) as temporary:
        temporary.write_text("whole", encoding="utf-8")
        assert not store.exists()
    assert (store / "page.html").read_bytes() == b"whole"

    def fail_halfway() -> None:
        with writing(store / "page.html") as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert (store / "page.html").read_bytes() == b"whole"


def test_parts_are_read_as_from_an_open_file() -> None:
    content = bytes(range(100))
    asked: list[tuple[int, int]] = []

    def read_range(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return content[start:stop]

    reader = RangeReader(len(content), read_range)
    assert reader.seek(-10, 2) == 90
    assert reader.read(4) == content[90:94]
    assert (reader.tell(), reader.read(), reader.read(5)) == (94, content[94:], b"")
    assert reader.seek(3) == 3
    assert reader.seek(2, 1) == 5
    assert reader.read(1) == content[5:6]
    assert asked == [(90, 94), (94, 100), (5, 6)]
