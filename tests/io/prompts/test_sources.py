"""Where prompts come from: files, standard input, URLs, and how each is named."""

# pyright: standard

from __future__ import annotations

import http.server
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fsspec.registry import _registry as loaded_systems

from promptlight.io import read_results
from promptlight.io.prompts.files.sources import Format, Source, parse_source
from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.conftest import Command
from tests.support.paths import EXAMPLES
from tests.support.prompt_files import RECORDS, prompts_of, save, summary


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


def test_a_pattern_stands_for_its_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.csv", "[1].txt"):
        (tmp_path / name).write_text("prompt\n", encoding="utf-8")
    assert [one.id for one in prompts_of(f"{tmp_path}/[ab].txt")] == ["a-1", "b-1"]
    assert [one.id for one in prompts_of(f"mine:{tmp_path}/?.txt")] == ["mine-a-1", "mine-b-1"]
    assert [one.id for one in prompts_of(tmp_path / "[1].txt")] == ["[1]-1"]  # a file of that name
    with pytest.raises(InputError, match="found no such file"):
        list(read_prompts(tmp_path / "*.parquet"))


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


@pytest.mark.parametrize("name", ["a b.jsonl", "caf\u00e9.csv"])
def test_an_address_of_a_file_is_read_as_browsers_write_it(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name)
    assert summary(prompts_of(path.as_uri())) == RECORDS
    assert summary(prompts_of(f"file://{path}")) == RECORDS


def test_what_is_not_there_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="nothing at that address"):
        list(PromptReader(f"{address}/absent.jsonl"))
    with pytest.raises(InputError, match=r"can't be fetched: .*refused; check the address and the network"):
        list(PromptReader("http://127.0.0.1:1/p.jsonl"))
    with pytest.raises(InputError, match="begins with one of http://, https://, hf://, s3://, gs://, file://"):
        list(PromptReader("nosuch://p.jsonl"))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(loaded_systems, "s3", raising=False)  # an earlier test may have loaded it
    with pytest.raises(InputError, match="install that package"):
        list(PromptReader("s3://bucket/p.jsonl"))


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
