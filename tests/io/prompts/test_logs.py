"""Evaluations' logs, as Inspect and lm-evaluation-harness wrote them: the output is explained, not the right answer.

``make test-logs`` lets these libraries write the logs anew, and runs this on them. promptfoo's results are made up
here in its documented form.
"""

# pyright: standard

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from promptlight.io.prompts import jsonline
from promptlight.io.prompts.files import _logs
from promptlight.io.prompts.formats.recognition import RecordFormat
from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.reading import Reading
from promptlight.salience.errors import InputError
from promptlight.salience.types import Explain, Prompt, SetAside
from tests.support.prompt_files import write

LOGS = Path(os.environ.get("PROMPTLIGHT_LOGS") or Path(__file__).with_name("logs"))
OUTPUT, TARGET, RESPONSE = Explain.OUTPUT, Explain.TARGET, Explain.RESPONSE
Record = dict[str, Any]


def samples_of(task: str) -> Path:
    (path,) = LOGS.glob(f"samples_{task}_*.jsonl")
    return path


def read(path: Path, explain: Explain = OUTPUT, *, gold: bool = False, **more: Any) -> dict[str, Prompt | SetAside]:
    return {one.id: one for one in PromptReader(path, reading=Reading(explain=explain, gold_as_foil=gold, **more))}


def prompts_of(path: Path, explain: Explain = OUTPUT, **more: Any) -> dict[str, Prompt]:
    return {id: one for id, one in read(path, explain, **more).items() if isinstance(one, Prompt)}


def targets_of(path: Path, explain: Explain = OUTPUT, **more: Any) -> dict[str, str | None]:
    return {id: one.given_completion for id, one in prompts_of(path, explain, **more).items()}


def foils_of(path: Path, **more: Any) -> dict[str, tuple[str | None, str | None]]:
    return {id: (one.foil_target, one.foil_text) for id, one in prompts_of(path, gold=True, **more).items()}


def reasons_of(path: Path, explain: Explain = OUTPUT, **more: Any) -> dict[str, str]:
    return {id: one.reason for id, one in read(path, explain, **more).items() if isinstance(one, SetAside)}


# ---- Inspect --------------------------------------------------------------------------------------------------------


def test_the_output_of_each_sample_and_epoch_is_the_target() -> None:
    said = {"soup": "It is salty.", "2": "It is a=>b."}
    assert targets_of(LOGS / "soup.eval") == said | {f"{id}_epoch_2": text for id, text in said.items()}
    assert targets_of(LOGS / "soup.json") == said


def test_the_prompt_is_the_chat_before_the_output() -> None:
    (chat,) = (one for id, one in prompts_of(LOGS / "soup.eval").items() if id == "2")
    assert chat.text == "user\nAnswer in few words.\n\nHi\nmodel\nHello\nuser\nIs tea a=>b or auto?\nmodel\n"
    soup = prompts_of(LOGS / "soup.json")["soup"]
    assert {name: soup.fields[name] for name in ("gold", "correct", "scores", "metadata", "epoch")} == {
        "gold": ["salty", "savoury"],
        "correct": True,
        "scores": {"match": "C", "includes": "C"},
        "metadata": {"kind": "food"},
        "epoch": 1,
    }


def test_what_has_no_output_is_skipped_with_the_reason() -> None:
    assert set(reasons_of(LOGS / "soup.json").values()) == {
        "expected an output in the log, found reasoning beside the text, which is not read",
        "expected a sample that was completed (Inspect), found an error: ValueError('a stone is no food'); "
        "run it again",
    }
    (reason,) = reasons_of(LOGS / "tools.eval").values()
    assert reason.startswith("`tool_calls` of message 2: this field is not read")


def test_the_right_answer_takes_the_place_of_the_wrong_one() -> None:
    assert foils_of(LOGS / "choice.eval") == {"2": ("A", "B")}
    assert foils_of(LOGS / "soup.json") == {"2": (None, "auto")}


