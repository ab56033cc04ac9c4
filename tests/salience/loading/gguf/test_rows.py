"""Rows of the per-layer embedding are dequantised from the file when they are read."""

# pyright: standard

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf import _rows
from promptlight.salience.loading.gguf._header import read_header
from promptlight.salience.loading.gguf._rows import find_table
from tests.support.gguf_files import quantise

N_ROWS, WIDTH = 57, 256
IDS = torch.tensor([[3, 0, 3], [56, 1, 55]])


def write_table(path: Path, kind: str, raw: np.ndarray | None = None) -> tuple[Any, torch.Tensor]:
    """A table in a file of its own, after another tensor, and the numbers that gguf reads from it."""
    numbers = np.random.default_rng(0).normal(size=(N_ROWS, WIDTH)).astype(np.float32)
    type = GGMLQuantizationType[kind]
    raw = quantise(numbers, type) if raw is None else raw
    writer = gguf.GGUFWriter(path, "gemma4")
    writer.add_tensor("before", np.ones(5, np.float32))
    writer.add_tensor("table", raw, raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    table = find_table(read_header(path)[1]["table"], "mine")
    return table, torch.from_numpy(gguf.dequantize(raw, type).copy())


KINDS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
KINDS |= dict.fromkeys(("Q8_0", "Q4_0", "Q5_1", "Q4_K", "Q6_K"), torch.float32)


@pytest.mark.parametrize(("kind", "dtype"), KINDS.items())
def test_rows_are_those_that_gguf_reads_bit_for_bit(kind: str, dtype: torch.dtype, tmp_path: Path) -> None:
    table, expected = write_table(tmp_path / "table.gguf", kind)
    assert (table.n_rows, table.width) == (N_ROWS, WIDTH)
    for ids in (IDS, torch.tensor(7), torch.tensor([], dtype=torch.long)):
        rows = table.read(ids)
        assert rows.dtype == dtype
        assert torch.equal(rows.float(), expected[ids])
    again = pickle.loads(pickle.dumps(table))
    assert torch.equal(again.read(IDS), table.read(IDS))


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q6_K"])
def test_the_mean_is_that_of_all_rows(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "_ROWS_AT_ONCE", 10)
    table, expected = write_table(tmp_path / "table.gguf", kind)
    assert torch.equal(table.mean(), expected.double().mean(0).float())
    (tmp_path / "table.gguf").unlink()
    table.mean()  # the file was read once


def test_only_the_rows_of_the_ids_are_dequantised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, expected = write_table(tmp_path / "table.gguf", "Q8_0")
    n_bytes: list[int] = []
    dequantise = _rows.dequantise
    monkeypatch.setattr(_rows, "dequantise", lambda raw, kind: n_bytes.append(raw.size) or dequantise(raw, kind))
    assert torch.equal(table.read(IDS), expected[IDS])
    assert n_bytes == [5 * WIDTH // 32 * 34]  # of five different ids


def test_a_file_that_changes_after_it_was_found_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.gguf"
    table, _ = write_table(path, "Q8_0")
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelError, match="has changed since the model was loaded"):
        table.read(IDS)


def test_rows_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    raw = np.full((N_ROWS, WIDTH // 32 * 34), 0x7F, np.uint8)  # whose scales are no float16 numbers
    table, _ = write_table(tmp_path / "table.gguf", "Q8_0", raw)
    with pytest.raises(ModelError, match="damaged: a row of a table has values that are no numbers"):
        table.read(IDS)
