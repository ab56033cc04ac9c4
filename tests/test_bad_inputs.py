"""Whatever a user hands to a command, it ends with an exit code and a line: the fixture raises for a traceback."""

# pyright: standard

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Command
from tests.support.paths import EXAMPLES

EXIT_CODES = range(6)
ENDINGS = [
    *("jsonl", "json", "txt", "csv", "tsv", "parquet", "feather", "arrow"),
    *("jsonl.gz", "csv.zst", "jsonl.bz2", "txt.xz", "zip"),
]
FIELDS = [
    *("id", "prompt", "messages", "target", "source", "sections", "foil", "stop", "max_new_tokens", "thinking"),
    *("tools", "turns"),
]
VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, 1e308, "", " ", "x", "\0", "\ud800", [], {}, [[]], [None], [1, 2], {"a": None}),
    *({"x": "x"}, {"a": [0, 1]}, [{}], [{"role": None, "content": None}], [{"role": "user", "content": [None]}]),
    *([{"role": "model", "content": "x"}], [{"role": "user", "content": [{"type": "text", "text": None}]}]),
    *([{"role": "user", "content": "x", "tool_calls": [1]}], [{"role": 1, "content": {}}], {"a": {"b": [{}]}}),
]
FOLDER_COMMANDS = {
    "list": ["list", "{}"],
    "show": ["show", "{}"],
    "matrix": ["show", "{}", "--matrix", "--row", "-1"],
    "json": ["show", "{}", "--json", "--id", "x"],
    "compare": ["compare", "{}"],
    "report": ["report", "{}", "-o", "page.html", "--overwrite"],
    "export": ["export", "{}", "-o", "table.csv", "--overwrite"],
    "why": ["why", "{}"],
    "try": ["try", "{}", "--replace", "a=>b"],
    "summarize": ["summarize", "{}"],
    "evaluate": ["evaluate", "{}"],
    "explore": ["explore", "{}"],
    "run": ["run", "sample_prompts", "-o", "{}", "-m", "nowhere"],
}


def zip_bytes(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "mark alone": b"\xef\xbb\xbf",
    "blank lines": b"\n\r\n \n\n",
    "UTF-16": '{"prompt": "x"}'.encode("utf-16"),
    "Latin-1": '{"prompt": "café"}\nprompt\ncafé'.encode("latin-1"),
    "zeros": bytes(300),
    "every byte": bytes(range(256)) * 4,
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 20_000,
    "digits": b'{"id": ' + b"1" * 6000 + b', "prompt": "x"}',
    "constants": b'{"prompt": "x", "n": NaN}\n{"prompt": "x", "n": 1e999}',
    "scalars": b'3\nnull\ntrue\n"x"\n[]\n{}\n',
    "array": b'[{"prompt": "x"}, 3, null, {}]',
    "cut off": b'{"prompt": "x"}\n{"prompt": "x',
    "quotes": b'prompt,prompt\n"a,b\n"x" y,"z\n',
    "repeated": b'{"prompt": "x", "prompt": "y"}',
    "columns": b"prompt,id\na,b,c,d\ne\n",
    "gzip": gzip.compress(b'{"prompt": "x"}'),
    "gzip cut off": gzip.compress(bytes(range(256)) * 40)[:-9],
    "zip": zip_bytes(a=b"x", b=b"y"),
    "zip of nothing": zip_bytes(),
    "bzip2 start": b"BZh91AY&SY\0\0",
    "xz start": b"\xfd7zXZ\0\0\0",
    "zstd start": b"\x28\xb5\x2f\xfd\0\0",
    "Parquet start": b"PAR1\0\0\0\0PAR1",
    "Arrow start": b"ARROW1\0\0\xff\xff\xff\xff\x10\0\0\0",
    "pickle": pickle.dumps({"prompt": "x"}),
    "values": "\n".join(
        json.dumps({"prompt": "x"} | {field: value}) for field, value in product(FIELDS, VALUES)
    ).encode(),
    "hostile": (EXAMPLES / "hostile.jsonl").read_bytes(),
    "broken": (EXAMPLES / "broken.jsonl").read_bytes(),
}
ODD_TABLES: dict[str, pa.Table] = {
    "bytes": pa.table({"prompt": [b"\xff", b"ok"]}),
    "bad text": pa.table({"prompt": pa.array([b"\xff\xfe"]).cast(pa.binary()).view(pa.string())}),
    "floats": pa.table({"prompt": ["x", None], "id": [1.0, float("nan")]}),
    "nulls": pa.table({"prompt": pa.nulls(2), "messages": pa.nulls(2)}),
    "far dates": pa.table({"prompt": ["x"], "t": pa.array([2**62], pa.timestamp("us"))}),
    "odd zone": pa.table({"prompt": ["x"], "t": pa.array([0], pa.timestamp("s", "Nowhere/Else"))}),
    "maps": pa.table({"prompt": ["x"], "m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))}),
    "durations": pa.table({"prompt": ["x"], "d": pa.array([2**62], pa.duration("s"))}),
    "no columns": pa.table({}),
    "no rows": pa.table({"prompt": pa.array([], pa.string())}),
    "repeated": pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], ["prompt", "prompt"]),
    "chats": pa.table({"messages": [{"role": ["user"], "content": ["x"]}]}),
}


