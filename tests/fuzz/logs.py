"""Evaluations' logs: any value under any of their keys, and any change to a file, gives records or one reason."""

# pyright: standard

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.reading import Reading
from promptlight.salience.types import Explain, Prompt, SetAside
from tests.fuzz.json_values import build_value, draw_values
from tests.fuzz.reading import read_all
from tests.fuzz.surface import Surface, assert_storable

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
LOGS = Path(__file__).parents[1] / "io" / "prompts" / "logs"
ARCHIVE = (LOGS / "tools.eval").read_bytes()
ASKED, SAID = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
SAMPLE: dict[str, Any] = {
    "id": 1,
    "epoch": 1,
    "input": "Why?",
    "target": "No.",
    "messages": [ASKED, SAID],
    "output": {"choices": [{"message": SAID}]},
    "scores": {"s": {"value": "I", "answer": "So"}},
}
DOC = {"doc_id": 0, "doc": {"q": "x"}, "target": "No", "filter": "none", "exact_match": 0.0, "metrics": ["exact_match"]}
GENERATED = DOC | {"arguments": {"gen_args_0": {"arg_0": "Why?", "arg_1": {}}}, "resps": [["So", "No"]]}
CHOSEN = DOC | {"arguments": [["Why?", " So"], ["Why?", " No"]], "resps": [[["-1", "F"]], [["-2", "F"]]], "target": "1"}
RESULT = {
    "testIdx": 0,
    "promptIdx": 0,
    "prompt": {"raw": "Why?"},
    "provider": {"id": "p"},
    "vars": {"a": "No"},
    "testCase": {"assert": [{"type": "equals", "value": "{{a}}"}]},
    "response": {"output": "So"},
    "success": False,
}
BASES: list[dict[str, Any]] = [SAMPLE, GENERATED, CHOSEN, RESULT]
FILES = [
    json.dumps(
        {"version": 2, "eval": {"task": "t"}, "samples": [SAMPLE, SAMPLE | {"id": 2}], "reductions": []}
    ).encode(),
    json.dumps({"version": 2, "eval": {}, "plan": [], "samples": [SAMPLE], "stats": {"a": "]}"}}, indent=1).encode(),
    json.dumps({"evalId": "e", "results": {"version": 3, "results": [RESULT], "stats": {}}, "config": {}}).encode(),
    json.dumps({"results": {"prompts": [], "results": [RESULT, RESULT]}, "evalId": "e"}, indent=2).encode(),
    json.dumps(GENERATED).encode() + b"\n" + json.dumps(CHOSEN).encode(),
    ARCHIVE,
]
KEYS = [
    *("id", "epoch", "input", "target", "messages", "output", "scores", "metadata", "choices", "error", "attachments"),
    *("doc_id", "doc", "arguments", "resps", "filtered_resps", "filter", "metrics", "exact_match", "acc", "repeat"),
    *(
        "testIdx",
        "promptIdx",
        "prompt",
        "raw",
        "provider",
        "vars",
        "testCase",
        "assert",
        "response",
        "success",
        "score",
    ),
    *("failureReason", "gradingResult", "componentResults", "assertion", "type", "value", "answer", "message", "role"),
    *(
        "content",
        "text",
        "tool_calls",
        "reasoning",
        "label",
        "gold",
        "correct",
        "foil",
        "foil_text",
        "foil_target",
        "a",
    ),
]
LEAVES: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.5, 2**70, "", " ", "x", "Why?", "a=>b", "auto", "gold", "C", "I", "9", "\0\ud800"),
    *("user", "assistant", "equals", "{{a}}", "['a', 'b']", "[", "attachment://a", "reasoning", "text", float("nan")),
    *('[{"role": "user", "content": "x"}]', "- role: user", [], {}, [[]], {"a": {}}, [ASKED], [SAID], SAID, ["a", "b"]),
    *([["Why?", {}]], [["a", "b"]], [[["-1.0", "True"]]], {"raw": "x"}, {"choices": [{"message": SAID}]}),
    *([{"type": "text", "text": "x"}], [{"type": "reasoning", "reasoning": "x"}], {"output": "x"}, {"error": "x"}),
]
READINGS = [Reading(explain=explain, gold_as_foil=gold) for explain in Explain for gold in (False, True)]


@dataclass(frozen=True)
class Case:
    """A file's content, and how it is read."""

    content: bytes
    reading: int = 0


def check(case: Case) -> None:
    path = Path(FOLDER.name) / "log.jsonl"
    path.write_bytes(case.content)
    reader = PromptReader(path, reading=READINGS[case.reading % len(READINGS)])
    assert isinstance(reader.holds_log(), bool)
    records = read_all(reader)
    if records is None:
        return
    assert list(reader) == records
    ids = [record.id for record in records]
    assert len(set(ids)) == len(ids)
    for record in records:
        check_record(record, reader.reading)


def check_record(record: Prompt | SetAside, reading: Reading) -> None:
    """A prompt has what was asked for, and can be stored; without it, there is a reason."""
    if isinstance(record, SetAside):
        assert "expected " in record.reason or "is not read" in record.reason, record.reason
        assert len(record.reason) < 600, record.reason
        assert_storable(record.id, record.reason, record.prompt, record.label)
        return
    assert record.text.strip()
    assert_storable(record.id, record.text, record.given_completion, record.foil_text, record.foil_target)
    assert_storable(json.dumps(dict(record.fields), ensure_ascii=False, allow_nan=False))
    if reading.explain is Explain.OUTPUT:
        assert record.given_completion
        assert record.foil_target is None or record.foil_target in record.given_completion
    assert not reading.gold_as_foil or record.foil or record.foil_text


def from_bytes(data: bytes) -> Case:
    """Make a case: a record with other fields, or a file with other bytes from some place on, or the bytes alone."""
    how, base, *rest = (*data, 0, 0)[: max(len(data), 2)]
    if how < 128:
        record, more = dict(BASES[base % len(BASES)]), iter(rest)
        for key in more:
            record[KEYS[key % len(KEYS)]] = build_value(more, KEYS, LEAVES)
        return Case(json.dumps(record).encode(), how)
    if how >= 250 or len(rest) < 2:
        return Case(data[2:], how)
    file = FILES[base % len(FILES)]
    place = (rest[0] * 256 + rest[1]) % (len(file) + 1)
    put, is_cut = bytes(rest[2:]), how % 2
    return Case(file[:place] + put + (b"" if is_cut and not put else file[place + len(put) * (how % 3 > 0) :]), how)


VALUES = draw_values(KEYS, LEAVES)
RECORDS = st.builds(
    lambda base, more: json.dumps(base | more).encode(),
    st.sampled_from(BASES),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4),
)
SURFACE = Surface(
    cases=st.builds(Case, RECORDS, st.integers(0, 255)) | st.binary(min_size=4, max_size=30).map(from_bytes),
    from_bytes=from_bytes,
    check=check,
    found=(Case(json.dumps(GENERATED | {"foil_target": "x"}).encode(), 5),),  # it was kept beside gold's own foil
    seeds=(
        *(bytes([how, base]) for how in range(6) for base in range(len(BASES))),
        *(bytes([128 + how, base, 0, 9]) for how in range(6) for base in range(len(FILES))),
        *(bytes([129, base, 1, 50, 34]) for base in range(len(FILES))),
    ),
)
