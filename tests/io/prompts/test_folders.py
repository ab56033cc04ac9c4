"""Folders, patterns and data sets on disk: which files they stand for, and what their records are called."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from promptlight.io.prompts.reader import PromptReader
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.conftest import Command
from tests.support.prompt_files import prompts_of, save


def table(*texts: str) -> pa.Table:
    return pa.table({"prompt": pa.array(texts, pa.string())})


def save_data_set(folder: Path, *shards: pa.Table, **state: Any) -> Path:
    """As ``datasets.save_to_disk`` writes it: streams of Arrow, and what describes them."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05}-of-{len(shards):05}.arrow" for number in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        with pa.ipc.new_stream(folder / name, shard.schema) as stream:
            stream.write_table(shard)
    files = {"_data_files": [{"filename": name} for name in names], "_split": folder.name, "_fingerprint": "0"}
    (folder / "state.json").write_text(json.dumps(files | state), encoding="utf-8")
    (folder / "dataset_info.json").write_text('{"features": {}}', encoding="utf-8")
    return folder


def ids_of(source: Path | str, **options: Any) -> list[tuple[str, str]]:
    return [(one.id, one.text) for one in prompts_of(source, **options)]


def test_a_folder_of_parquet_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, texts in {"b": ["3"], "a": ["1", "2"], "empty": []}.items():
        pq.write_table(table(*texts), folder / f"{name}.parquet")
    for name in ("_SUCCESS", ".a.parquet.crc", "README.md", "_delta.parquet"):
        (folder / name).write_text("{}", encoding="utf-8")
    reader = PromptReader(folder)
    for _ in range(2):
        assert [one.id for one in reader] == ["data/a-1", "data/a-2", "data/b-1"]
        assert reader.seen.notes == [f"{folder}: read as 3 files, {folder}/a.parquet to {folder}/empty.parquet"]
    assert [one.path for one in prompts_of(folder)] == [f"{folder}/{name}.parquet" for name in "aab"]
    assert reader.whole_files == {f"{folder}/{name}.parquet" for name in ("a", "b", "empty")}
    assert ids_of(f"mine:{folder}")[0] == ("mine/a-1", "1")


def test_partitions_are_columns(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    rows = pa.table({"prompt": ["Hallo", "Hello", "?"], "lang": ["d/e", "en", None], "year": [2024, 2025, 2025]})
    pyarrow.dataset.write_dataset(
        rows, folder, format="parquet", partitioning=["lang", "year"], partitioning_flavor="hive"
    )
    read = {one.text: one.fields for one in prompts_of(folder)}
    assert read == {
        "Hallo": {"lang": "d/e", "year": "2024"},
        "Hello": {"lang": "en", "year": "2025"},
        "?": {"lang": None, "year": "2025"},
    }
    by_pattern = prompts_of(f"{folder}/**/*.parquet")
    assert {one.text: one.fields for one in by_pattern} == read
    assert "data/lang=en/year=2025/part-0-1" in {one.id for one in prompts_of(folder)}
    assert "lang=en/year=2025/part-0-1" in {one.id for one in by_pattern}


def test_a_column_that_contradicts_its_folder_is_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "month=01"
    folder.mkdir(parents=True)
    (folder / "p.jsonl").write_text('{"prompt": "a", "month": 1}\n{"prompt": "b", "month": 2}\n{"prompt": "c"}\n')
    good, bad, other = PromptReader(folder.parent)
    assert isinstance(good, Prompt)
    assert good.fields == {"month": 1}
    assert isinstance(bad, SetAside)
    assert "expected `month` to be '01', as the folder says, found '2'" in bad.reason
    assert isinstance(other, Prompt)
    assert other.fields == {"month": "01"}


@pytest.mark.parametrize("ending", ["jsonl", "feather", "json", "csv", "txt", "jsonl.gz"])
def test_folders_of_other_formats_are_read(tmp_path: Path, ending: str) -> None:
    (tmp_path / "data").mkdir()
    if ending == "feather":
        pyarrow.feather.write_feather(table("a"), tmp_path / "data" / "p.feather")
    else:
        save(tmp_path / "data" / f"p.{ending}", [{"prompt": "a"}])
    assert ids_of(tmp_path / "data") == [("data-2" if ending == "csv" else "data-1", "a")]


def test_a_folder_that_says_too_little_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="found a folder without one; name a file"):
        PromptReader(tmp_path)
    for name in ("a.jsonl", "b.csv", "c.csv"):
        (tmp_path / name).write_text("prompt\nx\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected files of one format in the folder, found csv \(2\) and jsonl"):
        PromptReader(tmp_path)
    assert len(prompts_of(f"{tmp_path}/*.csv")) == 2


