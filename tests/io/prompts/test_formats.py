"""Records of other tools: recognised by their keys, converted, and counted; ours go first."""

# pyright: standard

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io.prompts.formats.recognition import NAMES, RecordFormat
from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.reading import Reading
from promptlight.salience.types import Explain, Prompt, SetAside
from tests.support.paths import ROOT
from tests.support.prompt_files import write

OPENAI, ALPACA, SHAREGPT, TRL, OWN = (
    RecordFormat.OPENAI_BATCH,
    RecordFormat.ALPACA,
    RecordFormat.SHAREGPT,
    RecordFormat.TRL,
    RecordFormat.OWN,
)
ASKED, ANSWERED = {"role": "user", "content": "Is soup sweet?"}, {"role": "assistant", "content": "No."}
CHAT = "user\nIs soup sweet?\nmodel\n"
Record = dict[str, Any]


def read(folder: Path, *records: Record, explain: Explain = Explain.TARGET, **reading: Any) -> PromptReader:
    path = write(folder, "\n".join(map(json.dumps, records)).encode())
    return PromptReader(path, reading=Reading(explain=explain, **reading))


def read_one(folder: Path, record: Record, **reading: Any) -> tuple[Prompt, RecordFormat]:
    reader = read(folder, record, **reading)
    (one,) = reader
    assert isinstance(one, Prompt), one.reason
    return one, next(iter(reader.seen.formats), OWN)


def reason_of(folder: Path, record: Record, **reading: Any) -> str:
    (one,) = read(folder, record, **reading)
    assert isinstance(one, SetAside), one
    return one.reason


