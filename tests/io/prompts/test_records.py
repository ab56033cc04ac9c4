"""One record, as people really write them: what is read, what is skipped, and what is said about it."""

# pyright: standard

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.records import OWN_FIELDS
from promptlight.salience.errors import InputError
from promptlight.salience.types import Explain, Prompt, SetAside, SetAsideCode
from tests.support.prompt_files import GOOD, prompts_of, read_usable, save, summary, write


def read_one(folder: Path, line: bytes) -> Prompt | SetAside:
    (record,) = read_prompts(write(folder, line))
    return record


def test_a_full_record(tmp_path: Path) -> None:
    path = write(tmp_path, b'\n{"id": 7, "prompt": "Why?", "target": "So.", "source": "mine", "n": [1, {"a": null}]}')
    (prompt,) = read_usable(path)
    assert (prompt.id, prompt.text, prompt.given_completion, prompt.label) == ("7", "Why?", "So.", "mine")
    assert (prompt.fields, prompt.path, prompt.line) == ({"n": [1, {"a": None}]}, str(path), 2)


def test_a_bare_record_is_named_after_its_line(tmp_path: Path) -> None:
    first, second = read_usable(write(tmp_path, GOOD + b"\n\n" + GOOD))
    assert (first.id, second.id) == ("prompts-1", "prompts-3")
    assert (first.given_completion, first.label, first.fields) == (None, None, {})


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"prompt": "p", "messages": None}, "p"),
        ({"prompt": None, "messages": [{"role": "user", "content": "m"}]}, "m"),
        ({"messages": None, "prompt": "a b", "sections": {"one": "b", "two": None, "three": None}}, "a b"),
    ],
)
def test_null_is_absent_as_tables_have_every_column_in_every_row(
    tmp_path: Path, record: dict[str, Any], text: str
) -> None:
    (found,) = list(read_prompts(write(tmp_path, json.dumps(record).encode())))
    assert isinstance(found, Prompt)
    assert text in found.text
    assert [one.name for one in found.sections] == (["one"] if "sections" in record else [])


@pytest.mark.parametrize("record", [{"prompt": None, "messages": None}, {"messages": None}])
def test_nothing_but_null_is_refused(tmp_path: Path, record: dict[str, Any]) -> None:
    (found,) = list(read_prompts(write(tmp_path, json.dumps(record).encode())))
    assert isinstance(found, SetAside)
    assert "found null" in found.reason


@pytest.mark.parametrize("value", ['""', "null"])
@pytest.mark.parametrize(("name", "expected"), [("target", None), ("id", "prompts-1")])
def test_empty_and_null_are_as_good_as_none(tmp_path: Path, name: str, value: str, expected: str | None) -> None:
    (prompt,) = read_usable(write(tmp_path, f'{{"prompt": "p", "{name}": {value}}}'.encode()))
    assert {"target": prompt.given_completion, "id": prompt.id}[name] == expected


@pytest.mark.parametrize(
    ("content", "texts", "n_blank"),
    [
        pytest.param(GOOD, ["good"], 0, id="no newline at the end"),
        pytest.param(GOOD + b"\r\n\r\n" + GOOD + b"\r\n", ["good", "good"], 1, id="CRLF"),
        pytest.param(b"\n  \t\n" + GOOD + b"\n\n\n", ["good"], 4, id="blank lines"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, ["good"], 0, id="BOM"),
        pytest.param(b"\xef\xbb\xbf\r\n" + GOOD, ["good"], 1, id="BOM before a blank line"),
        pytest.param('{"prompt": "a\u2028b\u2029c\x85d"}'.encode(), ["a\u2028b\u2029c\x85d"], 0, id="U+2028"),
        pytest.param(b'{"prompt": "a\\u0000b"}', ["a\0b"], 0, id="NUL"),
        pytest.param(b'{"prompt": "\\ud83d\\ude00"}', ["\N{GRINNING FACE}"], 0, id="both halves of an emoji"),
        pytest.param(b'{"prompt": " \\n a \\t"}', [" \n a \t"], 0, id="spaces are kept"),
    ],
)
def test_tolerated(tmp_path: Path, content: bytes, texts: list[str], n_blank: int) -> None:
    path = write(tmp_path, content)
    reader = PromptReader(path)
    for _ in range(2):  # a second loop counts afresh
        assert [record.text for record in reader if isinstance(record, Prompt)] == texts
        assert reader.n_blank == n_blank
    assert len(list(PromptReader(path))) == len(texts)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


