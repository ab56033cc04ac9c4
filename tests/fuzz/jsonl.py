"""Prompt files: any bytes give records with line numbers, or an error with a reason; good records round-trip."""

# pyright: standard

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from promptlight.io.prompts.files._unpacking import PACKINGS, TABLES
from promptlight.io.prompts.files.rows import BOM
from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.template import Template
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.fuzz.reading import read_all
from tests.fuzz.surface import TEXTS, Surface, assert_storable

PLAIN = ("jsonl", "jsonl", "jsonl", "txt", "csv", "tsv")
ENDINGS = (*PLAIN, "jsonl.gz", "jsonl.zst", "jsonl.xz", "jsonl.bz2", "zip", "parquet", "arrow")
BLANKS = b" \t\n\r\x0b\x0c"
FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")


@dataclass(frozen=True)
class PromptFile:
    """A prompt file's content and ending, and how to read it."""

    content: bytes
    ending: str = "jsonl"
    chat: bool = False
    template: bool = False


def check(file: PromptFile) -> None:
    path = Path(FOLDER.name) / f"prompts.{file.ending}"
    path.write_bytes(file.content)
    reading = Reading(chat=file.chat, template=Template("{a} {prompt}") if file.template else None)
    encoding = "utf-8" if are_lines(file.content) else None  # each line that is not UTF-8 is skipped then
    reader = PromptReader(path, reading=reading, encoding=encoding)
    records = read_all(reader)
    if records is None:
        if file.ending in ("txt", "jsonl") and are_lines(file.content):
            assert_blank(file.content)
        return
    assert len(list(reader)) == len(records)
    assert list(reader) == records
    assert len({record.id for record in records}) == len(records) > 0
    for record in records:
        check_record(record, path)
    if file.ending == "jsonl":
        if are_lines(file.content):
            check_lines(file, records)
        check_round_trip([record for record in records if isinstance(record, Prompt)])
    check_strict(path, reading, encoding, [record for record in records if isinstance(record, SetAside)])


def are_lines(content: bytes) -> bool:
    """Whether the file must be read line by line: it is no table, and its first line a whole object or no JSON."""
    if content.startswith((*PACKINGS, *TABLES, b"BZh", b"\xff\xfe", b"\xfe\xff")):
        return False
    first = next(iter(lines_of(content).values()), b"")
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return first.lstrip(BLANKS)[:1] not in (b"[", b"{")


def assert_blank(content: bytes) -> None:
    assert lines_of(content) == {}


def lines_of(content: bytes) -> dict[int, bytes]:
    """The lines that are not blank, by number."""
    lines = content.removeprefix(BOM).split(b"\n")
    return {number: line.rstrip(BLANKS) for number, line in enumerate(lines, 1) if line.strip(BLANKS)}


def check_record(record: Prompt | SetAside, path: Path) -> None:
    """A record says where it comes from and can be stored."""
    assert record.path == str(path)
    assert record.line is not None
    assert record.line > 0
    assert record.id
    assert len(record.fingerprint) == 16
    if isinstance(record, SetAside):
        assert record.reason.startswith("expected ") or "; fix" in record.reason
        assert_storable(record.id, record.reason, record.prompt, record.label)
    else:
        assert record.text.strip()
        assert_storable(record.id, record.text, record.given_completion, record.label)
        assert_storable(json.dumps(dict(record.fields), ensure_ascii=False, allow_nan=False))
        for section in record.sections:
            assert 0 <= section.start < section.stop <= len(record.text)
            assert_storable(section.name)


def check_lines(file: PromptFile, records: list[Prompt | SetAside]) -> None:
    """Each line gives a record with its number; a plain one by Python's own parser gives that same prompt."""
    lines = lines_of(file.content)
    assert [record.line for record in records] == list(lines)
    if file.chat or file.template:
        return
    taken: set[str] = set()
    for record, line in zip(records, lines.values(), strict=True):
        try:
            plain: Any = json.loads(line)
            line.decode("utf-8")
        except (ValueError, RecursionError):
            assert isinstance(record, SetAside)
        else:
            if is_plain(plain, taken):
                assert isinstance(record, Prompt), record
                assert (record.text, record.given_completion) == (plain["prompt"], plain.get("target") or None)
        taken.add(record.id)