def test_a_folder_of_empty_files_has_no_prompts(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet")
    pq.write_table(table(), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="no prompts in it"):
        list(PromptReader(tmp_path))


def test_files_of_a_pattern_that_share_a_name_have_different_ids(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.txt").write_text(f"{name}\n", encoding="utf-8")
    assert ids_of(f"{tmp_path}/*/p.txt") == [("one/p-1", "one"), ("two/p-1", "two")]


def test_a_data_set_on_disk_is_read(tmp_path: Path) -> None:
    assert ids_of(save_data_set(tmp_path / "one", table("a", "b"))) == [("one-1", "a"), ("one-2", "b")]
    two = save_data_set(tmp_path / "two", table("a"), table(), table("b"))
    pq.write_table(table("not of it"), two / "other.parquet")
    shards = [f"two/data-{number:05}-of-00003-1" for number in (0, 2)]
    assert ids_of(two) == [(shards[0], "a"), (shards[1], "b")]


def test_a_data_set_with_splits_wants_one(tmp_path: Path) -> None:
    for name in ("train", "test"):
        save_data_set(tmp_path / "set" / name, table(name))
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")
    with pytest.raises(InputError, match="expected a split to be named, found train, test") as caught:
        PromptReader(tmp_path / "set")
    assert caught.value.parameters == ("split",)
    assert ids_of(tmp_path / "set", split="test") == [("set/test-1", "test")]
    assert ids_of(tmp_path / "set" / "train") == [("train-1", "train")]
    for split in ("dev", "..", ""):
        with pytest.raises(InputError, match="expected a split of the data set, found train, test"):
            PromptReader(tmp_path / "set", split=split)
    with pytest.raises(InputError, match="expected a data set with splits"):
        PromptReader(tmp_path / "set" / "train", split="train")


@pytest.mark.parametrize(
    "names", [("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"), ("train", "test")]
)
def test_splits_are_told_by_the_names_of_files(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    for name in names:
        pq.write_table(table(name), folder / f"{name}.parquet")
    with pytest.raises(InputError, match="expected a split to be named, found test, train"):
        PromptReader(tmp_path / "set")
    assert [text for _, text in ids_of(tmp_path / "set", split="train")] == [name for name in names if "train" in name]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"_indices_files": [{"filename": "indices.arrow"}]}, "expected a data set without `_indices_files`"),
        ({"_data_files": [{"filename": "../p.arrow"}]}, "expected names of files beside it in `_data_files`"),
        ({"_data_files": [{"filename": ".."}]}, "expected names of files beside it"),
        ({"_data_files": [{"filename": "\0"}]}, "expected names of files beside it"),
        ({"_data_files": [{"filename": "\ud800"}]}, "expected names of files beside it"),
        ({"_data_files": []}, "expected names of files beside it"),
        ({"_data_files": [7]}, "expected names of files beside it"),
        ({"_data_files": "p"}, "expected a list in `_data_files`"),
    ],
)
def test_a_data_set_that_is_described_otherwise_is_refused(tmp_path: Path, state: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PromptReader(save_data_set(tmp_path / "set", table("a"), **state))


@pytest.mark.parametrize("name", ["..", ".", "", "../set", "/", "a\\u0000b", "\\ud800"])
def test_a_split_that_is_no_name_leads_nowhere(tmp_path: Path, name: str) -> None:
    save_data_set(tmp_path / "set", table("a"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "dataset_dict.json").write_text(f'{{"splits": ["{name}"]}}', encoding="utf-8")
    (tmp_path / "p.jsonl").write_text('{"prompt": "outside"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a split of the data set|found a folder without one"):
        PromptReader(tmp_path / "other")


def test_broken_descriptions_are_refused(tmp_path: Path) -> None:
    (save_data_set(tmp_path / "set", table("a")) / "state.json").write_bytes(b"{")
    with pytest.raises(InputError, match="expected a description of a data set, found none"):
        PromptReader(tmp_path / "set")
    with pytest.raises(InputError, match="found no such file"):
        list(PromptReader(save_data_set(tmp_path / "gone", table("a"), _data_files=[{"filename": "no.arrow"}])))


def test_datasets_own_folders_are_read(tmp_path: Path) -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"prompt": ["a", "b", "c"]})
    rows.save_to_disk(tmp_path / "one", num_shards=2)
    assert [text for _, text in ids_of(tmp_path / "one")] == ["a", "b", "c"]
    datasets.DatasetDict({"train": rows, "test": rows.select([2])}).save_to_disk(tmp_path / "both")
    assert [text for _, text in ids_of(tmp_path / "both", split="test")] == ["c"]


def test_commands_take_folders_and_splits(promptlight: Command, tmp_path: Path) -> None:
    for name in ("train", "test"):
        save_data_set(tmp_path / "set" / name, table(name))
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")
    refused = promptlight("segment", tmp_path / "set")
    assert refused.exit_code != 0
    assert "found train, test (--split)" in refused.stderr
    done = promptlight("segment", tmp_path / "set", "--split", "test")
    assert done.exit_code == 0, done.stderr
    assert "set/test-1" in done.stdout
    assert "read as" in done.stderr
