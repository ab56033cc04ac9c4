"""A results folder is read: one result is found, and a damaged shard is named and hides its own rows only."""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io.results.reader import find_result, read_results
from promptlight.io.results.schema import SCHEMA_VERSION
from promptlight.io.results.shards import find_shards
from promptlight.salience.errors import OutputError
from promptlight.salience.types import (
    Analysis,
    SetAside,
)
from tests.support.handmade import assert_same_analysis
from tests.support.results import analysis, open_writer, set_aside, write

# ---- shards that can't be read --------------------------------------------------------------------------------------


def cut_off(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-20])


def make_empty(shard: Path) -> None:
    shard.write_bytes(b"")


def damage_data(shard: Path) -> None:
    """The footer stays, the pages before it do not."""
    data = shard.read_bytes()
    footer_size = int.from_bytes(data[-8:-4], "little")
    shard.write_bytes(b"PAR1" + b"\xff" * (len(data) - footer_size - 12) + data[-footer_size - 8 :])


def replace_by_foreign(shard: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), shard)


def replace_by_later_version(shard: Path) -> None:
    table = pq.read_table(shard)
    metadata = json.dumps({"schema_version": SCHEMA_VERSION + 1})
    pq.write_table(table.replace_schema_metadata({"promptlight": metadata}), shard)


def damage_metadata(shard: Path) -> None:
    table = pq.read_table(shard)
    pq.write_table(table.replace_schema_metadata({"promptlight": '{"schema_version'}), shard)


def leave_a_setting_out(shard: Path) -> None:
    table = pq.read_table(shard)
    metadata = json.dumps({"schema_version": SCHEMA_VERSION, "settings": {"methods": ["grad_l2"]}})
    pq.write_table(table.replace_schema_metadata({"promptlight": metadata}), shard)


def leave_a_column_out(shard: Path) -> None:
    pq.write_table(pq.read_table(shard).drop_columns("tokens"), shard)


def miscount_rows(shard: Path) -> None:
    """The footer says another number of rows than its row group: a 64-bit field before a list of one structure."""
    n_rows = pq.read_metadata(shard).num_rows
    data = shard.read_bytes()
    footer_start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    field, changed = (bytes([0x16, 2 * number, 0x19, 0x1C]) for number in (n_rows, n_rows + 4))
    shard.write_bytes(data[:footer_start] + data[footer_start:].replace(field, changed, 1))
    assert pq.read_metadata(shard).num_rows == n_rows + 4


DAMAGES = [
    (cut_off, "not readable as Parquet"),
    (make_empty, "not readable as Parquet"),
    (damage_data, "not readable as Parquet"),
    (damage_metadata, "not readable as Parquet"),
    (leave_a_setting_out, "not readable as Parquet"),
    (miscount_rows, "rows instead of"),
    (leave_a_column_out, "its columns are not those that promptlight writes"),
    (replace_by_foreign, "not written by promptlight"),
    (
        replace_by_later_version,
        f"written with schema version {SCHEMA_VERSION + 1}, this promptlight reads 3 to 5: update promptlight, or run "
        "the prompts again into a new folder",
    ),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
@pytest.mark.parametrize(
    "use",
    [lambda folder: list(read_results(folder)), find_result, open_writer],
    ids=["read_results", "find_result", "writer"],
)
def test_a_damaged_shard_is_named(
    tmp_path: Path, damage: Callable[[Path], None], said: str, use: Callable[[Path], object]
) -> None:
    write(tmp_path, analysis("a"))
    (shard,) = find_shards(tmp_path)
    damage(shard)
    with pytest.raises(OutputError) as raised:
        use(tmp_path)
    assert str(raised.value).startswith(f"{shard}: ")
    assert said in str(raised.value)


@pytest.fixture
def three_shards(tmp_path: Path) -> list[Path]:
    return find_shards(write(tmp_path, *map(analysis, "abcdef")))


def read_readable(folder: Path) -> tuple[list[Analysis | SetAside], str]:
    """What comes before the error, and the error."""
    readable: list[Analysis | SetAside] = []
    with pytest.raises(OutputError) as raised:
        readable.extend(read_results(folder))  # extends item by item
    return readable, str(raised.value)


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGES])
def test_a_damaged_shard_hides_its_own_rows_only(three_shards: list[Path], damage: Callable[[Path], None]) -> None:
    first, second, third = three_shards
    folder = second.parent
    damage(second)
    readable, said = read_readable(folder)
    for found, id in zip(readable, "abef", strict=True):
        assert_same_analysis(found, analysis(id))
    assert said.startswith(f"{second}: ")
    assert str(first) not in said
    assert str(third) not in said
    damage(third)
    readable, said = read_readable(folder)
    assert len(readable) == 2
    assert said.startswith(f"{second}: ")
    assert f"; {third}: " in said


