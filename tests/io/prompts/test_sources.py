"""Where prompts come from: every format, packing and address gives the same prompts; what can't be read says why."""

# pyright: standard

from __future__ import annotations

import datetime
import gzip
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io import read_results
from promptlight.io.prompts.jsonline import LONGEST_LINE
from promptlight.io.prompts.reader import PromptReader, Selection, read_prompts
from promptlight.io.prompts.records import Reading
from promptlight.io.prompts.sources import Format, Source, parse_source
from promptlight.io.prompts.template import Template, read_template
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.conftest import Command
from tests.support.paths import EXAMPLES

RECORDS: list[dict[str, Any]] = [
    {"id": "a", "prompt": 'Say "hi",\nthen go.', "target": "hi", "source": "kind", "n": "1"},
    {"id": "b", "prompt": "好🍕", "target": None, "source": "rude", "n": "2"},
    {"id": "c", "prompt": "Why?", "target": None, "source": "kind", "n": "3"},
]


def save(path: Path, records: list[dict[str, Any]] = RECORDS) -> Path:
    """The records in the format and packing that the name asks for."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(records), path)
        return path
    if name.endswith((".csv", ".tsv")):
        text = pd.DataFrame(records).to_csv(index=False, sep="\t" if name.endswith(".tsv") else ",")
    elif name.endswith(".txt"):
        text = "".join(f"{record['prompt']}\n" for record in records)
    else:
        text = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(text.encode(), codec="zstd", asbytes=True))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def prompts_of(*sources: str | Path, **options: Any) -> list[Prompt]:
    records = list(PromptReader(sources, **options))
    assert [record.reason for record in records if isinstance(record, SetAside)] == []
    return [record for record in records if isinstance(record, Prompt)]


def summary(prompts: list[Prompt]) -> list[dict[str, Any]]:
    return [
        {"id": one.id, "prompt": one.text, "target": one.given_completion, "source": one.label, **one.fields}
        for one in prompts
    ]


# ---- formats --------------------------------------------------------------------------------------------------------

FILES = ("p.jsonl", "p.json", "p", "p.jsonl.gz", "p.jsonl.zst", "p.csv", "p.CSV", "p.csv.gz", "p.tsv", "p.parquet")


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_prompts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "p.CSV":
        save(tmp_path / "p.csv").rename(path)
    else:
        save(path)
    reader = PromptReader(path)
    assert len(list(reader)) == 3
    assert summary(prompts_of(path)) == RECORDS
    assert all(one.path == str(path) for one in prompts_of(path))


def test_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"\xef\xbb\xbfEat {eggs}\r\n\n  indented\ncaf\xe9\n")
    first, second, third = read_prompts(path)
    assert isinstance(first, Prompt)
    assert isinstance(second, Prompt)
    assert [(one.id, one.text, one.line) for one in (first, second)] == [
        ("p-1", "Eat {eggs}", 1),
        ("p-3", "  indented", 3),
    ]
    assert isinstance(third, SetAside)
    assert "expected UTF-8, found 0xE9" in third.reason


def test_a_csv_row_is_named_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('prompt,n\n"one\ntwo",1\nthree\nfour,2,3\n,5\n', encoding="utf-8")
    one, three, four, empty = read_prompts(path)
    assert [record.line for record in (one, three, four, empty)] == [2, 4, 5, 6]
    assert isinstance(one, Prompt)
    assert isinstance(three, Prompt)
    assert (one.text, three.fields) == ("one\ntwo", {"n": None})
    assert isinstance(four, SetAside)
    assert isinstance(empty, SetAside)
    assert "found 1 more" in four.reason
    assert "found it empty" in empty.reason


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    (prompt,) = prompts_of(save(tmp_path / "p.csv", [{"prompt": "x" * 200_000}]))
    assert len(prompt.text) == 200_000


def test_what_parquet_holds_becomes_json(tmp_path: Path) -> None:
    day = datetime.date(2026, 11, 24)
    records = [{"prompt": "p", "day": day, "n": 1, "x": float("nan"), "tags": [{"a": day}]}]
    (prompt,) = prompts_of(save(tmp_path / "p.parquet", records))
    assert prompt.fields == {"day": "2026-11-24", "n": 1, "x": None, "tags": [{"a": "2026-11-24"}]}
    json.dumps(prompt.fields)


@pytest.mark.parametrize(
    ("name", "content", "reason", "line"),
    [
        ("p.parquet", b"not parquet", "expected Parquet", None),
        ("p.csv", b"prompt,prompt\na,b\n", "each column once", 1),
        ("p.csv", b'prompt\n"open\n', "found it broken", 2),
        ("p.csv", b"prompt\ncaf\xe9\n", "expected UTF-8, found 0xE9", 2),
        ("p.csv", b"", "no prompts in it", None),
        ("p.csv", b"prompt\n", "no prompts in it", None),
        ("p.txt", b"\n\n", "no prompts in it", None),
        ("p.jsonl.gz", b"not packed", "can't be read", None),
        ("p.jsonl.gz", gzip.compress(b'{"prompt": "p"}\n' * 9999)[:-99], "can't be read", None),
        ("p.jsonl.zst", b"not packed", "can't be read", None),
    ],
)
def test_a_broken_file_says_so(tmp_path: Path, name: str, content: bytes, reason: str, line: int | None) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        list(read_prompts(path))
    assert (caught.value.path, caught.value.line) == (str(path), line)


@pytest.mark.parametrize("name", ["p.jsonl", "p.txt"])
def test_a_line_without_end_is_set_aside_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("promptlight.io.prompts.jsonline.LONGEST_LINE", 40)
    monkeypatch.setattr("promptlight.io.prompts.rows.LONGEST_LINE", 40)
    line = '{"prompt": "%s"}' if name == "p.jsonl" else "%s"
    room = 40 - len(line % "")
    path = tmp_path / name
    lengths = (1, room, room + 1, room + 2, room + 3, 500, 1)
    path.write_text("\r\n".join(line % ("x" * length) for length in lengths), encoding="utf-8", newline="")
    records = list(PromptReader(path))
    assert [record.line for record in records] == [1, 2, 3, 4, 5, 6, 7]
    assert [len(record.text) for record in records if isinstance(record, Prompt)] == [1, room, 1]
    assert {record.reason for record in records if isinstance(record, SetAside)} == {
        "expected lines of at most 40 bytes, found a longer one; put each record on one"
    }


def test_a_cell_without_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.io.prompts.jsonline.LONGEST_LINE", 40)
    monkeypatch.setattr("promptlight.io.prompts.rows.LONGEST_LINE", 40)
    path = tmp_path / "p.csv"
    path.write_text("prompt\nok\n" + "x" * 90 + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected lines of at most 40 bytes") as caught:
        list(read_prompts(path))
    assert caught.value.line == 3
    path.write_text('prompt\n"' + "x" * 30 + "\n" + "x" * 30 + '"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"found it broken: field larger than field limit \(40\)"):
        list(read_prompts(path))


def test_a_small_file_that_unpacks_to_much_takes_no_more_memory_than_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    packed = gzip.compress(b"x" * 2**20)  # a MiB
    with path.open("wb") as file:
        file.write(gzip.compress(b'{"prompt": "a"}\n'))
        file.writelines([packed] * 300)
        file.write(gzip.compress(b'\n{"prompt": "b"}\n'))
    tracemalloc.start()
    records = list(PromptReader(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(record) for record in records] == [Prompt, SetAside, Prompt]
    assert peak < 6 * LONGEST_LINE < 300 * 2**20


# ---- several sources, and names for them ----------------------------------------------------------------------------


def at(name: str, path: str, format: Format, packing: str | None = None, query: str = "") -> Source:
    """A source at an address: all behind its path is left out of what is shown."""
    return Source(name, path, format, packing, path.replace("?***", query))


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("data/dishes.jsonl", Source("dishes", "data/dishes.jsonl", Format.JSONL)),
        ("mine:data/dishes.csv", Source("mine", "data/dishes.csv", Format.CSV)),
        ("mine:data:2/dishes.txt.gz", Source("mine", "data:2/dishes.txt.gz", Format.TEXT, "gzip")),
        ("d:dishes.jsonl", Source("d", "dishes.jsonl", Format.JSONL)),
        ("-", Source("stdin", "-", Format.JSONL)),
        ("mine:-", Source("mine", "-", Format.JSONL)),
        ("https://x.org/a/b.csv.zst?v=1", at("b", "https://x.org/a/b.csv.zst?***", Format.CSV, "zstd", query="?v=1")),
        ("mine:s3://bucket/b.parquet", at("mine", "s3://bucket/b.parquet", Format.PARQUET)),
        ("hf://datasets/me/b/train.jsonl", at("train", "hf://datasets/me/b/train.jsonl", Format.JSONL)),
    ],
)
def test_how_a_source_is_written(given: str, source: Source) -> None:
    assert parse_source(given) == source


def test_a_file_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "mine:p.jsonl")
    assert [prompt.path for prompt in prompts_of("mine:p.jsonl")] == ["mine:p.jsonl"] * 3


def test_several_files_are_read_in_order_and_share_their_ids(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("1\n2\n", encoding="utf-8")
    two.write_text("3\n", encoding="utf-8")
    reader = PromptReader([one, f"other:{two}"])
    assert len(list(reader)) == 3
    assert [record.id for record in reader] == ["one-1", "one-2", "other-1"]
    again, missing = (list(read_prompts([one, path])) for path in (one, two))
    assert len(missing) == 3
    assert isinstance(again[2], SetAside)
    assert "found 'one-1', which line 1 has" in again[2].reason
    clash = list(read_prompts([one, f"one:{two}"]))[2]
    assert isinstance(clash, SetAside)
    assert f"which {one}:1 has" in clash.reason


def test_the_bundled_prompts_are_the_examples() -> None:
    bundled, examples = prompts_of("sample_prompts"), prompts_of(EXAMPLES / "prompts.jsonl")
    assert len(bundled) == 12
    assert [(one.id, one.text) for one in bundled] == [(one.id, one.text) for one in examples]


def test_an_empty_file_among_others_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(InputError, match="no prompts in it") as caught:
        list(PromptReader([save(tmp_path / "p.csv"), empty]))
    assert caught.value.path == str(empty)


# ---- standard input and addresses -----------------------------------------------------------------------------------


def test_standard_input_is_read(tmp_path: Path) -> None:
    code = "from promptlight.io.prompts.reader import *; r = PromptReader('-'); print(len(list(r)), *(p.id for p in r))"
    data = b'{"prompt": "p"}\n\n{"prompt": "q"}\n'
    result = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, cwd=tmp_path)
    assert result.stdout.decode().split() == ["2", "stdin-1", "stdin-3"]


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server of the folder ``web``, on this machine."""
    (tmp_path / "web").mkdir()

    def handle(*arguments: Any) -> Server:
        return Server(*arguments, directory=str(tmp_path / "web"))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handle) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz", "p.csv", "p.parquet"])