@pytest.mark.parametrize(("explain", "target"), [(TARGET, "salty"), (RESPONSE, "It is salty.")])
def test_the_right_answer_is_explained_if_that_is_asked_for(explain: Explain, target: str) -> None:
    assert targets_of(LOGS / "soup.json", explain)["soup"] == target


def sample(output: Any = "No.", target: Any = "Yes.", **more: Any) -> Record:
    message = {"id": "m1", "role": "assistant", "content": output}
    asked = {"id": "m0", "role": "user", "content": "Is soup sweet?"}
    messages, said = [asked, message], {"model": "m", "choices": [{"message": message}], "completion": ""}
    return {"id": 7, "epoch": 1, "input": "x", "target": target, "messages": messages, "output": said} | more


def read_one(folder: Path, record: Record, explain: Explain = OUTPUT, **more: Any) -> Prompt | SetAside:
    (one,) = read(write(folder, json.dumps(record).encode()), explain, **more).values()
    return one


@pytest.mark.parametrize(
    ("scores", "correct"),
    [
        ({"match": {"value": "C"}}, True),
        ({"match": {"value": "I"}}, False),
        ({"match": {"value": "C"}, "model": {"value": "P"}}, False),
        ({"model": {"value": 0.5}}, False),  # it isn't the gold answer
        ({"accuracy": {"value": 1.0}}, True),
        ({"both": {"value": {"a": 1}}}, False),
        ({}, False),
    ],
)
def test_scores_say_what_is_right(tmp_path: Path, scores: Record, correct: bool) -> None:
    found = read_one(tmp_path, sample(scores=scores))
    assert isinstance(found, Prompt)
    assert found.fields["correct"] is correct


def test_without_a_score_the_gold_answer_itself_is_right(tmp_path: Path) -> None:
    for target in ("No.", ["Never.", " No."]):
        found = read_one(tmp_path, sample(target=target))
        assert isinstance(found, Prompt)
        assert found.fields["correct"] is True


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"output": {"choices": []}}, "an output in the log, found none"),
        ({"messages": [{"id": "m0", "role": "user", "content": "a"}]}, "the output among the messages"),
        ({"id": None}, "`id` to be text or a whole number (Inspect), found null"),
        ({"error": {"message": "boom"}}, "found an error: boom; run it again"),
        ({"error": "boom"}, "found an error: boom; run it again"),
    ],
)
def test_a_broken_sample_is_skipped(tmp_path: Path, more: Record, reason: str) -> None:
    found = read_one(tmp_path, sample() | more)
    assert isinstance(found, SetAside)
    assert reason in found.reason


@pytest.mark.parametrize("content", ["", None, " \n", 7, [{"type": "image", "image": "x"}], [{"type": "text"}]])
def test_an_output_that_is_no_text_is_skipped(tmp_path: Path, content: Any) -> None:
    found = read_one(tmp_path, sample(content))
    assert isinstance(found, SetAside)
    assert found.reason.startswith("expected an output in the log, found ")
    assert isinstance(read_one(tmp_path, sample(content), RESPONSE), Prompt)


def test_texts_that_are_kept_once_are_filled_in(tmp_path: Path) -> None:
    record = sample([{"type": "text", "text": "attachment://abc"}], attachments={"abc": "No, it is salty."})
    found = read_one(tmp_path, record)
    assert isinstance(found, Prompt)
    assert found.given_completion == "No, it is salty."


def test_without_messages_the_input_is_what_was_asked(tmp_path: Path) -> None:
    for asked in ("Is it?", [{"role": "user", "content": "Is it?"}]):
        found = read_one(tmp_path, sample(messages=None, input=asked))
        assert isinstance(found, Prompt)
        assert found.text == "user\nIs it?\nmodel\n"


# ---- files of their own kind ----------------------------------------------------------------------------------------