def check(promptlight: Command, *arguments: object) -> None:
    """Run a command; it may refuse in a line, but not break."""
    done = promptlight(*arguments)
    assert done.exit_code in EXIT_CODES, arguments
    assert "Traceback" not in done.stderr, arguments
    assert done.exit_code == 0 or done.stderr.strip(), arguments


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_content_under_every_name_of_a_prompt_file(promptlight: Command, tmp_path: Path, ending: str) -> None:
    for name, content in CONTENTS.items():
        path = tmp_path / f"{name}.{ending}"
        path.write_bytes(content)
        check(promptlight, "segment", path)


@pytest.mark.parametrize("name", ODD_TABLES)
def test_odd_tables(promptlight: Command, tmp_path: Path, name: str) -> None:
    pq.write_table(ODD_TABLES[name], tmp_path / "odd.parquet")
    check(promptlight, "segment", tmp_path / "odd.parquet")
    check(promptlight, "run", tmp_path / "odd.parquet", "-o", tmp_path / "out", "-m", "nowhere")


@pytest.mark.parametrize("name", CONTENTS)
def test_every_content_where_a_file_is_asked_for(
    promptlight: Command, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, good = tmp_path / "file", tmp_path / "good.jsonl"
    path.write_bytes(CONTENTS[name])
    good.write_text('{"prompt": "x", "dish": "y"}\n', encoding="utf-8")
    for arguments in (
        *(
            ["segment", "--prompt-file", path],
            ["segment", good, "--template", path],
            ["segment", good, "--sections", path],
        ),
        *(["run", path, "-m", "nowhere", "-o", tmp_path / "out"], ["run", good, "-m", path, "-o", tmp_path / "out"]),
        *(
            ["show", "-p", "x", "-m", path],
            ["show", path],
            ["try", "gemma-tutorial", "--replace-each", path, "-m", "nowhere"],
        ),
        *(["segment", "-p", "x", "-m", "demo", "--by", CONTENTS[name].decode("latin-1")[:50].replace("\0", "")],),
    ):
        check(promptlight, *arguments)
    monkeypatch.chdir(tmp_path)
    path.rename("promptlight.toml")
    check(promptlight, "segment", good)


@pytest.mark.parametrize("name", CONTENTS)
def test_every_content_as_a_model(promptlight: Command, tmp_path: Path, name: str) -> None:
    for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer.model", "model.weights.h5"):
        (tmp_path / file).write_bytes(CONTENTS[name])
    check(promptlight, "segment", "-p", "x", "-m", tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gemma2"}', encoding="utf-8")
    check(promptlight, "segment", "-p", "x", "-m", tmp_path)
    (tmp_path / "tokenizer.model").unlink()
    check(promptlight, "segment", "-p", "x", "-m", tmp_path)
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + CONTENTS[name])
    check(promptlight, "segment", "-p", "x", "-m", tmp_path / "x.gguf")


def spoil(folder: Path, results: Path, how: str) -> Path:
    """A results folder in which something is wrong; the path to give to a command."""
    place = folder / "results"
    if how in CONTENTS:
        place.mkdir()
        (place / "part-00000.parquet").write_bytes(CONTENTS[how])
        return place
    if how == "absent":
        return place
    if how == "a file":
        place.write_bytes(b"x")
        return place
    if how == "a circle":
        place.symlink_to(place)
        return place
    if how == "a long name":
        return folder / ("x" * 300)
    place.mkdir()
    if how == "other files":
        (place / "x").write_bytes(b"x")
    shard = sorted(results.glob("part-*.parquet"))[0]
    table, here = pq.read_table(shard), place / "part-00000.parquet"
    if how == "cut off":
        here.write_bytes(shard.read_bytes()[:-100])
    elif how == "other columns":
        pq.write_table(table.select(["id"]), here)
    elif how == "no metadata":
        pq.write_table(table.replace_schema_metadata(), here)
    elif how == "bad metadata":
        pq.write_table(table.replace_schema_metadata(dict.fromkeys(table.schema.metadata, b"\xff{")), here)
    elif how == "other metadata":
        pq.write_table(table.replace_schema_metadata(dict.fromkeys(table.schema.metadata, b"[]")), here)
    elif how == "nulls":
        schema = pa.schema([field.with_nullable(True) for field in table.schema], table.schema.metadata)
        nulls = pa.table([pa.nulls(len(table), field.type) for field in schema], schema=schema)
        pq.write_table(nulls, here)
    elif how == "bad answers":
        shutil.copy(shard, here)
        (place / "_evaluation").mkdir()
        (place / "_evaluation" / "why.json").write_bytes(b'{"answers": 3}')
        (place / "_evaluation" / "part-00000.parquet").write_bytes(b"x")
    return place


SPOILT = [
    *("absent", "a file", "a circle", "a long name", "nothing", "other files", "cut off", "other columns"),
    *("no metadata", "bad metadata", "other metadata", "nulls", "bad answers", "empty", "every byte", "Parquet start"),
]


@pytest.mark.parametrize("how", SPOILT)
def test_every_command_on_spoilt_results(
    promptlight: Command, tmp_path: Path, demo_results: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    place = spoil(tmp_path, demo_results, how)
    monkeypatch.chdir(tmp_path)
    for name, arguments in FOLDER_COMMANDS.items():
        if how == "bad answers" and name in ("try", "evaluate", "why", "explore"):
            continue  # these would load the model
        check(promptlight, *(one.format(place) for one in arguments))


@pytest.mark.parametrize("place", ["{}", "{}/good.jsonl/x", "{}/" + "x" * 300, "/dev/null/x", "/proc/x", "{}/circle"])
def test_every_command_that_writes_where_it_cannot(
    promptlight: Command, tmp_path: Path, demo_results: Path, place: str
) -> None:
    (tmp_path / "good.jsonl").write_text('{"prompt": "x"}\n', encoding="utf-8")
    (tmp_path / "circle").symlink_to("circle")
    output = place.format(tmp_path)
    for arguments in (
        *(["export", demo_results, "-o", output, "--format", "csv"], ["report", demo_results, "-o", output]),
        *(["show", demo_results, "--svg", output], ["show", demo_results, "--html", output]),
        *(["export", demo_results, "-o", output], ["run", tmp_path / "good.jsonl", "-o", output, "-m", "nowhere"]),
    ):
        check(promptlight, *arguments, *([] if arguments[0] == "run" else ["--overwrite"]))