def test_an_address_is_fetched_once(tmp_path: Path, address: str, name: str) -> None:
    save(tmp_path / "web" / name)
    reader = PromptReader(f"{address}/{name}?v=2")
    assert len(list(reader)) == 3
    (tmp_path / "web" / name).unlink()
    assert summary([one for one in reader if isinstance(one, Prompt)]) == RECORDS
    assert [one.path for one in reader] == [f"{address}/{name}?***"] * 3


def test_what_is_not_there_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="nothing at that address"):
        list(PromptReader(f"{address}/absent.jsonl"))
    with pytest.raises(InputError, match=r"can't be fetched: .*refused; check the address and the network"):
        list(PromptReader("http://127.0.0.1:1/p.jsonl"))
    with pytest.raises(InputError, match="begins with one of http://, https://, hf://, s3://, gs://, file://"):
        list(PromptReader("nosuch://p.jsonl"))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match="install that package"):
        list(PromptReader("s3://bucket/p.jsonl"))


def text_of_bytes(data: bytes) -> pa.Array:
    """A column of text as other writers leave it, of one cell with any bytes."""
    ends = len(data).to_bytes(4, "little")
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(bytes(4) + ends), pa.py_buffer(data)])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([("prompt", text_of_bytes(b"caf\xe9"))], "expected text in UTF-8, found other bytes"),
        ([("prompt", pa.array(["a"])), ("prompt", pa.array(["b"]))], "expected each column once; rename one"),
    ],
)
def test_parquet_that_cannot_be_taken_as_it_is_is_refused(
    tmp_path: Path, columns: list[tuple[str, pa.Array]], said: str
) -> None:
    names, arrays = zip(*columns, strict=True)
    pq.write_table(pa.table(list(arrays), names=list(names)), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=said):
        list(read_prompts(tmp_path / "p.parquet"))


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_packed_file_that_is_cut_off_is_refused(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"p.jsonl.{ending}")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match="can't be read: Truncated compressed stream"):
        list(read_prompts(path))


