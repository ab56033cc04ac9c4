"""Rows of Parquet and Arrow: what a record doesn't need never stands in its way."""

# pyright: standard

from __future__ import annotations

import datetime
import gzip
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from promptlight.io.prompts.files._columnar import N_ROWS
from promptlight.io.prompts.reader import read_prompts
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.support.prompt_files import RECORDS, prompts_of, summary

END_OF_TIME = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


def save(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def only(path: Path) -> Prompt | SetAside:
    (record,) = read_prompts(path)
    return record


@pytest.mark.parametrize("name", ["p.arrow", "p.feather", "p.ipc", "p", "stream.arrow"])
def test_arrow_is_read(tmp_path: Path, name: str) -> None:
    table = pa.Table.from_pylist(RECORDS)
    if name == "stream.arrow":  # as Hugging Face datasets stores them
        with pa.ipc.new_stream(tmp_path / name, table.schema) as stream:
            stream.write_table(table)
    else:
        feather.write_feather(table, tmp_path / name)
    assert summary(prompts_of(tmp_path / name)) == RECORDS
    assert [one.line for one in prompts_of(tmp_path / name)] == [1, 2, 3]


def test_parquet_is_recognised_under_any_name(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "p")
    assert summary(prompts_of(tmp_path / "p")) == RECORDS


@pytest.mark.parametrize("name", ["p.arrow", "p.parquet"])
def test_rows_keep_their_order_and_numbers_over_batches(tmp_path: Path, name: str) -> None:
    table, n = pa.table({"prompt": [f"p{n}" for n in range(3 * N_ROWS + 5)]}), 3 * N_ROWS + 5
    if name == "p.arrow":
        feather.write_feather(table, tmp_path / name, chunksize=2 * N_ROWS + 1)
    else:
        pq.write_table(table, tmp_path / name)
    assert [(one.text, one.line) for one in prompts_of(tmp_path / name)] == [(f"p{i}", i + 1) for i in range(n)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([END_OF_TIME], pa.timestamp("us", "Asia/Tokyo")), "9999-12-31 23:59:59.000000+00:00"),
        (pa.array([1700000000000]).cast(pa.timestamp("ms", "Mars/Base")), "2023-11-14 22:13:20.000+00:00"),
        (pa.array([2**40]).cast(pa.timestamp("s")), None),
        (pa.array([None], pa.timestamp("ms", "Mars/Base")), None),
        (pa.array([10**9], pa.int32()).cast(pa.date32()), None),
        (pa.array([b"caf\xe9"]), None),
        (pa.array([{"bytes": b"\xff\xd8", "path": "a.jpg"}]), {"bytes": None, "path": "a.jpg"}),
        (pa.array(["caf\u00e9".encode()]), "caf\u00e9"),
        (pa.array([b"caf\xe9"]).view(pa.string()), None),
    ],
)
def test_a_column_that_is_only_kept_never_stands_in_the_way(tmp_path: Path, column: pa.Array, expected: Any) -> None:
    record = only(save(tmp_path / "p.parquet", prompt=["Hi"], kept=column))
    assert isinstance(record, Prompt), record
    assert record.fields["kept"] == expected


def test_times_that_python_knows_stay_as_they_were_beside_one_that_it_does_not(tmp_path: Path) -> None:
    times = pa.array(
        [datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC), END_OF_TIME], pa.timestamp("us", "Asia/Tokyo")
    )
    first, _ = prompts_of(save(tmp_path / "p.parquet", prompt=["a", "b"], t=times))
    assert first.fields["t"] == "2026-11-27 09:00:00+09:00"


@pytest.mark.parametrize("type_", [pa.binary(), pa.large_binary(), pa.binary(4)])
def test_bytes_are_text_in_utf_8(tmp_path: Path, type_: pa.DataType) -> None:
    record = only(save(tmp_path / "p.parquet", prompt=pa.array(["né?".encode()], type_)))
    assert isinstance(record, Prompt)
    assert record.text == "né?"


@pytest.mark.parametrize("name", ["prompt", "target", "id", "source", "sections", "messages", "stop", "foil"])
def test_other_bytes_are_refused_by_name(tmp_path: Path, name: str) -> None:
    columns = {"prompt": ["Hi"], name: pa.array([b"caf\xe9"])}
    if name == "messages":
        del columns["prompt"]
    record = only(save(tmp_path / "p.parquet", **columns))
    assert isinstance(record, SetAside)
    assert name in record.reason
    assert "bytes that are not UTF-8" in record.reason


def test_bytes_in_a_text_column_set_their_row_aside(tmp_path: Path) -> None:
    good, bad = read_prompts(save(tmp_path / "p.parquet", prompt=pa.array([b"good", b"caf\xe9"]).view(pa.string())))
    assert isinstance(good, Prompt)
    assert isinstance(bad, SetAside)
    assert "expected `prompt` to be text, found bytes that are not UTF-8" in bad.reason


def test_whole_decimal_numbers_are_ids(tmp_path: Path) -> None:
    """pandas makes a column of whole numbers decimal where one is missing."""
    path = save(tmp_path / "p.parquet", id=[1.0, float("nan"), 2.5], prompt=["a", "b", "c"])
    one, none, half = read_prompts(path)
    assert [one.id, none.id] == ["1", "p-2"]
    assert isinstance(half, SetAside)
    assert "found a decimal number" in half.reason


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_a_compressed_table_is_read(tmp_path: Path, ending: str) -> None:
    table, path = pa.table({"prompt": ["Hi"]}), tmp_path / f"p.{ending}"
    (pq.write_table if ending == "parquet" else feather.write_feather)(table, path)
    content = path.read_bytes()
    zipped, packed = tmp_path / "p.zip", tmp_path / f"p.{ending}.gz"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(f"p.{ending}", content)
    packed.write_bytes(gzip.compress(content))
    assert [one.text for one in prompts_of(zipped, f"again:{packed}")] == ["Hi", "Hi"]
    packed.write_bytes(gzip.compress(content)[:-20])
    with pytest.raises(InputError, match="can't be read: Truncated"):
        list(read_prompts(packed))


def test_a_stream_of_arrow_is_recognised(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["Hi"]})
    for name in ("p.arrows", "p"):
        with pa.ipc.new_stream(tmp_path / name, table.schema) as stream:
            stream.write_table(table)
        assert [one.text for one in prompts_of(tmp_path / name)] == ["Hi"]


@pytest.mark.parametrize("content", [b"ARROW1\0\0" + b"x" * 99, b"not Arrow"])
def test_a_broken_arrow_file_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.arrow"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected Arrow, found something else") as caught:
        list(read_prompts(path))
    assert caught.value.path == str(path)


def test_arrow_whose_offsets_lead_outside_is_refused(tmp_path: Path) -> None:
    """Arrow's own reader takes them as they are, and would read any memory."""
    path = tmp_path / "p.arrow"
    table = pa.table({"prompt": ["one", "two"]})
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    offsets = b"".join(n.to_bytes(4, "little") for n in (0, 3, 6))
    content = path.read_bytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, offsets[:4] + (2**30).to_bytes(4, "little") + offsets[8:]))
    with pytest.raises(InputError, match="expected Arrow, found something else"):
        list(read_prompts(path))


def test_a_column_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    content = save(tmp_path / "p.parquet", prompt=["a"], what=["b"]).read_bytes()
    (tmp_path / "p.parquet").write_bytes(content.replace(b"what", b"wh\xe9t"))
    with pytest.raises(InputError, match="expected Parquet, found something else"):
        list(read_prompts(tmp_path / "p.parquet"))