def is_plain(record: Any, taken: set[str]) -> bool:
    """Whether a record has a valid prompt, and at most a valid target and id besides."""
    if not isinstance(record, dict) or not {"prompt"} <= set(record) <= {"prompt", "target", "id"}:
        return False
    texts = list(record.values())
    return (
        all(isinstance(text, str) and not any("\ud800" <= half <= "\udfff" for half in text) for text in texts)
        and bool(record["prompt"].strip())
        and record.get("id", "new") not in taken
        and not any(id.startswith("prompts-") for id in (*taken, record.get("id", "")))
    )


def check_round_trip(prompts: list[Prompt]) -> None:
    """Prompts that are written as JSON are read as the same; except chats, whose turns were joined into one text."""
    plain = [prompt for prompt in prompts if not prompt.turns]
    if not plain:
        return
    path = Path(FOLDER.name) / "again.jsonl"
    lines = []
    for prompt in plain:
        sections = {section.name: [section.start, section.stop] for section in prompt.sections}
        own = {"id": prompt.id, "prompt": prompt.text, "target": prompt.given_completion, "source": prompt.label}
        lines.append(json.dumps(dict(prompt.fields) | own | ({"sections": sections} if sections else {})))
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    for number, (found, prompt) in enumerate(zip(PromptReader(path), plain, strict=True), 1):
        assert isinstance(found, Prompt), found
        assert found == replace(prompt, path=str(path), line=number, fingerprint=found.fingerprint)


def check_strict(path: Path, reading: Reading, encoding: str | None, aside: list[SetAside]) -> None:
    """With ``strict``, reading stops at the first record that can't be used."""
    try:
        list(PromptReader(path, reading=reading, strict=True, encoding=encoding))
        stopped = None
    except InputError as error:
        stopped = (error.line, error.reason)
    assert stopped == ((aside[0].line, aside[0].reason) if aside else None)


def from_bytes(data: bytes) -> PromptFile:
    """Make a case; the first byte says how to read the file."""
    how = data[0] if data else 0
    return PromptFile(data[1:], ENDINGS[how % len(ENDINGS)], chat=how & 64 > 0, template=how & 128 > 0)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELD_NAMES = st.sampled_from(["prompt", "messages", "id", "target", "source", "sections", "foil", "a"]) | TEXTS
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": TEXTS}),
    max_size=3,
)
RECORDS = st.dictionaries(FIELD_NAMES, VALUES | TEXTS | MESSAGES, max_size=5) | st.fixed_dictionaries({"prompt": TEXTS})
LINES = st.one_of(
    st.builds(lambda record, ascii: json.dumps(record, ensure_ascii=ascii), RECORDS, st.booleans()),
    TEXTS,
    st.sampled_from(["", " ", '{"prompt": "a"}', "\ufeff", "[", "prompt,id\n1,2", '"a', "\r"]),
    st.sampled_from(["]", ",", '[{"prompt": "a"},', '{"prompt": "a"}]', "{", '"prompt": "a"', "}"]),
).map(lambda line: line.encode("utf-8", "surrogatepass"))
CONTENTS = st.lists(LINES, max_size=6).map(b"\n".join) | st.binary(max_size=100)
SEEDS = (
    b'\0{"id": 7, "prompt": "Why?", "target": "So.", "source": "mine", "n": [1, {"a": null}]}\n\n{"prompt": "x"}\r\n',
    b'\0{"prompt": "a b c", "sections": {"s": [0, 1], "t": "c"}, "foil": "x"}',
    b'@{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"text": "a"}]}]}',
    b'\x80{"prompt": "p", "a": "b"}\n{"a": 1}',
    b'\0[{"prompt": "a"}, {"prompt": "b"},\n{"prompt": "c\\\\"}]',
    b'\0{\n"prompt": "a"\n}\n{"prompt": "b"}{"prompt": "c"}',
    b"\x03one prompt\nanother",
    b'\x04prompt,id,target\n"a\nb",1,\n,,\n',
    b"\x05prompt\tid\na\t1\n",
)
SURFACE = Surface(
    cases=st.builds(PromptFile, CONTENTS, st.sampled_from(ENDINGS), st.booleans(), st.booleans()),
    from_bytes=from_bytes,
    check=check,
    seeds=SEEDS,
    found=(
        PromptFile(b"prompt,\0\n,1\nb\n", "csv"),  # cells beyond the last column were stored under that name
        PromptFile(b'{"\\ud800": 1}', template=True),  # the reason quoted a lone surrogate
    ),
)