def name_in_latin_1(folder: Path, name: str) -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name.encode("latin-1")))


@pytest.mark.parametrize("ending", ["jsonl", "csv.gz", "parquet"])
def test_a_file_whose_name_is_in_another_encoding_is_read(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"p.{ending}")
    other = path.rename(name_in_latin_1(tmp_path, f"café.{ending}"))
    assert [one.text for one in prompts_of(other)] == [record["prompt"] for record in RECORDS]
    assert {one.path for one in prompts_of(other)} == {rf"{tmp_path}/caf\udce9.{ending}"}


def test_a_name_in_another_encoding_is_spelt_out(tmp_path: Path) -> None:
    """For ids and paths are stored, and on stdout even where that is strict; the files keep their names."""
    path = name_in_latin_1(tmp_path, "café.jsonl")
    path.write_bytes(b'{"prompt": "a"}\n{"prompt": 1}\n')
    folder = Path(f"{path}-out")
    command = [sys.executable, "-m", "promptlight.cli", "run", path, "-o", folder, "--max-new-tokens", "2"]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=strict)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.rstrip().endswith("caf⟨U+DCE9⟩.jsonl-out")
    ids = [one.id if isinstance(one, SetAside) else one.completion.prompt.id for one in read_results(folder)]
    assert sorted(ids) == [r"caf\udce9-1", r"caf\udce9-2"]


