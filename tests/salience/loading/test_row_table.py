"""Rows of a table that stays in its file are those of the whole table, and what can't be read is refused by name."""

# pyright: standard

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
import safetensors.torch
import torch

from promptlight.salience.errors import ModelError
from promptlight.salience.loading import row_table
from promptlight.salience.loading.row_table import StoredTable, find_h5_table, find_safetensors_table

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
N_ROWS, WIDTH = 57, 6


def draw_table(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(N_ROWS, WIDTH, generator=torch.Generator().manual_seed(2)).to(dtype)


def write_h5(path: Path, table: torch.Tensor, **options: Any) -> Path:
    """As Keras writes it, after something else."""
    numbers = table.float().numpy().astype(ml_dtypes.bfloat16) if table.dtype == torch.bfloat16 else table.numpy()
    with h5py.File(path, "w") as file:
        file["other/vars/0"] = np.arange(5)
        made = file.create_dataset("table/vars/0", data=numbers, **options)
        if table.dtype == torch.bfloat16:
            made.attrs["dtype"] = "bfloat16"
    return path


def find_in_h5(folder: Path, table: torch.Tensor) -> StoredTable:
    return find_h5_table(write_h5(folder / "a.weights.h5", table), "table/vars/0", (N_ROWS, WIDTH), "mine")


def find_in_safetensors(folder: Path, table: torch.Tensor) -> StoredTable:
    path = folder / "a.safetensors"
    safetensors.torch.save_file({"before": torch.ones(3), "table": table, "zero": torch.ones(2)}, path)
    return find_safetensors_table(path, "table", (N_ROWS, WIDTH), "mine")


FORMATS = pytest.mark.parametrize("find", [find_in_h5, find_in_safetensors])
Find = Callable[[Path, torch.Tensor], StoredTable]


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_rows_are_those_of_the_whole_table_bit_for_bit(tmp_path: Path, find: Find, dtype: torch.dtype) -> None:
    table = draw_table(dtype)
    found = find(tmp_path, table)
    assert (found.n_rows, found.width) == (N_ROWS, WIDTH)
    for ids in (torch.tensor([[3, 0, 3], [56, 1, 55]]), torch.tensor(7), torch.tensor([], dtype=torch.long)):
        rows = found.read(ids)
        assert rows.dtype == dtype
        assert torch.equal(rows, table[ids])


@FORMATS
def test_a_table_is_the_same_in_another_process(tmp_path: Path, find: Find) -> None:
    table = draw_table()
    found: StoredTable = pickle.loads(pickle.dumps(find(tmp_path, table)))
    assert torch.equal(found.read(torch.tensor([5, 9])), table[[5, 9]])


def test_an_id_beyond_the_table_reads_row_0_and_none_counts_from_the_end(tmp_path: Path) -> None:
    table = draw_table()
    found = find_in_h5(tmp_path, table)
    assert torch.equal(found.read(torch.tensor([N_ROWS, N_ROWS - 1, N_ROWS + 9])), table[[0, N_ROWS - 1, 0]])
    with pytest.raises(IndexError, match="-1"):
        found.read(torch.tensor([4, -1]))


@FORMATS
@pytest.mark.parametrize("n_together", [1, 10, 1000])
def test_the_mean_is_that_of_all_rows(
    tmp_path: Path, find: Find, n_together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_table, "BLOCK_BYTES", n_together * WIDTH * 2 + 1)
    table = draw_table(torch.bfloat16)
    mean = find(tmp_path, table).mean()
    assert mean.dtype == torch.float32
    assert torch.equal(mean, table.double().mean(0).float())


def test_the_mean_reads_the_file_once(tmp_path: Path) -> None:
    found = find_in_h5(tmp_path, draw_table())
    mean = found.mean()
    found.path.unlink()
    assert found.mean() is mean


@pytest.mark.parametrize("options", [{"chunks": (1, WIDTH)}, {"compression": "gzip"}], ids=["chunks", "gzip"])
def test_a_table_in_pieces_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write_h5(tmp_path / "a.weights.h5", draw_table(), **options)
    with pytest.raises(ModelError, match=r"mine: a\.weights\.h5 has table/vars/0 in pieces or packed.*save it again"):
        find_h5_table(path, "table/vars/0", (N_ROWS, WIDTH), "mine")


@FORMATS
def test_another_shape_or_dtype_is_refused(tmp_path: Path, find: Find) -> None:
    with pytest.raises(ModelError, match=r"has table.* with shape \[56, 6\]; expected \[57, 6\]"):
        find(tmp_path, draw_table()[1:].clone())
    with pytest.raises(ModelError, match=r"has table.* as (int8|I8); expected float32, "):
        find(tmp_path, draw_table().to(torch.int8))


def test_two_opaque_bytes_are_bfloat16_only_if_the_file_says_so(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "a.weights.h5", draw_table(torch.bfloat16))
    with h5py.File(path, "r+") as file:
        del file["table/vars/0"].attrs["dtype"]
    with pytest.raises(ModelError, match=r"as \|V2; expected"):
        find_h5_table(path, "table/vars/0", (N_ROWS, WIDTH), "mine")


@FORMATS
def test_what_is_not_there_is_refused(tmp_path: Path, find: Find) -> None:
    find(tmp_path, draw_table())
    h5, tensors = tmp_path / "a.weights.h5", tmp_path / "a.safetensors"
    with pytest.raises(ModelError, match="mine: could not be loaded"):
        find_h5_table(h5, "never/vars/0", (N_ROWS, WIDTH), "mine")
    with pytest.raises(ModelError, match="mine: could not be loaded"):
        find_safetensors_table(tensors, "never", (N_ROWS, WIDTH), "mine")
    tensors.write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match="no header of safetensors"):
        find_safetensors_table(tensors, "never", (N_ROWS, WIDTH), "mine")


@FORMATS
def test_a_file_that_changes_after_it_was_found_is_an_error(tmp_path: Path, find: Find) -> None:
    found = find(tmp_path, draw_table())
    ids = torch.tensor([1])
    content = found.path.read_bytes()
    found.path.write_bytes(content[:-40])
    with pytest.raises(ModelError, match="has changed since the model was loaded"):
        found.read(ids)
    found.path.write_bytes(content)
    os.utime(found.path, ns=(1, 1))
    with pytest.raises(ModelError, match="has changed since the model was loaded"):
        found.mean()
    found.path.unlink()
    with pytest.raises(ModelError, match=r"could not be read \(No such file or directory\).*put the file back"):
        found.read(ids)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = find_in_safetensors(tmp_path, draw_table()).path
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="is cut short"):
        find_safetensors_table(path, "table", (N_ROWS, WIDTH), "mine")
