"""Records with the keys of many formats and values of any kind: each is a prompt, or is skipped with one reason."""

# pyright: standard

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from promptlight.io.prompts.files.sources import Format, Source
from promptlight.io.prompts.formats.recognition import RecordFormat, Seen
from promptlight.io.prompts.jsonline import RecordError
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.records import read_record
from promptlight.io.prompts.responses import Responses
from promptlight.salience.types import Explain, Prompt, SetAside
from tests.fuzz.json_values import build_value, draw_values
from tests.fuzz.surface import Surface, assert_storable

ASKED, ANSWERED = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
KEYS = [
    *("prompt", "messages", "id", "target", "source", "sections", "foil", "foil_text", "stop", "max_new_tokens"),
    *("thinking", "custom_id", "body", "max_tokens", "max_completion_tokens", "url", "temperature", "instruction"),
    *("input", "output", "system", "history", "conversations", "from", "value", "role", "content", "chosen"),
    *("rejected", "completion", "completions", "labels", "label", "type", "text", "tool_calls", "question", "answer"),
    *("response", "choices", "message", "error", "status_code", "a.b", "", "\ud800"),
]
LEAVES: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.5, 2**70, "", " ", "x", "Why?", "a=>b", "auto", "true", "9", "\0\ud800"),
    *("user", "assistant", "model", "system", "developer", "tool", "human", "gpt", "function_call", "bard", "text"),
    *('[{"role": "user", "content": "x"}]', '[{"from": "human"}]', "[", '{"prompt": "x"}', "{", [], {}),
    *([ASKED], [ASKED, ANSWERED], [ANSWERED], {"role": ["user"], "content": ["x"]}, {"messages": [ASKED]}),
    *({"prompt": "x"}, {"from": "human", "value": "x"}, {"type": "text", "text": "x"}, [0, 1], [["a", "b"]]),
    *({"choices": [{"text": "x"}]}, {"body": {"choices": [{"message": {"content": "x"}}]}}),
]
BASES: list[dict[str, Any]] = [  # records that are whole, to which other fields are added
    *({}, {"prompt": "Why?"}, {"messages": [ASKED, ANSWERED]}, {"custom_id": "a", "body": {"prompt": "Why?"}}),
    *({"instruction": "Why?", "output": "So."}, {"conversations": [ASKED, ANSWERED]}),
    *({"prompt": "Why?", "chosen": "So.", "rejected": "No."}, {"prompt": [ASKED], "completion": [ANSWERED]}),
]
READINGS: list[dict[str, Any]] = [
    *({"format": format} for format in RecordFormat),
    *({"explain": Explain.TARGET, "format": format} for format in RecordFormat),
    {"prompt_field": "messages"},
    {"prompt_field": "body.messages.0.content", "target_field": "output", "chat": True},
    {"prompt_field": "question", "target_field": "answer", "id_field": "custom_id", "explain": Explain.TARGET},
]
SOURCE = Source(path="prompts.jsonl", name="prompts", format=Format.JSONL, packing=None)


@dataclass(frozen=True)
class Case:
    """A record, and how it is read."""

    record: dict[str, Any]
    reading: int = 0


def check(case: Case) -> None:
    line = json.dumps(case.record).encode()
    how = READINGS[case.reading % len(READINGS)]
    reading = Reading(**how)
    seen = Seen()
    read = read_record(line, SOURCE, 1, {}, reading, seen)
    assert read == read_record(line, SOURCE, 1, {}, reading, Seen())
    assert_storable(read.id)
    if isinstance(read, SetAside):
        assert_is_a_reason(read.reason)
        assert_storable(read.prompt, read.label)
    else:
        check_prompt(read)
        for format in seen.formats:  # what was recognised is what its name says
            options: dict[str, Any] = how | {"format": format}
            named = Reading(**options)
            assert read_record(line, SOURCE, 1, {}, named, Seen()) == read
    if "response" in case.record or "error" in case.record:  # each opens a file
        check_response(case.record)


def check_prompt(prompt: Prompt) -> None:
    """Whatever a run asks of a prompt has a value of its kind."""
    assert prompt.text.strip()
    assert prompt.given_completion is None or prompt.given_completion
    assert_storable(prompt.text, prompt.given_completion, prompt.label, prompt.foil, prompt.foil_text, *prompt.stop)
    assert prompt.foil is None or prompt.foil_text is None
    assert prompt.max_new_tokens is None or prompt.max_new_tokens > 0
    assert prompt.thinking in (None, True, False)
    places = [place for turn in prompt.turns for place in (turn.start, turn.stop)]
    assert places == sorted(places)
    assert_storable(json.dumps(dict(prompt.fields), ensure_ascii=False, allow_nan=False))


def check_response(record: dict[str, Any]) -> None:
    """A line of a batch's output has a text, or there is a reason why it has none."""
    responses = Responses("output.jsonl")
    try:
        responses.add(record)
        text = responses.find(record["custom_id"])
    except RecordError as error:
        assert_is_a_reason(str(error))
    else:
        assert text
        assert_storable(text)


def assert_is_a_reason(reason: str) -> None:
    """It says what was expected, or which field is not read; at a length that fits a terminal's few lines."""
    assert "expected " in reason or "is not read" in reason, reason
    assert len(reason) < 600, reason
    assert_storable(reason)


def from_bytes(data: bytes) -> Case:
    """Make a case: the first bytes say how to read which record, each further one chooses a key or builds a value."""
    how, base = (*data[:2], 0, 0)[:2]
    rest = iter(data[2:])
    record = dict(BASES[base % len(BASES)])
    for key in rest:
        record[KEYS[key % len(KEYS)]] = build_value(rest, KEYS, LEAVES)
    return Case(record, how)


VALUES = draw_values(KEYS, LEAVES)


def spell(reading: int, **fields: Any) -> bytes:
    """The bytes that make a record of leaves."""
    places = [(KEYS.index(name), LEAVES.index(value)) for name, value in fields.items()]
    return bytes([reading, 0, *(byte for place in places for byte in place)])


SURFACE = Surface(
    cases=st.builds(
        lambda base, more, reading: Case(base | more, reading),
        st.sampled_from(BASES),
        st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4),
        st.integers(0, 255),
    ),
    from_bytes=from_bytes,
    check=check,
    seeds=(
        spell(0, custom_id="x", body={"messages": [ASKED]}),
        spell(0, custom_id="x", body={"prompt": "x"}, max_tokens=1),
        spell(0, instruction="x", input="x", output="x"),
        spell(0, conversations=[ASKED, ANSWERED], system="x"),
        spell(len(RecordFormat), prompt=[ASKED], chosen=[ANSWERED], rejected="a=>b"),
        spell(len(RecordFormat), chosen=[ASKED, ANSWERED], rejected=[ASKED, ANSWERED]),
        spell(len(RecordFormat), messages=[ASKED, ANSWERED], foil="auto", stop="x", thinking="true"),
        spell(0, custom_id="x", response={"body": {"choices": [{"message": {"content": "x"}}]}}),
    ),
)