def archive(path: Path, *samples: bytes, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as made:
        made.writestr("header.json", "{}")
        made.writestr("summaries.json", "[]")
        for number, content in enumerate(samples):
            made.writestr(f"samples/{number}_epoch_1.json", content)
    return path


@pytest.mark.parametrize("name", ["log.eval", "log.zip", "log"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_is_known_by_its_members(tmp_path: Path, name: str, compression: int) -> None:
    path = archive(tmp_path / name, json.dumps(sample()).encode(), compression=compression)
    assert targets_of(path) == {"7": "No."}


def test_a_broken_sample_does_not_spoil_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_logs, "_LARGEST_SAMPLE", 2_000)
    large = json.dumps(sample(events=["x" * 3_000])).encode()
    path = archive(tmp_path / "log.eval", b"{", large, json.dumps(sample(events=["x" * 1_000])).encode())
    assert targets_of(path) == {"7": "No."}
    broken, cut = reasons_of(path).values()
    assert "found invalid JSON" in broken
    assert "found invalid JSON: Unterminated string" in cut


def test_a_sample_may_be_larger_than_a_line_and_have_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonline, "LONGEST_LINE", 1_000)
    large = sample(scores={"s": {"value": float("nan")}}, events=["x" * 2_000])
    found = prompts_of(archive(tmp_path / "log.eval", json.dumps(large).encode()))["7"]
    assert found.fields["scores"] == {"s": None}


@pytest.mark.parametrize("cut", [100, 5_000])
def test_a_cut_archive_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.eval"
    path.write_bytes((LOGS / "soup.eval").read_bytes()[:-cut])
    with pytest.raises(InputError, match="but it can't be read"):
        list(PromptReader(path))


def log(*samples: Record, **more: Any) -> Record:
    return {
        "version": 2,
        "status": "success",
        "eval": {"task": "t"},
        "plan": {"a": [1, "]}"]},
        "samples": samples,
    } | more


@pytest.mark.parametrize("indent", [None, 2])
def test_a_log_in_one_object_is_read_sample_by_sample(tmp_path: Path, indent: int | None) -> None:
    made = log(sample(), sample(id=8), reductions=[{"samples": [{"a": "]"}]}])
    path = write(tmp_path, json.dumps(made, indent=indent).encode())
    assert targets_of(path) == {"7": "No.", "8": "No."}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_log_is_longer_than_a_line_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None
) -> None:
    monkeypatch.setattr(jsonline, "LONGEST_LINE", 1_000)
    monkeypatch.setattr(_logs, "_CHUNK", 64)
    made = log(*(sample(id=number) for number in range(9)), reductions=["x" * 2_000])
    assert len(targets_of(write(tmp_path, json.dumps(made, indent=indent).encode()))) == 9


def test_a_cut_log_and_two_in_a_file_are_refused(tmp_path: Path) -> None:
    whole = json.dumps(log(sample(), stats={}), indent=2).encode()
    for content, found in (
        (whole[:-2], "the file is cut off"),
        (whole * 2, "one log in the file, found more behind it"),
    ):
        with pytest.raises(InputError, match=found):
            list(PromptReader(write(tmp_path, content), reading=Reading(explain=OUTPUT)))


def test_our_own_record_with_a_field_of_that_name_is_no_log(tmp_path: Path) -> None:
    own = {"prompt": "p", "eval": 1, "samples": [{"prompt": "q"}], "results": {"results": [{"prompt": "r"}]}}
    for indent in (None, 2):
        (found,) = read(write(tmp_path, json.dumps(own, indent=indent).encode()), RESPONSE).values()
        assert isinstance(found, Prompt)
        assert found.text == "p"


# ---- lm-evaluation-harness ------------------------------------------------------------------------------------------


def test_each_filter_of_a_task_gives_its_verdict() -> None:
    found = prompts_of(samples_of("gen"))
    assert {id: one.fields["correct"] for id, one in found.items()} == {
        "gen-0-word": True,
        "gen-1-word": False,
        "gen-2-word": False,
        "gen-0-all": False,
        "gen-1-all": False,
        "gen-2-all": False,
    }
    tea = found["gen-1-word"]
    assert (tea.text, tea.given_completion) == ("Q: Is tea a=>b or auto?\nA:", " It is a=>b")
    assert tea.fields["doc"]["question"] == "Is tea a=>b or auto?"


