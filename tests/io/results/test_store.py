"""A results folder: what goes in comes out, and nothing that interrupts a run damages it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io import files
from promptlight.io.results.digits import Scores, round_to_half
from promptlight.io.results.schema import SCHEMA_VERSION
from promptlight.io.results.store import ResultsWriter, find_result, find_shards, read_metadata, read_results
from promptlight.salience.errors import OutputError
from promptlight.salience.types import (
    Analysis,
    Foil,
    Granularity,
    Method,
    Objective,
    Prompt,
    SetAside,
    StopReason,
    Turn,
)
from tests.support.handmade import assert_same_analysis, make_analysis, make_completion
from tests.support.results import PROVENANCE, SETTINGS, analysis, ids_of, open_writer, set_aside, snapshot, write
from tests.support.span_cases import build_completion

# ---- what goes in comes out -----------------------------------------------------------------------------------------

EXAMPLES: dict[str, Analysis] = {
    "as usual": analysis("a"),
    "many targets": analysis("a", n_targets=7),
    "no targets": analysis("a", n_targets=0),
    "token rows only": analysis("a", exact=()),
    "span rows only": analysis("a", with_tokens=False),
    "words only": analysis("a", exact=(Granularity.WORD,), with_tokens=False),
    "given target": make_analysis(
        make_completion(
            ["<bos>", "a"], ["b"], prompt=Prompt(id="a", text="a", given_completion="b"), stop_reason=StopReason.GIVEN
        )
    ),
    "a chat": make_analysis(
        make_completion(
            ["<bos>", "<start_of_turn>", "user\n", "a", "<end_of_turn>", "\n", "<start_of_turn>", "model\n"],
            ["b"],
            prompt=Prompt(id="a", text="user\na\nmodel\n", turns=(Turn(role="user", start=5, stop=6),)),
        )
    ),
    "typed prompt": make_analysis(make_completion(["<bos>", "a"], ["b", "<eos>"])),
    "emoji and a broken character": make_analysis(
        make_completion(
            ["<bos>", "<0xF0>", "<0x9F>", "<0x8D>", "<0x95>", "\x1b[31m"], ["<0xF0>", "<0x9F>", "\x00", "x"]
        )
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_analysis_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    (found,) = read_results(write(tmp_path / "out", EXAMPLES[name]))
    assert_same_analysis(found, EXAMPLES[name])


def test_the_objective_comes_back(tmp_path: Path) -> None:
    expected = analysis("a")
    salience = dataclasses.replace(expected.map_by(), objective=Objective.MARGIN)
    expected = dataclasses.replace(expected, maps={salience.method: salience})
    with open_writer(tmp_path, objective="margin") as writer:
        writer.add(expected)
    (found,) = read_results(tmp_path)
    assert_same_analysis(found, expected)


def test_scores_of_both_signs_come_back(tmp_path: Path) -> None:
    expected = analysis("a", method=Method.GRAD_DOT_INPUT)
    with open_writer(tmp_path, methods=["grad_dot_input"]) as writer:
        writer.add(expected)
    (found,) = read_results(tmp_path)
    assert_same_analysis(found, expected)


def with_errors(result: Analysis) -> Analysis:
    """Three methods' maps, with all that a map can hold, and a foil."""
    (plain,) = result.maps.values()
    assert plain.scores is not None
    tables = {Granularity.TOKEN: plain.scores, **plain.span_scores}
    maps = (
        dataclasses.replace(plain, method=Method.SMOOTHGRAD, standard_errors={k: v / 3 for k, v in tables.items()}),
        dataclasses.replace(
            plain,
            method=Method.INTEGRATED_GRADIENTS,
            completeness_error={name: rows.sum(axis=1) for name, rows in tables.items()},
        ),
        dataclasses.replace(plain, method=Method.SHAP, scores=-plain.scores, sources=Granularity.LINE),
    )
    foil = Foil(request="oats=>rye", tokens=(None, "▁rye", ""))
    return dataclasses.replace(result, maps={found.method: found for found in maps}, foil=foil)


def test_several_methods_their_errors_and_a_foil_come_back(tmp_path: Path) -> None:
    expected = with_errors(analysis("a"))
    names = [method.value for method in expected.maps]
    with open_writer(tmp_path, methods=names) as writer:
        writer.add(expected)
    (found,) = read_results(tmp_path)
    assert_same_analysis(found, expected)
    schema = pq.read_schema(tmp_path / "part-00000.parquet")
    assert [name for name in schema.names if name.endswith("_line")] == [f"{name}_line" for name in names]
    assert "integrated_gradients_line_gap" in schema.names
    assert "smoothgrad_error" in schema.names
    assert "shap_sources" in schema.names