OPTIONS = ("foil", "foil_text", "stop", "max_new_tokens", "thinking")
OF_TRL = ("completion", "chosen", "rejected")
FIELDS = st.dictionaries(
    st.text().filter(lambda name: name not in (*OWN_FIELDS, "messages", *OPTIONS, *OF_TRL)),
    JSON_VALUES,
    max_size=6,
)


@given(
    text=st.text().filter(str.strip), target=st.none() | st.text(min_size=1), fields=FIELDS, ensure_ascii=st.booleans()
)
def test_what_json_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, target: str | None, fields: dict[str, Any], ensure_ascii: bool
) -> None:
    record = {"prompt": text, "target": target} | fields
    line = json.dumps(record, ensure_ascii=ensure_ascii).encode()
    prompts = read_usable(write(tmp_path_factory.mktemp("round-trip"), line + b"\n" + line))
    for prompt in prompts:
        assert (prompt.text, prompt.given_completion, prompt.fields) == (text, target, fields)
        assert json.dumps(prompt.fields) == json.dumps(fields)  # 1 is not 1.0, nor True; the order is kept too
    assert len(prompts) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(b'{"prompt": "p", "a": 1}', b'{"a":1,  "prompt":"\\u0070"}\r\n', True, id="the same written anew"),
        pytest.param(b'{"prompt": "p", "a": 1}', b'{"prompt": "p", "a": 2}', False, id="a field"),
        pytest.param(b'{"prompt": "p"}', b'{"prompt": "p "}', False, id="the prompt"),
        pytest.param(b'{"prompt": "p"}', b'{"prompt": "p", "target": "t"}', False, id="a target"),
        pytest.param(b'{"prompt": 1}', b'{"prompt": 1}\r\n', True, id="an unusable line's end"),
        pytest.param(b'{"prompt": 1}', b'{"prompt":  1}', False, id="an unusable line"),
        pytest.param(b'{"prompt": "p\xff"}', b'{"prompt": "p\xfe"}', False, id="an undecodable line"),
    ],
)
def test_fingerprint_changes_with_the_record(tmp_path: Path, one: bytes, other: bytes, same: bool) -> None:
    first, second = read_one(tmp_path, one).fingerprint, read_one(tmp_path, other).fingerprint
    assert len(first) == len(second) == 16
    assert (first == second) is same


DEEP = b'{"prompt": "p", "n": ' + b"[" * 101 + b"]" * 101 + b"}"
ONE_PER_LINE = "write one JSON object per line"