def test_gold_takes_the_place_of_what_the_filter_took_out() -> None:
    assert foils_of(samples_of("gen")) == {
        "gen-1-word": ("a=>b", "auto"),
        "gen-2-word": ("hard", "soft"),
        "gen-0-all": (None, " salty"),  # with the blank that the output begins with
        "gen-1-all": (None, " auto"),
        "gen-2-all": (None, " soft"),
    }


def test_each_response_to_a_prompt_is_a_record() -> None:
    found = prompts_of(samples_of("rep"))
    assert list(found) == [f"rep-{doc}-first-{repeat}" for doc in (0, 1, 2) for repeat in (1, 2)]
    assert [one.line for one in found.values()] == [1, 1, 2, 2, 3, 3]


def test_of_several_right_answers_the_first_is_the_foil() -> None:
    found = prompts_of(samples_of("several"), gold=True)
    assert found["several-2"].fields["gold"] == ["hard", "soft"]
    assert found["several-2"].foil_text == " hard"


def test_the_likeliest_continuation_is_the_output() -> None:
    assert targets_of(samples_of("choose")) == {"choose-0": " salty", "choose-1": " a=>b", "choose-2": " hard"}
    assert foils_of(samples_of("choose")) == {"choose-1": (None, " auto"), "choose-2": (None, " soft")}


def test_a_task_that_measures_has_nothing_to_explain() -> None:
    reasons = reasons_of(samples_of("measure"))
    assert len(reasons) == 3
    assert all("found one that measures a likelihood: the model wrote nothing" in one for one in reasons.values())


def test_a_chat_in_a_request_is_a_chat() -> None:
    text = prompts_of(samples_of("chat"))["chat-1-word"].text
    assert text == "user\nAnswer in few words.\n\nQ: Is tea a=>b or auto?\nA:\nmodel\n"


def harness(**more: Any) -> Record:
    asked = {"gen_args_0": {"arg_0": "Q", "arg_1": {"until": []}}}
    return {"doc_id": 3, "doc": {"q": 1}, "target": "b", "arguments": asked, "resps": [["a"]], "filter": "none"} | more


@pytest.mark.parametrize(
    ("more", "text", "target"),
    [
        ({"arguments": [["Q", {"until": []}]]}, "Q", "a"),  # as older versions have it
        ({"arguments": [[["Q"], {}]]}, "Q", "a"),
        ({"arguments": [[json.dumps([{"role": "user", "content": "Q"}]), {}]]}, "user\nQ\nmodel\n", "a"),
        ({"arguments": [["Q", " x"], ["Q", " y"]], "resps": [[[-2.0, False]], [[-1.0, False]]]}, "Q", " y"),
        ({"arguments": [["Q", " x"], ["Q", " y"]], "resps": [[["-1.0", "F"]], [["-1.0", "F"]]]}, "Q", " x"),
        ({"exact_match": float("nan")}, "Q", "a"),
    ],
)
def test_requests_of_every_version_are_read(tmp_path: Path, more: Record, text: str, target: str) -> None:
    found = read_one(tmp_path, harness(**more))
    assert isinstance(found, Prompt), found
    assert (found.id, found.text, found.given_completion) == ("prompts-3", text, target)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"arguments": 7}, "`arguments` to be requests"),
        ({"arguments": {}}, "`arguments` to be requests"),
        ({"arguments": [[]]}, "`arguments` to be requests"),
        ({"arguments": [["Q"]]}, "measures a likelihood"),
        ({"arguments": [[7, {}]]}, "the prompt of a request to be text"),
        ({"arguments": [["Q", " x"], ["R", " y"]]}, "found several prompts in a document"),
        ({"arguments": [["Q", " x"], ["Q", " y"]]}, "log-likelihoods in `resps`"),
        (
            {"arguments": [["Q", " x"], ["Q", " y"]], "resps": [[["nan", "False"]], [["-2", "True"]]]},
            "log-likelihoods in `resps`",
        ),
        ({"arguments": [["Q", " x"], ["Q", " y"]], "resps": [[[1, 0]]]}, "a response to each request"),
        ({"resps": [[""]]}, "an output in the log, found none"),
        ({"resps": []}, "an output in the log, found none"),
    ],
)
def test_other_requests_are_skipped(tmp_path: Path, more: Record, reason: str) -> None:
    found = read_one(tmp_path, harness(**more))
    assert isinstance(found, SetAside), found
    assert reason in found.reason