OLD_RESULTS = Path(__file__).parent / "old_results"  # each written by the code of its time: "a", and "b" set aside


def lay_out_version(folder: Path, version: int) -> Path:
    folder.mkdir()
    shard = folder / "part-00000.parquet"
    shard.write_bytes((OLD_RESULTS / f"version-{version}.parquet").read_bytes())
    return shard


def test_a_folder_of_version_3_is_read_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    lay_out_version(folder, 3)
    found, aside = read_results(folder)
    assert_same_analysis(found, analysis("a"))
    assert aside == set_aside("b")
    with pytest.raises(OutputError, match=r"methods: there grad_l2, now smoothgrad\)"):
        open_writer(folder, methods=["smoothgrad"])
    with open_writer(folder) as writer:
        assert list(writer.done) == ["a", "b"]
        writer.forget("b")
        writer.add(analysis("c"))
    assert ids_of(folder) == ["a", "c"]
    for result, id in zip(read_results(folder), "ac", strict=True):
        assert_same_analysis(result, analysis(id))


@pytest.mark.parametrize(
    "use",
    [lambda folder: list(read_results(folder)), find_result, open_writer],
    ids=["read_results", "find_result", "writer"],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_folder_of_an_older_version_is_refused_with_the_way_out(
    tmp_path: Path, version: int, use: Callable[[Path], object]
) -> None:
    shard = lay_out_version(tmp_path / "out", version)
    before = shard.read_bytes()
    with pytest.raises(OutputError) as raised:
        use(tmp_path / "out")
    assert str(raised.value) == (
        f"{shard}: written with schema version {version}, this promptlight reads 3 and 4: run the prompts again into a "
        "new folder"
    )
    assert shard.read_bytes() == before


@pytest.mark.parametrize(
    "expected",
    [
        set_aside("a"),
        dataclasses.replace(set_aside("a"), prompt=" Buy", label=None),
        SetAside(id="a", path="<prompt>", line=None, reason="too long"),
    ],
)
def test_a_record_that_was_set_aside_comes_back_as_it_was(tmp_path: Path, expected: SetAside) -> None:
    assert list(read_results(write(tmp_path, expected))) == [expected]


def test_results_come_back_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    ids = [f"id-{number}" for number in range(25)]
    write(tmp_path, *(set_aside(id) if number % 3 == 0 else analysis(id) for number, id in enumerate(ids)))
    assert len(find_shards(tmp_path)) == 13  # past 9 shards, whose names sort like their numbers
    assert ids_of(tmp_path) == ids


def test_rows_are_ragged(tmp_path: Path) -> None:
    """A row keeps its earlier tokens only: P + g of a token, up to its last token's place of a span."""
    write(tmp_path, analysis("a", n_targets=4))  # P = 6; words ' oat' 's' '.' | ' And'
    (shard,) = find_shards(tmp_path)
    row = pq.read_table(shard).to_pylist()[0]
    assert [len(scores) for scores in row["grad_l2"]] == [6, 7, 8, 9]
    assert row["word_bounds"] == [0, 1, 2, 6, 9, 10]
    assert [len(scores) for scores in row["grad_l2_word"]] == [8, 9]
    assert [len(scores) for scores in row["grad_l2_line"]] == [9]


def test_a_shard_says_how_it_was_made(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"))
    (shard,) = find_shards(tmp_path)
    assert read_metadata(shard) == {"schema_version": SCHEMA_VERSION, "settings": SETTINGS, **PROVENANCE}


def test_pandas_reads_a_folder_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"), set_aside("b"), analysis("c", n_targets=7))
    frame = pd.read_parquet(tmp_path).set_index("id")
    assert list(frame.index) == ["a", "b", "c"]
    assert list(frame["source"]) == ["menu"] * 3
    assert frame.loc["a", "prompt"] == " Buy eggs.\n"
    assert frame.loc["a", "completion"] == " oats."
    assert frame["error"].isna().tolist() == [True, False, True]
    assert frame.loc["b", "error"] == "found null"
    assert frame["grad_l2"].isna().tolist() == [False, True, False]
    assert frame["tokens"].dropna().map(len).tolist() == [9, 13]
    assert frame["grad_l2"].dropna().map(len).tolist() == [3, 7]


# ---- a run that stops and goes on -----------------------------------------------------------------------------------


def test_each_shard_is_whole_as_soon_as_it_is_there(tmp_path: Path) -> None:
    with open_writer(tmp_path, flush_every=2) as writer:
        for number in range(5):
            writer.add(analysis(f"id-{number}"))
            n_on_disk = number + 1 - (number + 1) % 2
            assert sum(pq.read_table(shard).num_rows for shard in find_shards(tmp_path)) == n_on_disk
    assert ids_of(tmp_path) == [f"id-{number}" for number in range(5)]


def test_the_next_run_knows_what_is_done(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"), set_aside("b"), analysis("c"))
    with open_writer(tmp_path) as writer:
        done = {id: (known.fingerprint, known.error) for id, known in writer.done.items()}
        assert done == {
            "a": ("print-of-a", None),
            "b": ("print-of-b", "found null"),
            "c": ("print-of-c", None),
        }
        writer.add(analysis("d"))
    assert ids_of(tmp_path) == ["a", "b", "c", "d"]


def test_a_kill_before_the_rename_leaves_a_readable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    write(tmp_path, analysis("a"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # who is killed does not clean up
        with pytest.raises(Killed):
            write(tmp_path, analysis("b"))
    assert [path.name for path in tmp_path.glob(".part-*")] == [".part-00001.parquet.tmp"]  # as a kill leaves it
    assert ids_of(tmp_path) == ["a"]
    assert list(pd.read_parquet(tmp_path)["id"]) == ["a"]
    write(tmp_path, analysis("b"))
    assert list(tmp_path.glob(".part-*")) == []
    assert ids_of(tmp_path) == ["a", "b"]


def test_half_a_temporary_file_is_cleaned_away(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"))
    (tmp_path / ".part-00001.parquet.tmp").write_bytes(b"PAR1 and not more")
    assert ids_of(tmp_path) == ["a"]
    with open_writer(tmp_path) as writer:
        assert writer.done.keys() == {"a"}
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_was_added_before_an_error_is_kept(tmp_path: Path, error: type[BaseException]) -> None:
    def fail_on_the_way() -> None:
        with open_writer(tmp_path, flush_every=100) as writer:
            writer.add(analysis("a"))
            raise error

    with pytest.raises(error):
        fail_on_the_way()
    assert ids_of(tmp_path) == ["a"]
    write(tmp_path, analysis("b"))  # and the lock is free


def test_nothing_added_leaves_no_shard(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert find_shards(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("forgotten", "left", "n_shards"),
    [(["b"], ["a", "c", "d"], 2), (["c", "d"], ["a", "b"], 1), (["a", "b", "c", "d"], [], 0)],
)
def test_a_forgotten_record_can_be_tried_again(
    tmp_path: Path, forgotten: list[str], left: list[str], n_shards: int
) -> None:
    write(tmp_path, *map(set_aside, "abcd"))
    with open_writer(tmp_path) as writer:
        for id in forgotten:
            writer.forget(id)
        assert list(writer.done) == left
        assert len(find_shards(tmp_path)) == n_shards
        for shard in find_shards(tmp_path):
            assert read_metadata(shard)["settings"] == SETTINGS
        for id in forgotten:
            writer.add(analysis(id))
    assert ids_of(tmp_path) == [*left, *forgotten]


def test_the_shard_after_number_99999_comes_after_it(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"))
    find_shards(tmp_path)[0].rename(tmp_path / "part-99999.parquet")
    for id in "bc":
        write(tmp_path, analysis(id))
    assert [shard.name for shard in find_shards(tmp_path)] == [f"part-{n}.parquet" for n in (99999, 100000, 100001)]
    assert ids_of(tmp_path) == ["a", "b", "c"]


def test_a_shard_whose_rename_could_not_be_synced_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = files._sync

    def fail(path: Path) -> None:
        if path.is_dir():
            raise OSError(5, os.strerror(5))
        sync(path)

    with open_writer(tmp_path, flush_every=1) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(files, "_sync", fail)
            with pytest.raises(OutputError, match=r"part-00000\.parquet: could not be written"):
                writer.add(analysis("a"))
        writer.add(analysis("b"))
    assert ids_of(tmp_path) == ["a", "b"]


# ---- folders that are refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "made with other settings (seed: there 0, now 1); choose another -o"),
        ({"model": "big", "seed": 1}, "(model: there tiny, now big; seed: there 0, now 1)"),
        ({"methods": ["grad_dot_input"]}, "(methods: there grad_l2, now grad_dot_input)"),
        ({"new": "x"}, "(new: there None, now x)"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    write(tmp_path, analysis("a"))
    before = snapshot(tmp_path)
    with pytest.raises(OutputError) as raised:
        open_writer(tmp_path, **change)
    assert said in str(raised.value)
    assert snapshot(tmp_path) == before
    write(tmp_path, analysis("b"))  # and the lock is free


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with open_writer(tmp_path) as writer:
        with pytest.raises(OutputError, match="another run is writing there; wait, or choose another -o"):
            open_writer(tmp_path)
        writer.add(analysis("a"))
    write(tmp_path, analysis("b"))
    assert ids_of(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("name", ["thesis.txt", "part-list.txt", "part-of-something.parquet"])
def test_a_folder_with_other_files_is_left_untouched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    (tmp_path / ".part-mine.tmp").write_text("mine too", encoding="utf-8")
    before = snapshot(tmp_path)
    with pytest.raises(OutputError, match=rf"holds other files \({name}\) and no results; choose another -o"):
        open_writer(tmp_path)
    assert snapshot(tmp_path) == before


def test_hidden_files_of_a_desktop_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    assert ids_of(write(tmp_path, analysis("a"))) == ["a"]


def test_a_shard_that_was_copied_is_refused(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"), analysis("b"))
    shutil.copy(tmp_path / "part-00000.parquet", tmp_path / "part-00007.parquet")
    with pytest.raises(OutputError) as raised:
        open_writer(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path / 'part-00007.parquet'}: holds id 'a', as {tmp_path / 'part-00000.parquet'} does; delete one"
    )


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "out"


def a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file"


@pytest.mark.parametrize("place", [below_a_file, a_file])
def test_a_place_that_is_no_folder_is_refused(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    path = place(tmp_path)
    with pytest.raises(OutputError, match="can't write there"):
        open_writer(path)


def test_a_full_disk_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OutputError, match=r"part-00000\.parquet: could not be written \(No space left"):
            write(tmp_path, analysis("a"))
    assert list(tmp_path.glob("*part*")) == []
    write(tmp_path, analysis("a"))  # and the lock is free


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
    (replace_by_foreign, "not written by promptlight run"),
    (
        replace_by_later_version,
        f"written with schema version {SCHEMA_VERSION + 1}, this promptlight reads 3 and 4: update promptlight, or run "
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


# ---- digits, and the room they take ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-30, 1e-7, 1.0, 1e9])
def test_rounded_scores_are_as_near_as_float16_is_at_its_best(size: float) -> None:
    scores = (np.random.default_rng(1).normal(size=1000) * size).astype(np.float32)
    rounded = round_to_half(scores)
    assert rounded.dtype == np.float32
    assert (np.abs(rounded - scores) <= np.abs(scores) * 2.0**-11).all()
    assert (rounded.view(np.int32) & 0x1FFF == 0).all()
    if size == 1.0:
        assert np.array_equal(rounded, scores.astype(np.float16).astype(np.float32))


def test_rounded_scores_take_half_the_room_and_come_back(tmp_path: Path) -> None:
    completion = build_completion(["<bos>", *["▁word"] * 150], ["▁so"] * 60)
    result = make_analysis(completion)
    sizes: dict[str, int] = {}
    for scores in Scores:
        folder = tmp_path / scores
        with ResultsWriter(folder, SETTINGS | {"scores": scores.value}, {}) as writer:
            writer.add(result)
        sizes[scores] = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    (whole,), (rounded,) = (read_results(tmp_path / scores) for scores in Scores)
    assert_same_analysis(whole, result)
    assert isinstance(rounded, Analysis)
    scores, exact = rounded.map_by().scores, result.map_by().scores
    assert scores is not None
    assert exact is not None
    np.testing.assert_allclose(scores, exact, rtol=2.0**-11)
    assert sizes["float16"] < 0.75 * sizes["float32"]
    with pytest.raises(OutputError, match="scores: there float16, now float32"):
        ResultsWriter(tmp_path / "float16", SETTINGS | {"scores": "float32"}, {})


def test_scores_are_stored_byte_by_byte(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "out", SETTINGS, {}) as writer:
        writer.add(make_analysis(build_completion(["<bos>", "▁a"], ["▁b"])))
    (shard,) = (tmp_path / "out").glob("*.parquet")
    columns = pq.ParquetFile(shard).metadata.row_group(0)
    for number in range(columns.num_columns):
        column = columns.column(number)
        assert ("BYTE_STREAM_SPLIT" in column.encodings) == column.path_in_schema.startswith("grad_l2")