BAD_LINES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "no JSON": (b"Why?", ("invalid JSON: Expecting value at column 1;", "fix it")),
    "open quote": (b'  {"prompt": "a}', ("invalid JSON: Unterminated string starting at column 14;", "fix it")),
    "raw tab": (b'{"prompt": "a\tb"}', ("invalid JSON: Invalid control character at column 14;",)),
    "single quotes": (b"{'prompt': 'a'}", ("double quotes at column 2;", "fix it")),
    "two objects": (GOOD + GOOD, ("Extra data at column 19;", "fix it")),
    "start of an array": (b"[", ("invalid JSON", ONE_PER_LINE)),
    "end of an array": (b"]", ("invalid JSON", ONE_PER_LINE)),
    "first of an array": (b"[" + GOOD + b",", ("invalid JSON", ONE_PER_LINE)),
    "middle of an array": (GOOD + b",", ("invalid JSON", ONE_PER_LINE)),
    "last of an array": (GOOD + b"]", ("invalid JSON", ONE_PER_LINE)),
    "start of an object": (b"{", ("invalid JSON", ONE_PER_LINE)),
    "end of an object": (b"}", ("invalid JSON", ONE_PER_LINE)),
    "inside an object": (b'  "prompt": "a"', ("invalid JSON", ONE_PER_LINE)),
    "NaN": (b'{"prompt": "p", "n": NaN}', ("invalid JSON: NaN", "null")),
    "Infinity": (b'{"prompt": "p", "n": [-Infinity]}', ("invalid JSON: -Infinity", "null")),
    "beyond floats": (b'{"prompt": "p", "n": 1e999}', ("a smaller number, found 1e999", "quotes")),
    "beyond whole numbers": (b'{"prompt": "p", "n": ' + b"9" * 5000 + b"}", ("shorter numbers", "quotes")),
    "same key twice": (b'{"prompt": "a", "n": {"k": 1, "l": 2, "k": 1}}', ("each field once, found 'k' 2 times",)),
    "too deep to store": (DEEP, ("at most 100 levels", "flatten")),
    "too deep to parse": (b"[" * 100_000, ("at most 100 levels", "flatten")),
    "not UTF-8": (b'{"prompt": "caf\xff"}', ("expected UTF-8, found 0xFF at byte 16;", "save the file as UTF-8")),
    "UTF-16": (b"\xff\xfe{\0}\0", ("expected UTF-8, found 0xFF at byte 1;", "save the file as UTF-8")),
    "array": (b'["p"]', ("expected an object", "found an array", ONE_PER_LINE)),
    "text": (b'"p"', ("expected an object", "found text")),
    "number": (b"17", ("expected an object", "found a number")),
    "null": (b"null", ("expected an object", "found null")),
    "missing prompt": (
        b'{"Prompt": "p", "n": 1}',
        ("expected a field `prompt`, or `messages`", "found `Prompt`, `n`;"),
    ),
    "no fields": (b"{}", ("expected a field `prompt`, or `messages` for a chat, found no fields;",)),
    "null prompt": (b'{"prompt": null}', ("`prompt` to be text, found null;", "fill it in")),
    "empty prompt": (b'{"prompt": ""}', ("`prompt` to be text, found it empty;", "fill it in")),
    "blank prompt": (b'{"prompt": " \\n\\u3000"}', ("`prompt` to be text, found it empty;", "fill it in")),
    "number prompt": (b'{"prompt": 42}', ("`prompt` to be text, found a number;", "quotes")),
    "decimal prompt": (b'{"prompt": 4.2}', ("`prompt` to be text, found a decimal number;", "quotes")),
    "boolean prompt": (b'{"prompt": true}', ("`prompt` to be text, found true or false;", "quotes")),
    "array prompt": (b'{"prompt": ["p"]}', ("`prompt` to be text, found an array;", "quotes")),
    "object prompt": (b'{"prompt": {}}', ("`prompt` to be text, found an object;", "quotes")),
    "array target": (b'{"prompt": "p", "target": ["t"]}', ("`target` to be text, found an array;", "quotes")),
    "false target": (b'{"prompt": "p", "target": false}', ("`target` to be text, found true or false;",)),
    "two foils": (b'{"prompt": "p", "foil": "a", "foil_text": "b"}', ("found `foil` and `foil_text`;", "keep one")),
    "number foil": (b'{"prompt": "p", "foil_text": 7}', ("`foil_text` to be text, found a number;",)),
    "number source": (b'{"prompt": "p", "source": 1}', ("`source` to be text, found a number;", "quotes")),
    "decimal id": (b'{"prompt": "p", "id": 1.5}', ("`id` to be text or a whole number, found a decimal number;",)),
    "boolean id": (b'{"prompt": "p", "id": false}', ("`id` to be text or a whole number, found true or false;",)),
    "array id": (b'{"prompt": "p", "id": [1]}', ("`id` to be text or a whole number, found an array;",)),
    "half in prompt": (b'{"prompt": "a\\ud800"}', ("in `prompt`, found \\ud800,", "write the whole one")),
    "half in target": (b'{"prompt": "p", "target": "\\udfff"}', ("in `target`, found \\udfff,",)),
    "half in id": (b'{"prompt": "p", "id": "\\ud83d"}', ("in `id`, found \\ud83d,",)),
    "half deep in a field": (b'{"prompt": "p", "n": [{"a": "\\udc00"}]}', ("in `n`, found \\udc00,",)),
    "half in a name": (b'{"prompt": "p", "n": {"\\udc00": 1}}', ("in `n`, found \\udc00,",)),
    "half in a field's name": (b'{"prompt": "p", "\\udc00": 1}', ("in a field's name, found \\udc00,",)),
}