@pytest.mark.parametrize(
    ("more", "gold"),
    [
        ({"target": "['a', 'b']"}, ["a", "b"]),
        ({"target": "['a']", "doc": {"code": "['a']"}}, "['a']"),
        ({"target": "[a"}, "[a"),
        ({"target": ["x", "y"]}, ["x", "y"]),
        ({"target": 5}, "5"),
        ({"target": ""}, None),
    ],
)
def test_a_target_is_one_right_answer_or_several(tmp_path: Path, more: Record, gold: Any) -> None:
    found = read_one(tmp_path, harness(**more))
    assert isinstance(found, Prompt)
    assert found.fields.get("gold") == gold


@pytest.mark.parametrize(
    ("more", "correct"),
    [
        ({"metrics": ["bleu", "exact_match"], "bleu": 0.0, "exact_match": 1.0}, True),
        ({"metrics": ["wer"], "wer": 0.0}, False),  # none of right and wrong, so it is the answer that counts
        ({"metrics": ["wer"], "wer": 1.0, "target": "a"}, True),
        ({"acc": 1}, True),
        ({"acc": 0.5}, False),
    ],
)
def test_metrics_say_what_is_right(tmp_path: Path, more: Record, correct: bool) -> None:
    found = read_one(tmp_path, harness(**more))
    assert isinstance(found, Prompt)
    assert found.fields["correct"] is correct


# ---- promptfoo ------------------------------------------------------------------------------------------------------


def result(output: Any = "It is sweet.", provider: int = 0, **more: Any) -> Record:
    assertion = {"type": "icontains", "value": "{{ taste }}"}
    return {
        "promptIdx": provider,
        "testIdx": 4,
        "testCase": {"vars": {"dish": "soup", "taste": "salty"}, "assert": [assertion]},
        "promptId": "ab12",
        "provider": {"id": f"openai:gpt-{provider}", "label": ""},
        "prompt": {"raw": "Is soup sweet?", "label": "Is {{dish}} sweet?"},
        "vars": {"dish": "soup", "taste": "salty"},
        "response": {"output": output, "tokenUsage": {"total": 9}},
        "success": False,
        "score": 0,
        "failureReason": 1,
        "error": "Expected output to contain salty",
        "gradingResult": {"pass": False, "score": 0, "reason": "no", "componentResults": [{"assertion": assertion}]},
    } | more


@pytest.mark.parametrize("indent", [None, 2])
def test_results_are_read_of_one_object(tmp_path: Path, indent: int | None) -> None:
    """A provider's answers each, of JSON and of JSON Lines."""
    rows = [result(), result("Salty.", 1, success=True)]
    summary = {"version": 3, "timestamp": "2026", "prompts": [{"raw": "Is soup sweet?"}], "results": rows, "stats": {}}
    whole = json.dumps(
        {"evalId": "eval-1", "results": summary, "config": {"tests": []}, "shareableUrl": None}, indent=indent
    )
    for content in (whole, "\n".join(map(json.dumps, rows))):
        path = write(tmp_path, content.encode())
        assert targets_of(path) == {"prompts-4-0": "It is sweet.", "prompts-4-1": "Salty."}
        assert foils_of(path) == {"prompts-4-0": (None, "salty")}
        fields = prompts_of(path)["prompts-4-0"].fields
        assert (fields["provider"], fields["prompt_label"], fields["reason"], fields["correct"]) == (
            "openai:gpt-0",
            "Is {{dish}} sweet?",
            "no",
            False,
        )


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"failureReason": 2, "error": "429"}, "found an error: 429"),
        ({"response": {"error": "timeout"}}, "found an error: timeout"),
        ({"response": None}, "an output in the log, found none"),
        ({"response": {"output": {"a": 1}}}, "an output in the log, found an object"),
        ({"response": {"output": ""}}, "an output in the log, found it empty"),
        ({"prompt": {"raw": "- role: user\n  content: a"}}, "a chat as JSON"),
        ({"prompt": {"raw": None}}, "`prompt.raw` to be text"),
    ],
)
def test_a_result_without_an_output_is_skipped(tmp_path: Path, more: Record, reason: str) -> None:
    found = read_one(tmp_path, result(**more))
    assert isinstance(found, SetAside), found
    assert reason in found.reason


