"""What is free, and that freed memory is given back."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest
import torch

from promptlight.salience.decoder.free_memory import container_bytes, free_bytes, return_freed_memory

CPU = torch.device("cpu")


def make_group(root: Path, limit: str) -> Path:
    """The files of a control group that uses 3,000 bytes, 500 of them for files that were read."""
    (root / "memory.max").write_text(f"{limit}\n", encoding="ascii")
    (root / "memory.current").write_text("3000\n", encoding="ascii")
    (root / "memory.stat").write_text("anon 2000\ninactive_file 500\n", encoding="ascii")
    return root


@pytest.mark.parametrize(("limit", "left"), [("10000", [7500]), ("2000", [0]), ("max", [])])
def test_a_container_leaves_its_limit_without_what_is_used(tmp_path: Path, limit: str, left: list[int]) -> None:
    assert container_bytes(make_group(tmp_path, limit)) == left


def test_without_a_control_group_there_is_no_limit(tmp_path: Path) -> None:
    assert container_bytes(tmp_path) == []


def test_no_more_is_free_than_the_container_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.salience.decoder.free_memory.container_bytes", list[int])
    assert 0 < free_bytes(CPU) < psutil.virtual_memory().total
    monkeypatch.setattr("promptlight.salience.decoder.free_memory.container_bytes", lambda: [1000])
    assert free_bytes(CPU) == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_freed_memory_is_given_back() -> None:
    """Blocks that lie below one that is held, so that the heap cannot shrink by itself."""
    process, size = psutil.Process(), 100_000  # below what glibc maps by itself
    blocks = [torch.ones(size // 4) for _ in range(2000)]
    held = blocks.pop()
    before = process.memory_info().rss
    del blocks
    return_freed_memory()
    assert held.sum() == size // 4
    assert before - process.memory_info().rss > 100_000_000