# ---- columns and templates ------------------------------------------------------------------------------------------


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = save(tmp_path / "p.csv", [{"key": "k", "question": "Why?", "answer": "So.", "source": "s"}])
    reading = Reading(prompt_field="question", target_field="answer", id_field="key")
    assert summary(prompts_of(path, reading=reading)) == [{"id": "k", "prompt": "Why?", "target": "So.", "source": "s"}]
    (plain,) = read_prompts(path)
    assert isinstance(plain, SetAside)
    assert plain.reason.endswith("give the prompt that name, or say which field holds it")
    assert plain.parameters == ("prompt_field",)


def test_two_fields_for_one_thing_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "p.csv", [{"prompt": "p", "question": "q"}])
    (record,) = PromptReader(path, reading=Reading(prompt_field="question"))
    assert isinstance(record, SetAside)
    assert "expected `question` to be the prompt, found `prompt` too" in record.reason


def test_a_template_makes_the_prompt(tmp_path: Path) -> None:
    template = tmp_path / "t.txt"
    template.write_text("{{Likes}}: {likes}\n{n} x {dish}:\n", encoding="utf-8")
    records = [{"id": "1", "likes": "{cheese}", "n": 2, "dish": "Quiche"}, {"id": "2", "likes": "eggs", "n": 0.5}]
    whole, lacking = PromptReader(
        save(tmp_path / "p.jsonl", records), reading=Reading(template=read_template(template))
    )
    assert isinstance(whole, Prompt)
    assert (whole.text, whole.fields["dish"]) == ("{Likes}: {cheese}\n2 x Quiche:", "Quiche")
    assert isinstance(lacking, SetAside)
    assert (lacking.line, "`dish` for the template, found `id`, `likes`, `n`" in lacking.reason) == (2, True)


def test_another_template_is_another_record(tmp_path: Path) -> None:
    path = save(tmp_path / "p.jsonl", [{"dish": "Quiche"}])
    one, two = (prompts_of(path, reading=Reading(template=Template(text)))[0] for text in ("Eat {dish}", "Ate {dish}"))
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize("value", [None, ["a"], True, {"a": 1}])
def test_a_value_that_is_no_text_sets_the_record_aside(tmp_path: Path, value: Any) -> None:
    path = save(tmp_path / "p.jsonl", [{"dish": value}])
    (record,) = PromptReader(path, reading=Reading(template=Template("Eat {dish}")))
    assert isinstance(record, SetAside)
    assert "`dish`" in record.reason


@pytest.mark.parametrize("text", ["", "no placeholder", "{", "}", "a {} b", "{dish!r}", "{dish:>9}", "{{dish}}"])
def test_what_is_no_template_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="placeholders") as caught:
        read_template(path)
    assert caught.value.path == str(path)


