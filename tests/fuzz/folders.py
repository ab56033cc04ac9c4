"""Folders and data sets on disk: each file is read once, in order, or there is a reason; nothing outside is read."""

# pyright: standard

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from hypothesis import strategies as st

from promptlight.io.prompts.files._file_names import read_partition
from promptlight.io.prompts.reader import PromptReader
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt
from tests.fuzz.surface import TEXTS, Surface, assert_says, assert_storable, split_texts

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
OUTSIDE = "text of a file outside"
NAMES = (
    "a.jsonl",
    "b.jsonl",
    "train-00000-of-00001.jsonl",
    "test.jsonl",
    "x=1/a.jsonl",
    "x=%2F/y=/b.jsonl",
    "_c.jsonl",
)
OTHERS = ("state.json", "dataset_dict.json", "p.arrow", "README.md", "c.csv", "x=1/.d.jsonl")


@dataclass(frozen=True)
class Case:
    """The names of files, what is in the two that describe a data set, and the split that is asked for."""

    names: Sequence[str]
    state: str = "{}"
    splits: str = "{}"
    split: str | None = None


def check(case: Case) -> None:
    root = Path(FOLDER.name) / "set"
    shutil.rmtree(root, ignore_errors=True)
    lay_out(case, root)
    try:
        reader = PromptReader(root, split=case.split)
        records = [one for one in reader if isinstance(one, Prompt)]
    except InputError as error:
        assert_says(error, "expected")
        return
    assert records
    assert list(reader) == records
    assert len({one.id for one in records}) == len(records)
    for record in records:
        assert_storable(record.id, record.path)
        assert record.text != OUTSIDE
    if not {"state.json", "dataset_dict.json"} & set(case.names):
        paths = [str(Path(one.path).relative_to(root)) for one in records]
        assert paths == sorted(paths)
        assert [one.text for one in records] == paths
        assert all(dict(read_partition(one.text)).items() <= one.fields.items() for one in records)


def lay_out(case: Case, root: Path) -> None:
    content = {"state.json": case.state, "dataset_dict.json": case.splits}
    (root.parent / "outside.arrow").write_bytes(arrow(OUTSIDE))
    root.mkdir()
    for name in case.names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in content:
            path.write_bytes(content[name].encode("utf-8", "surrogatepass"))
        elif name.endswith(".arrow"):
            path.write_bytes(arrow(name))
        else:
            path.write_text(json.dumps({"prompt": name}) + "\n", encoding="utf-8")


def arrow(text: str) -> bytes:
    table = pa.table({"prompt": [text]})
    file = pa.BufferOutputStream()
    with pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return file.getvalue().to_pybytes()


def from_bytes(data: bytes) -> Case:
    """Make a case: a bit for each file, then the two descriptions and the split."""
    how = int.from_bytes(data[:2], "big")
    names = [name for place, name in enumerate((*NAMES, *OTHERS)) if how >> place & 1]
    state, splits, split = split_texts(data[2:], 3)
    return Case(names, state, splits, split or None)


STATES = st.sampled_from(
    [
        '{"_data_files": [{"filename": "p.arrow"}]}',
        '{"_data_files": [{"filename": "../outside.arrow"}]}',
        "[]",
        "null",
        "{",
    ]
)
SURFACE = Surface(
    cases=st.builds(
        Case,
        st.lists(st.sampled_from([*NAMES, *OTHERS]), unique=True, max_size=5),
        STATES | TEXTS,
        st.sampled_from(['{"splits": ["x=1", "y"]}', '{"splits": [".."]}', '{"splits": [7]}']) | TEXTS,
        st.sampled_from([None, "x=1", "train", "..", "/"]) | TEXTS,
    ),
    from_bytes=from_bytes,
    check=check,
    seeds=(
        b"\0\x07{}\xff{}\xff",
        b"\0\x0c{}\xff{}\xfftrain",
        b"\0\x70{}\xff{}\xff",
        b'\x02\x80{"_data_files": [{"filename": "p.arrow"}]}\xff{}\xff',
        b'\x01\x10{}\xff{"splits": ["x=1", "y"]}\xffx=1',
    ),
)