@pytest.mark.parametrize(("line", "said"), [pytest.param(*case, id=name) for name, case in BAD_LINES.items()])
def test_skipped(tmp_path: Path, line: bytes, said: tuple[str, ...]) -> None:
    """What comes before and after is still read, everything kept can be written as UTF-8, and strict stops there."""
    path = write(tmp_path, b"\n".join([GOOD, line, GOOD]))
    before, bad, after = read_prompts(path)
    assert isinstance(before, Prompt)
    assert isinstance(bad, SetAside)
    assert isinstance(after, Prompt)
    assert (bad.id, bad.path, bad.line) == ("prompts-2", str(path), 2)
    assert bad.code is SetAsideCode.UNUSABLE
    assert all(part in bad.reason for part in said), bad.reason
    assert "\n" not in bad.reason
    " ".join([bad.id, bad.reason, bad.label or "", bad.prompt or ""]).encode()

    records = read_prompts(path, strict=True)
    assert next(records) == before
    with pytest.raises(InputError) as caught:
        next(records)
    assert (caught.value.path, caught.value.line, caught.value.reason) == (str(path), 2, bad.reason)


def test_the_deepest_record_that_is_read_can_be_written_again(tmp_path: Path) -> None:
    record = read_one(tmp_path, DEEP.replace(b"[" * 101, b"[" * 100).replace(b"]" * 101, b"]" * 100))
    assert isinstance(record, Prompt)
    assert json.dumps(record.fields).count("[") == 100


@pytest.mark.parametrize(
    ("line", "id", "prompt", "source"),
    [
        (b'{"id": "mine", "prompt": "p", "source": "s", "target": 1}', "mine", "p", "s"),
        (b'{"id": 12, "prompt": null, "source": 3}', "12", None, None),
        (b'{"id": 1.5, "prompt": " ", "source": "s"}', "prompts-1", " ", "s"),
        (b'{"id": "mine", "prompt": "\\ud800", "source": "s"}', "mine", None, "s"),
        (b'{"id": "mine", "prompt": "p"', "prompts-1", None, None),
    ],
)
def test_skipped_keeps_what_is_readable(
    tmp_path: Path, line: bytes, id: str, prompt: str | None, source: str | None
) -> None:
    record = read_one(tmp_path, line)
    assert isinstance(record, SetAside)
    assert (record.id, record.prompt, record.label) == (id, prompt, source)


def read_messages(tmp_path: Path, **record: Any) -> Prompt | SetAside:
    (one,) = read_prompts(write(tmp_path, json.dumps(record).encode()))
    return one


ASKED, ANSWERED = {"role": "user", "content": "Is it bread?"}, {"role": "assistant", "content": " Yes. "}


def test_the_models_last_message_is_continued(tmp_path: Path) -> None:
    one, two = (read_messages(tmp_path, messages=messages) for messages in ([ASKED], [ASKED, ANSWERED]))
    assert isinstance(one, Prompt)
    assert isinstance(two, Prompt)
    assert (one.text, two.text) == ("user\nIs it bread?\nmodel\n", "user\nIs it bread?\nmodel\nYes.")
    assert (one.given_completion, two.given_completion) == (None, None)


def test_where_targets_are_explained_the_models_last_message_is_the_target_unless_there_is_one(tmp_path: Path) -> None:
    both = {"messages": [ASKED, ANSWERED], "target": " It is."}
    records = [{"messages": [ASKED, ANSWERED]}, both, {"messages": [ASKED]}]
    path = write(tmp_path, "\n".join(map(json.dumps, records)).encode())
    found = [one for one in read_prompts(path, explain=Explain.TARGET) if isinstance(one, Prompt)]
    assert [one.given_completion for one in found] == [" Yes. ", " It is.", None]
    assert [one.text.endswith("model\nYes.") for one in found] == [False, True, False]