def test_a_chat_that_was_sent_is_a_chat(tmp_path: Path) -> None:
    found = read_one(tmp_path, result(prompt={"raw": '[{"role": "user", "content": "Soup?"}]', "label": "l"}))
    assert isinstance(found, Prompt)
    assert found.text == "user\nSoup?\nmodel\n"


@pytest.mark.parametrize(
    ("stated", "gold"),
    [
        ({"type": "equals", "value": "No."}, "No."),
        ({"type": "contains-any", "value": ["a", "b"]}, ["a", "b"]),
        ({"type": "equals", "value": 7}, "7"),
        ({"type": "equals", "value": "{{unknown}}"}, None),
        ({"type": "not-contains", "value": "x"}, None),
        ({"type": "llm-rubric", "value": "is polite"}, None),
    ],
)
def test_assertions_say_the_right_answer(tmp_path: Path, stated: Record, gold: Any) -> None:
    record = result(gradingResult=None, testCase={"assert": [stated]})
    found = read_one(tmp_path, record)
    assert isinstance(found, Prompt)
    assert found.fields.get("gold") == gold
    if gold is None:
        missing = read_one(tmp_path, record, gold=True)
        assert isinstance(missing, SetAside)
        assert missing.reason.startswith("expected a gold answer in the log, found none")


# ---- what is asked for ----------------------------------------------------------------------------------------------


def test_right_answers_are_left_out_and_counted() -> None:
    reader = PromptReader(LOGS / "choice.eval", reading=Reading(explain=OUTPUT, gold_as_foil=True))
    assert [one.id for one in reader] == ["2"]
    assert reader.seen.n_right == 1
    assert [one.id for one in reader] == ["2"]
    assert reader.seen.n_right == 1
    own = PromptReader(LOGS / "choice.eval", reading=Reading(explain=RESPONSE, gold_as_foil=True))
    assert [one.id for one in own] == ["1", "2"]  # the model may be wrong where the log's was right


def test_if_all_are_right_it_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(sample(target="No.")).encode())
    with pytest.raises(InputError, match="expected answers that were wrong, found 1 that were right"):
        list(PromptReader(path, reading=Reading(explain=OUTPUT, gold_as_foil=True)))


def test_what_only_a_log_has_is_missed_in_other_records(tmp_path: Path) -> None:
    for record in ({"prompt": "p", "target": "t"}, {"prompt": "p", "completion": "t"}):
        found = read_one(tmp_path, record)
        assert isinstance(found, SetAside)
        assert found.reason == "expected a record of an evaluation's log, found another"
        found = read_one(tmp_path, record, RESPONSE, gold=True)
        assert isinstance(found, SetAside)
        assert found.reason == "expected a right answer from an evaluation's log, found no log"


def test_a_log_is_told_from_other_files(tmp_path: Path) -> None:
    assert PromptReader(LOGS / "soup.eval").holds_log()
    assert PromptReader(samples_of("gen")).holds_log()
    assert not PromptReader(samples_of("gen"), reading=Reading(format=RecordFormat.OWN)).holds_log()
    assert not PromptReader(samples_of("gen"), reading=Reading(prompt_field="doc.question")).holds_log()
    for content in (b"", b"{", b'{"prompt": "p"}', b"\xff"):
        assert not PromptReader(write(tmp_path, content)).holds_log()
    assert not PromptReader(tmp_path / "missing.jsonl").holds_log()