def batch(**body: Any) -> Record:
    return {"custom_id": "req-7", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", **body}}


def sharegpt(*said: tuple[str, str], **more: Any) -> Record:
    return {"conversations": [{"from": who, "value": text} for who, text in said], **more}


SOUP = ("human", "Is soup sweet?")


@pytest.mark.parametrize(
    ("record", "format", "text", "target"),
    [
        (batch(messages=[ASKED]), OPENAI, CHAT, None),
        (batch(messages=[ASKED, ANSWERED]), OPENAI, CHAT, "No."),
        (batch(prompt="Soup is"), OPENAI, "Soup is", None),
        (batch(prompt=["Soup is"]), OPENAI, "Soup is", None),
        (batch(input="Is soup sweet?"), OPENAI, CHAT, None),
        (
            batch(input=[{"role": "user", "content": [{"type": "input_text", "text": "Is soup sweet?"}]}]),
            OPENAI,
            CHAT,
            None,
        ),
        (batch(input="Is soup sweet?", instructions="Be brief."), OPENAI, f"user\nBe brief.\n\n{CHAT[5:]}", None),
        ({"custom_id": "a", "body": json.dumps({"prompt": "Soup is"})}, OPENAI, "Soup is", None),
        ({"instruction": "Name a dish.", "input": "", "output": "Soup."}, ALPACA, "Name a dish.", "Soup."),
        ({"instruction": "Is it sweet?", "input": "Cake", "output": "Yes."}, ALPACA, "Is it sweet?\nCake", "Yes."),
        ({"instruction": "Name", "input": None, "output": ""}, ALPACA, "Name", None),
        (
            {"instruction": "And cake?", "output": "Yes.", "system": "Be brief.", "history": [["Is soup?", "No."]]},
            ALPACA,
            "user\nBe brief.\n\nIs soup?\nmodel\nNo.\nuser\nAnd cake?\nmodel\n",
            "Yes.",
        ),
        (sharegpt(SOUP), SHAREGPT, CHAT, None),
        (sharegpt(SOUP, ("gpt", "No.")), SHAREGPT, CHAT, "No."),
        (sharegpt(("system", "Be brief."), SOUP), SHAREGPT, f"user\nBe brief.\n\n{CHAT[5:]}", None),
        (
            sharegpt(SOUP, ("function_call", '{"look": 1}'), ("observation", "hot")),
            SHAREGPT,
            'user\nIs soup sweet?\nmodel\n{"look": 1}\ntool\nhot\nmodel\n',
            None,
        ),
        ({"messages": [{"from": "human", "value": "Is soup sweet?"}]}, OWN, CHAT, None),
        (sharegpt(SOUP, system="Be brief."), SHAREGPT, f"user\nBe brief.\n\n{CHAT[5:]}", None),
        ({"conversations": [ASKED]}, SHAREGPT, CHAT, None),
        ({"prompt": [ASKED]}, OWN, CHAT, None),
        ({"prompt": json.dumps([ASKED, ANSWERED])}, OWN, CHAT, "No."),
        ({"prompt": '["a list", "of texts"]'}, OWN, '["a list", "of texts"]', None),
        ({"prompt": [ASKED], "completion": [ANSWERED]}, TRL, CHAT, "No."),
        ({"prompt": "Soup is", "completion": " hot."}, TRL, "Soup is", " hot."),
        ({"prompt": "Soup is", "completion": " hot.", "target": " cold."}, OWN, "Soup is", " cold."),
        ({"prompt": "Soup is", "completion": " hot.", "label": False}, TRL, "Soup is", " hot."),
        ({"prompt": "Soup is", "completions": [" a", "b"], "labels": [True, False]}, OWN, "Soup is", None),
        ({"prompt": "Soup is", "completion": ""}, OWN, "Soup is", None),
        ({"prompt": "Soup is", "instruction": "i", "output": "o"}, OWN, "Soup is", None),
        ({"messages": [ASKED], "custom_id": "c", "body": {"model": "m"}}, OWN, CHAT, None),
    ],
)
def test_each_format_is_recognised_by_its_keys_and_ours_goes_first(
    tmp_path: Path, record: Record, format: RecordFormat, text: str, target: str | None
) -> None:
    prompt, found = read_one(tmp_path, record)
    assert (found, prompt.text, prompt.given_completion) == (format, text, target)
    if format is not OWN:
        same, _ = read_one(tmp_path, record, format=format)
        assert same == prompt


def test_a_batch_gives_ids_limits_and_stops_and_keeps_the_rest(tmp_path: Path) -> None:
    record = batch(messages=[ASKED], max_tokens=9, stop=["\n", "!"], temperature=None)
    prompt, _ = read_one(tmp_path, record)
    assert (prompt.id, prompt.max_new_tokens, prompt.stop) == ("req-7", 9, ("\n", "!"))
    assert (prompt.fields["body"], prompt.fields["url"]) == ({"model": "m"}, "/v1/chat/completions")
    newer, _ = read_one(tmp_path, batch(messages=[ASKED], max_tokens=9, max_completion_tokens=8, stop=None))
    assert (newer.max_new_tokens, newer.stop) == (8, ())


def test_parameters_that_change_what_is_written_are_counted(tmp_path: Path) -> None:
    plain = batch(messages=[ASKED], temperature=0, top_p=1, n=1, tools=[], seed=3, stream=False)
    other = batch(messages=[ASKED], temperature=0.7, tools=[{"type": "function"}], response_format={"type": "json"})
    reader = read(tmp_path, plain, other | {"custom_id": "a"}, other | {"custom_id": "b"}, batch(top_p=0.5))
    for _ in range(2):  # a second loop counts afresh
        assert [isinstance(one, Prompt) for one in reader] == [True, True, True, False]
        assert reader.seen.unfollowed == {"temperature": 2, "tools": 2, "response_format": 2}
        assert reader.seen.formats == {OPENAI: 3}


PAIR = {"chosen": [ASKED, ANSWERED], "rejected": [ASKED, {"role": "assistant", "content": "Yes."}]}


@pytest.mark.parametrize(
    "record",
    [
        PAIR,
        PAIR | {"prompt": "Is soup sweet?"},
        {"prompt": [ASKED], "chosen": PAIR["chosen"][1:], "rejected": PAIR["rejected"][1:]},
        {"prompt": "Is soup sweet?", "chosen": PAIR["chosen"][1:], "rejected": PAIR["rejected"][1:]},
        {"prompt": [ASKED], "chosen": "No.", "rejected": "Yes."},
    ],
)
def test_a_preference_is_a_target_and_its_foil(tmp_path: Path, record: Record) -> None:
    prompt, found = read_one(tmp_path, record)
    assert (found, prompt.text, prompt.given_completion, prompt.foil_text) == (TRL, CHAT, "No.", "Yes.")
    other, _ = read_one(tmp_path, record, explain=Explain.RESPONSE)
    assert (other.text, other.foil_text, other.fields["rejected"]) == (CHAT, None, record["rejected"])


@pytest.mark.parametrize(
    ("record", "format"),
    [
        (sharegpt(SOUP, chosen={"from": "gpt", "value": "No."}, rejected={"from": "gpt", "value": "Yes."}), SHAREGPT),
        ({"instruction": "Is soup sweet?", "input": "", "chosen": "No.", "rejected": "Yes."}, ALPACA),
        ({"prompt": [ASKED], "chosen": ANSWERED, "rejected": {"role": "assistant", "content": "Yes."}}, TRL),
    ],
)
def test_pairs_of_other_formats_are_a_target_and_its_foil(tmp_path: Path, record: Record, format: RecordFormat) -> None:
    """As LLaMA-Factory has them."""
    prompt, found = read_one(tmp_path, record)
    assert (found, prompt.given_completion, prompt.fields["foil_text"]) == (format, "No.", "Yes.")
    assert "Is soup sweet?" in prompt.text
    assert "foil_text" not in read_one(tmp_path, record, explain=Explain.RESPONSE)[0].fields


def test_an_output_beside_a_pair_is_skipped(tmp_path: Path) -> None:
    record = {"instruction": "Is soup sweet?", "output": "No.", "chosen": "No.", "rejected": "Yes."}
    assert "or `chosen` and `rejected` (Alpaca), found all" in reason_of(tmp_path, record)


def test_prompts_of_json_text_with_messages_are_counted(tmp_path: Path) -> None:
    reader = read(tmp_path, {"chat": json.dumps([ASKED])}, {"chat": [ASKED]}, {"chat": "text"}, prompt_field="chat")
    assert [one.prompt if isinstance(one, SetAside) else one.text for one in reader] == [CHAT, CHAT, "text"]
    assert reader.seen.n_parsed == 1


@pytest.mark.parametrize(
    ("more", "url", "reason"),
    [
        (
            {"previous_response_id": "r"},
            "/v1/responses",
            "the whole chat in `body.input` .* found `previous_",
        ),
        ({}, "/v1/embeddings", "a request for text .* found one for /v1/embeddings"),
        ({"messages": [ASKED]}, "/v1/responses", "found `messages`, `input`"),
    ],
)
def test_an_input_that_is_not_the_whole_prompt_is_skipped(tmp_path: Path, more: Record, url: str, reason: str) -> None:
    assert re.search(reason, reason_of(tmp_path, batch(input="Is soup sweet?", **more) | {"url": url}))


def test_stored_results_are_no_prompts(demo_results: Path) -> None:
    """A chat is stored as its text, which would be read as plain text; and the row has foils of its own."""
    for record in PromptReader(demo_results):
        assert isinstance(record, SetAside)
        assert record.reason.startswith("expected prompts, found results of promptlight")


def test_steps_are_one_completion_where_the_format_is_named(tmp_path: Path) -> None:
    record = {"prompt": "Which?", "completions": [" Soup.", "Hot."], "labels": [True, False]}
    assert read_one(tmp_path, record, format=TRL)[0].given_completion == " Soup.\nHot."
    reason = reason_of(tmp_path, record | {"completions": [1]}, format=TRL)
    assert reason.startswith("expected `completions` to be texts")


def test_answers_that_are_the_same_leave_the_prompt_whole(tmp_path: Path) -> None:
    prompt, _ = read_one(tmp_path, PAIR | {"rejected": PAIR["chosen"]})
    assert (prompt.text, prompt.given_completion, prompt.foil_text) == (CHAT, "No.", "No.")


def test_a_preference_between_texts(tmp_path: Path) -> None:
    record = {"prompt": "Soup is", "chosen": " hot.", "rejected": "a=>b"}
    prompt, _ = read_one(tmp_path, record)
    assert (prompt.text, prompt.given_completion, prompt.foil, prompt.foil_text) == ("Soup is", " hot.", None, "a=>b")
    own, _ = read_one(tmp_path, record | {"foil": "auto"})
    assert (own.foil, own.foil_text) == ("auto", None)


@pytest.mark.parametrize(
    ("record", "reading", "says"),
    [
        (sharegpt(SOUP, ("bard", "No.")), {}, "expected `from` of message 2 to be user, model, "),
        (sharegpt(("human", "")), {}, "expected `value` of message 1 to be text, found it empty"),
        (sharegpt(), {}, "expected `conversations` to be an array"),
        (batch(messages=[]), {}, "expected `body.messages` to be an array"),
        (batch(prompt=""), {}, "expected `body.prompt` to be text, found it empty"),
        (batch(prompt="p", max_tokens=9, max_completion_tokens=0), {}, "expected `body.max_completion_tokens` to be a"),
        (batch(prompt="p", stop=[3]), {}, "expected `body.stop` to be a text"),
        (batch(prompt="p") | {"custom_id": 1.5}, {}, "expected `custom_id` to be text or a whole number"),
        ({"instruction": " ", "output": "o"}, {}, "expected `instruction` to be text, found it empty"),
        ({"prompt": [], "completion": "c"}, {}, "expected `prompt` to be an array"),
        ({"prompt": [{"role": "x"}], "chosen": "a", "rejected": "b"}, {}, "expected `role` of message 1"),
        ({"question": 3}, {"prompt_field": "question"}, "expected `question` to be text, found a number"),
        ({"a": {"b": None}}, {"prompt_field": "a.b"}, "expected `a.b` to be text, found null"),
        ({"prompt": "p", "gold": 3}, {"target_field": "gold"}, "expected `gold` to be text"),
        ({"prompt": "p", "key": []}, {"id_field": "key"}, "expected `key` to be text or a whole number"),
        ({"prompt": "p", "key": 1, "target": 3}, {"id_field": "key"}, "expected `target` to be text"),
    ],
)
def test_reasons_name_the_fields_of_the_record(
    tmp_path: Path, record: Record, reading: dict[str, Any], says: str
) -> None:
    assert reason_of(tmp_path, record, **reading).startswith(says)


@pytest.mark.parametrize(
    ("record", "format", "says"),
    [
        (batch(), None, "expected one of `body.messages`, `body.prompt`, `body.input` .* found `model`"),
        (batch(prompt="p", messages=[ASKED]), None, "found `messages`, `prompt`"),
        (batch(input={"text": "p"}), None, "expected `body.input` to be text or messages .* found an object"),
        (batch(prompt=["a", "b"]), None, "expected `body.prompt` to be one text .*, found 2 items"),
        (batch(prompt=[1]), None, "found a number"),
        (batch(prompt="p", max_tokens=0), None, "`body.max_tokens` to be a whole number above 0"),
        ({"custom_id": "c", "body": "p"}, None, "expected `body` to be an object"),
        ({"custom_id": "c", "body": "{'p'"}, None, "expected a JSON object, found invalid JSON"),
        ({"custom_id": "c", "body": '{"\ud800'}, None, "expected UTF-8"),
        ({"conversations": "hi"}, None, "expected `conversations` to be an array .*, found text"),
        (sharegpt(("bard", "f()")), None, "found 'bard'"),
        ({"instruction": 3, "output": "o"}, None, "expected `instruction` to be text"),
        ({"instruction": "i", "output": "o", "history": [["a"]]}, None, "expected `history` to be pairs"),
        ({"chosen": "a", "rejected": "b"}, None, "expected `prompt` beside `chosen` and `rejected`"),
        (PAIR | {"prompt": "Is cake?"}, None, "to begin with the same prompt"),
        ({"prompt": [ASKED], "completion": [ANSWERED, ANSWERED]}, None, "expected `completion` to be one message"),
        ({"prompt": "p", "completion": 3}, None, "expected `completion` to be text or a message"),
        (batch(prompt="p") | {"conversations": [ASKED]}, None, "found those of OpenAI batch and ShareGPT"),
        ({"prompt": "p"}, ALPACA, r"expected `instruction` and `input` or `output` \(Alpaca\), found `prompt`"),
        ({"instruction": "i", "output": "o"}, OWN, "expected a field `prompt`"),
    ],
)
def test_what_a_format_does_not_allow_is_skipped(
    tmp_path: Path, record: Record, format: RecordFormat | None, says: str
) -> None:
    assert re.search(says, reason_of(tmp_path, record, format=format or RecordFormat.AUTO))


def test_a_format_that_is_named_settles_two_that_fit(tmp_path: Path) -> None:
    record = {"prompt": "Soup is", "messages": [ASKED], "chosen": " hot.", "rejected": " cold."}
    assert "found both" in reason_of(tmp_path, record)
    assert read_one(tmp_path, record, format=TRL)[0].text == "Soup is"
    assert read_one(tmp_path, batch(prompt="p") | {"conversations": [ASKED]}, format=SHAREGPT)[0].text == CHAT


def test_an_empty_cell_beside_a_prompt_or_a_chat_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    chat = '"[{""role"": ""user"", ""content"": ""Is soup sweet?""}]"'
    path.write_text(f"prompt,messages,source\nSoup is,,a\n,{chat},b\n,,c\n", encoding="utf-8")
    text, messages, neither = PromptReader(path)
    assert isinstance(text, Prompt)
    assert isinstance(messages, Prompt)
    assert (text.text, messages.text) == ("Soup is", CHAT)
    assert isinstance(neither, SetAside)
    assert neither.reason.startswith("expected `prompt` to be text, found it empty")


def test_another_reason_is_another_fingerprint(tmp_path: Path) -> None:
    one, other = (next(iter(read(tmp_path, {"a": 1}, prompt_field=name))) for name in ("a", "b"))
    again = next(iter(read(tmp_path, {"a": 1}, prompt_field="a")))
    assert one.fingerprint == again.fingerprint != other.fingerprint


def test_columns_of_null_are_absent(tmp_path: Path) -> None:
    rows = [{"instruction": "Name", "output": "Soup.", "conversations": None, "messages": None, "completion": None}]
    path = tmp_path / "p.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    (one,) = PromptReader(path)
    assert isinstance(one, Prompt)
    assert (one.text, one.given_completion) == ("Name", "Soup.")


@pytest.mark.parametrize(
    "messages",
    [
        [ASKED | {"role": "User"}],
        [ASKED | {"role": "human"}],
        [{"role": "system", "content": ""}, ASKED],
        [{"role": "system", "content": None}, ASKED],
        [ASKED, ANSWERED | {"content": ""}],
        [ASKED, {"role": "gpt", "content": None}],
        json.dumps([ASKED]),
        {"role": ["user"], "content": ["Is soup sweet?"]},
    ],
)
def test_messages_as_people_store_them_are_the_same_chat(tmp_path: Path, messages: Any) -> None:
    prompt, found = read_one(tmp_path, {"messages": messages})
    assert (found, prompt.text, prompt.given_completion) == (OWN, CHAT, None)


# ---- names of fields ------------------------------------------------------------------------------------------------


def test_names_with_dots_lead_into_objects_unless_a_field_has_that_name(tmp_path: Path) -> None:
    record = {"ask": {"text": "Why?", "key": "k"}, "answer": {"text": "So."}}
    names = {"prompt_field": "ask.text", "target_field": "answer.text", "id_field": "ask.key"}
    prompt, found = read_one(tmp_path, record, **names)
    assert (found, prompt.id, prompt.text, prompt.given_completion) == (OWN, "k", "Why?", "So.")
    assert read_one(tmp_path, {"ask": {"text": "no"}, "ask.text": "yes"}, prompt_field="ask.text")[0].text == "yes"
    assert "expected a field `ask.text`, found `ask`" in reason_of(tmp_path, {"ask": "no"}, prompt_field="ask.text")


def test_a_field_that_is_named_goes_before_the_format(tmp_path: Path) -> None:
    record = batch(messages=[ASKED], metadata={"key": "k", "gold": "No."})
    prompt, found = read_one(tmp_path, record, id_field="body.metadata.key", target_field="body.metadata.gold")
    assert (found, prompt.id, prompt.given_completion) == (OPENAI, "k", "No.")
    assert read_one(tmp_path, record, prompt_field="body.messages")[0].text == CHAT


@pytest.mark.parametrize(("name", "text"), [("prompt", "Why?"), ("messages", CHAT)])
def test_the_prompt_field_decides_between_prompt_and_messages(tmp_path: Path, name: str, text: str) -> None:
    record = {"prompt": "Why?", "messages": [ASKED]}
    assert read_one(tmp_path, record, prompt_field=name)[0].text == text
    (one,) = read(tmp_path, record)
    assert isinstance(one, SetAside)
    assert (one.reason.endswith("found both; keep one, or say which is meant"), one.parameters) == (
        True,
        ("prompt_field",),
    )


# ---- the page -------------------------------------------------------------------------------------------------------

ROWS = re.findall(
    r"^\| (\w.*?), `([\w-]+)` \| `(\{.*?\})` \|", (ROOT / "docs/prompts.md").read_text("utf-8"), re.MULTILINE
)


def test_the_page_has_an_example_of_each_format() -> None:
    assert {(name, format) for name, format, _ in ROWS} == {(name, format.value) for format, name in NAMES.items()}


@pytest.mark.parametrize(("name", "format", "line"), ROWS)
def test_the_examples_of_the_page_are_read_as_it_says(tmp_path: Path, name: str, format: str, line: str) -> None:
    prompt, found = read_one(tmp_path, json.loads(line))
    assert found == format
    assert "soup" in prompt.text.lower()