def parts(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


def test_the_parts_of_a_message_are_stripped_and_joined_as_in_gemma_3s_template(tmp_path: Path) -> None:
    messages = [
        {"role": "developer", "content": parts("Be ", "brief. ")},
        {"role": "user", "content": [*parts("Is it "), {"text": "bread? "}]},
    ]
    one = read_messages(tmp_path, messages=messages)
    assert isinstance(one, Prompt)
    assert one.text == "user\nBe brief. \n\nIs itbread?\nmodel\n"


IMAGE = {"type": "image_url", "image_url": {"url": "x"}}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"messages": []}, "expected `messages` to be an array of .*, found it empty"),
        ({"messages": "hi"}, "found text"),
        ({"messages": ["hi"]}, "`role` of message 1 to be user, .*, found text"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "expected a message of the user's, found none"),
        ({"messages": [{"role": "ipython", "content": "x"}]}, "found 'ipython'"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "found an array"),
        ({"messages": [{"role": "user", "content": " "}]}, "`content` of message 1 to be text, found it empty"),
        ({"messages": [{"role": "user", "content": []}]}, "`content` of message 1 to be text, found it empty"),
        ({"messages": [{"role": "user", "content": [{"image": "x"}]}]}, "part 1 of message 1 to be .*, found null"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "part 1 of message 1 to be .*, found text"),
        (
            {"messages": [ASKED, {"role": "user", "content": [*parts("What?"), IMAGE]}]},
            "found part 2 of message 2 of the type 'image_url'; leave it out",
        ),
        (
            {"messages": [ASKED, CALL]},
            "`tool_calls` of message 2: this field is not read; write the call as text",
        ),
        ({"messages": [ASKED], "prompt": "b"}, "found both; keep one"),
    ],
)
def test_messages_that_are_no_chat_are_skipped(tmp_path: Path, record: dict[str, Any], says: str) -> None:
    one = read_messages(tmp_path, **record)
    assert isinstance(one, SetAside)
    assert re.search(says, one.reason)


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


# ---- options of one record -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "limit", "expected"),
    [
        (None, None, ((), None)),
        ("", "", ((), None)),  # a table's empty cells
        ("\n", 7, (("\n",), 7)),
        (["\n\n", "Rec"], "12", (("\n\n", "Rec"), 12)),
        ([], 8.0, ((), 8)),
        (" ", "8.0", ((" ",), 8)),
    ],
)
def test_a_record_has_its_own_stop_texts_and_limit(
    tmp_path: Path, stop: Any, limit: Any, expected: tuple[tuple[str, ...], int | None]
) -> None:
    line = json.dumps({"prompt": "a", "stop": stop, "max_new_tokens": limit})
    prompt = read_one(tmp_path, line.encode())
    assert isinstance(prompt, Prompt)
    assert (prompt.stop, prompt.max_new_tokens) == expected
    assert prompt.fields == {"stop": stop, "max_new_tokens": limit}


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ({"stop": 5}, "`stop` to be a text or a list of texts, found a number"),
        ({"stop": False}, "`stop` to be a text or a list of texts, found true or false"),
        ({"stop": ["a", ""]}, "`stop` to be a text or a list of texts, found an empty text"),
        ({"stop": [None]}, "`stop` to be a text or a list of texts, found null"),
        ({"max_new_tokens": 0}, "`max_new_tokens` to be a whole number above 0, found 0"),
        ({"max_new_tokens": 2.5}, "`max_new_tokens` to be a whole number above 0, found 2.5"),
        ({"max_new_tokens": True}, "`max_new_tokens` to be a whole number above 0, found true or false"),
        ({"max_new_tokens": "-1"}, "`max_new_tokens` to be a whole number above 0, found '-1'"),
        ({"max_new_tokens": [1]}, "`max_new_tokens` to be a whole number above 0, found an array"),
    ],
)
def test_options_of_a_record_that_make_no_sense_set_it_aside(tmp_path: Path, field: dict[str, Any], found: str) -> None:
    record = read_one(tmp_path, json.dumps({"prompt": "a"} | field).encode())
    assert isinstance(record, SetAside)
    assert found in record.reason