def test_an_unreadable_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable file"):
        read_template(tmp_path / "absent.txt")
    (tmp_path / "t.txt").write_bytes(b"\xff{a}")
    with pytest.raises(InputError, match="not UTF-8"):
        read_template(tmp_path / "t.txt")


# ---- which records --------------------------------------------------------------------------------------------------


def ids_of(path: Path, **wanted: Any) -> list[str]:
    reader = PromptReader(path, selection=Selection(**wanted))
    ids = [record.id for record in reader]
    assert len(list(reader)) == len(ids)
    return ids


def test_records_are_chosen(tmp_path: Path) -> None:
    path = save(tmp_path / "p.jsonl")
    assert ids_of(path, ids=["c", "a"]) == ["a", "c"]
    assert ids_of(path, conditions=[("source", "kind")]) == ["a", "c"]
    assert ids_of(path, conditions=[("source", "kind"), ("n", "3")]) == ["c"]
    assert ids_of(path, limit=2) == ["a", "b"]
    assert ids_of(path, limit=2, conditions=[("source", "kind")]) == ["a"]
    assert ids_of(path, sample=9) == ["a", "b", "c"]


def test_a_sample_is_the_seeds_in_order_and_fair(tmp_path: Path) -> None:
    path = save(tmp_path / "p.txt", [{"prompt": str(number)} for number in range(6)])
    drawn = [tuple(ids_of(path, sample=2, seed=seed)) for seed in range(150)]
    assert drawn == [tuple(ids_of(path, sample=2, seed=seed)) for seed in range(150)]
    assert all(first < second for first, second in drawn)
    counts = pd.Series([id for pair in drawn for id in pair]).value_counts()
    assert len(counts) == 6
    assert counts.min() > 30 < counts.max() < 70  # 50 expected, with a deviation of 6


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [({"ids": ["a", "z"]}, "found no z"), ({"conditions": [("source", "none")]}, "source=none, found none")],
)
def test_what_is_asked_for_and_missing_is_said(tmp_path: Path, wanted: dict[str, Any], reason: str) -> None:
    """By one loop over the records, which has handed out all that are there."""
    found: list[str] = []
    with pytest.raises(InputError, match=reason):
        found.extend(record.id for record in PromptReader(save(tmp_path / "p.jsonl"), selection=Selection(**wanted)))
    assert found == (["a"] if "ids" in wanted else [])


def test_what_cannot_be_used_is_reported_unless_others_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a", "prompt": "p", "source": "s"}\n{"id": "bad"}\n{"id": "b"', encoding="utf-8")
    assert ids_of(path, conditions=[("source", "s")]) == ["a", "bad", "p-3"]
    assert ids_of(path, ids=["a"]) == ["a"]
    assert ids_of(path, ids=["bad"]) == ["bad"]


# ---- the command ----------------------------------------------------------------------------------------------------


def test_run_takes_them_all(
    promptlight: Command, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "t.txt"
    template.write_text("Analyze {dish}.", encoding="utf-8")
    save(tmp_path / "web" / "more.csv", [{"key": "web", "dish": "Quiche", "kind": "x"}])
    save(
        tmp_path / "p.parquet", [{"key": "disk", "dish": "Soup", "kind": "x"}, {"key": "no", "dish": "A", "kind": "y"}]
    )
    options = (
        "--template",
        template,
        "--id-field",
        "key",
        "--where",
        "kind=x",
        "--max-new-tokens",
        2,
        "--flush-every",
        1,
    )
    sources = (f"{address}/more.csv", tmp_path / "p.parquet")
    done = promptlight("run", *sources, "-o", tmp_path / "out", *options)
    assert done.exit_code == 0, done.stderr
    rows = pd.read_parquet(tmp_path / "out")
    assert dict(zip(rows["id"], rows["prompt"], strict=True)) == {"web": "Analyze Quiche.", "disk": "Analyze Soup."}
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 2  # a shard for each
    monkeypatch.setattr("sys.stdin", io.StringIO())
    refused = promptlight("run", "sample_prompts", "-o", tmp_path / "x", "--where", "kind")
    assert refused.exit_code == 2
    assert "expected a condition such as source=" in refused.stderr
    missing = promptlight("run", "sample_prompts", "-o", tmp_path / "x", "--id", "nobody")
    assert "found no nobody" in missing.stderr
    assert not (tmp_path / "x").exists()