@pytest.mark.parametrize(
    ("asked", "id"),
    [({"id": "a"}, "a"), ({"id": "f"}, "f"), ({"row": 1}, "b"), ({"row": -1}, "f"), ({"row": -2}, "e")],
)
def test_a_result_is_found_in_spite_of_a_damaged_shard(
    three_shards: list[Path], asked: dict[str, Any], id: str
) -> None:
    cut_off(three_shards[1])
    assert_same_analysis(find_result(three_shards[1].parent, **asked), analysis(id))


@pytest.mark.parametrize("asked", [{"id": "c"}, {"id": "z"}, {"row": 2}, {"row": 4}, {"row": 9}, {"row": -3}])
def test_a_damaged_shard_is_named_where_the_result_may_be_in_it(
    three_shards: list[Path], asked: dict[str, Any]
) -> None:
    cut_off(three_shards[1])
    with pytest.raises(OutputError) as raised:
        find_result(three_shards[1].parent, **asked)
    assert f"{three_shards[1]}: not readable as Parquet" in str(raised.value)


def cut_anywhere(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def flip_a_bit_of_a_page(random: Random, data: bytes) -> bytes:
    """Among the last bytes of a column, which its checksum covers; a page's own header has none."""
    columns = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    column = columns.column(random.randrange(columns.num_columns))
    start = column.dictionary_page_offset or column.data_page_offset
    return flip_a_bit(data, start + column.total_compressed_size - 1 - random.randrange(8), random.randrange(8))


def flip_a_bit_of_the_footer(random: Random, data: bytes) -> bytes:
    footer_size = int.from_bytes(data[-8:-4], "little")
    return flip_a_bit(data, len(data) - 1 - random.randrange(footer_size + 8), random.randrange(8))


def flip_a_bit(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [cut_anywhere, flip_a_bit_of_a_page, flip_a_bit_of_the_footer])
def test_a_shard_damaged_anywhere_is_right_or_refused(tmp_path: Path, damage: Callable[[Random, bytes], bytes]) -> None:
    """Never other rows, never fewer of them, never an error of pyarrow's own."""
    expected = [analysis(id, seed=seed) for seed, id in enumerate("abc")]
    (shard,) = find_shards(write(tmp_path, *expected, flush_every=3))
    random, whole = Random(0), shard.read_bytes()
    n_refused = 0
    for _ in range(150):
        shard.write_bytes(damage(random, whole))
        try:
            readable = list(read_results(tmp_path))
        except OutputError:
            n_refused += 1
        else:
            for found, wanted in zip(readable, expected, strict=True):
                assert_same_analysis(found, wanted)
    assert n_refused > 50 if damage is flip_a_bit_of_the_footer else n_refused == 150


@pytest.mark.parametrize(
    "use", [lambda folder: list(read_results(folder)), find_result], ids=["read_results", "find_result"]
)
def test_a_folder_without_results_says_how_to_make_some(tmp_path: Path, use: Callable[[Path], object]) -> None:
    for folder, said in [(tmp_path / "none", "no such results folder"), (tmp_path, "no results in it")]:
        with pytest.raises(OutputError, match=said):
            use(folder)


# ---- one result -----------------------------------------------------------------------------------------------------


@pytest.fixture
def five(tmp_path: Path) -> Path:
    return write(tmp_path, analysis("a"), set_aside("b"), analysis("c"), analysis("1"), analysis("e"))


@pytest.mark.parametrize(
    ("asked", "id"),
    [
        ({}, "a"),
        ({"row": 1}, "b"),
        ({"row": 4}, "e"),
        ({"row": -1}, "e"),
        ({"row": -5}, "a"),
        ({"id": "c"}, "c"),
        ({"id": "1"}, "1"),  # an id, not a row
        ({"id": "b", "row": 4}, "b"),
    ],
)
def test_a_result_is_found_by_id_or_row(five: Path, asked: dict[str, Any], id: str) -> None:
    found = find_result(five, **asked)
    assert (found.id if isinstance(found, SetAside) else found.completion.prompt.id) == id


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"row": 5}, "no row 5; it has 5 rows, numbered from 0"),
        ({"row": -6}, "no row -6; it has 5 rows"),
        ({"id": "f"}, "no result with id 'f'; it has a, b, c, 1, e"),
        ({"id": ""}, "no result with id ''"),
    ],
)
def test_a_result_that_is_not_there_says_what_is(five: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(OutputError, match=said):
        find_result(five, **asked)
