"""Records of other tools end in a run, and the command says as what it read them."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptlight.io import read_results
from promptlight.salience.types import Analysis
from tests.conftest import Command

ASKED, ANSWERED = [{"role": "user", "content": "Is soup sweet?"}], [{"role": "assistant", "content": "No."}]
OTHER = [{"role": "assistant", "content": "a=>b"}]
PARTS = {"role": "User", "content": [{"type": "text", "text": "Is soup"}, {"type": "text", "text": " sweet?"}]}
SAID = [("human", "Is soup sweet?"), ("function_call", "look()"), ("observation", "hot"), ("gpt", "No.")]
RECORDS: list[tuple[str, dict[str, Any]]] = [
    ("OpenAI batch", {"custom_id": "a", "body": {"messages": ASKED, "max_tokens": 3, "temperature": 0.5}}),
    ("Alpaca", {"id": "b", "instruction": "Is it sweet?", "input": "Soup", "output": "No."}),
    ("ShareGPT", {"id": "c", "conversations": [{"from": "human", "value": "Is soup sweet?"}]}),
    ("TRL", {"id": "d", "prompt": "Is soup sweet?", "chosen": " No.", "rejected": " Yes."}),
]
MORE: dict[str, dict[str, Any]] = {  # shapes that data sets have
    "vLLM": {"custom_id": "vllm", "method": "POST", "url": "/v1/completions", "body": {"model": "m", "prompt": "Soup"}},
    "Together": {"custom_id": "together", "body": {"model": "m", "messages": [PARTS], "max_tokens": 2}},
    "prompt-only": {"prompt": ASKED},
    "completion": {"prompt": ASKED, "completion": ANSWERED},
    "preference": {"prompt": ASKED, "chosen": ANSWERED, "rejected": OTHER},
    "implicit prompt": {"chosen": [*ASKED, *ANSWERED], "rejected": [*ASKED, *OTHER]},
    "JSON text": {name: json.dumps(said) for name, said in (("chosen", ASKED + ANSWERED), ("rejected", ASKED + OTHER))},
    "unpaired": {"prompt": "Is soup sweet?", "completion": " No.", "label": False},
    "ShareGPT": {"conversations": [{"from": who, "value": text} for who, text in SAID]},
    "lists": {"messages": {"role": ["system", "user", "assistant"], "content": ["", "Is soup sweet?", "No."]}},
    "text": {"messages": json.dumps([{"role": "developer", "content": "Be brief."}, *ASKED, *ANSWERED])},
    "tool": {"messages": [*ASKED, {"role": "tool", "content": "3"}, {"role": "assistant", "content": None}]},
}


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for _, record in RECORDS), encoding="utf-8")
    return path


def test_each_format_ends_in_a_run_that_names_it(promptlight: Command, prompts: Path, tmp_path: Path) -> None:
    options = ("--explain", "target", "--max-new-tokens", 2, "--device", "cpu", "--stop", "zzz")
    done = promptlight("run", prompts, "-o", tmp_path / "out", *options)
    assert done.exit_code == 0, done.stderr
    said = done.stderr.splitlines()
    assert [line for line in said if line.startswith("read as")] == [f"read as {name}: 1 record" for name, _ in RECORDS]
    assert "note: ignored parameters of requests: temperature (1)" in said
    results = {one.completion.prompt.id: one for one in read_results(tmp_path / "out") if isinstance(one, Analysis)}
    assert {id: one.completion.completion_text for id, one in results.items() if id in "bd"} == {
        "b": "No.",
        "d": " No.",
    }
    assert results["a"].completion.n_targets <= 3
    assert results["d"].foil is not None


def test_each_shape_ends_in_a_run(promptlight: Command, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    records = [record if "custom_id" in record else {"id": name} | record for name, record in MORE.items()]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    options = ("--explain", "target", "--max-new-tokens", 2, "--device", "cpu", "--stop", "zzz")
    done = promptlight("run", path, "-o", tmp_path / "out", *options)
    assert done.exit_code == 0, done.stderr
    results = [one for one in read_results(tmp_path / "out") if isinstance(one, Analysis)]
    assert len(results) == len(MORE)
    given = {one.completion.prompt.id: one.completion.prompt.given_completion for one in results}
    assert [id for id, target in given.items() if target is None] == ["vllm", "together", "prompt-only", "tool"]
    assert {target.strip() for target in given.values() if target} == {"No."}
    foils = {one.completion.prompt.id for one in results if one.foil and one.foil.request == "a=>b"}
    assert foils == {"preference", "implicit prompt", "JSON text"}


def test_segment_names_the_format_too(promptlight: Command, prompts: Path) -> None:
    done = promptlight("segment", prompts)
    assert done.exit_code == 0, done.stderr
    assert "read as Alpaca: 1 record\n" in done.stderr
    own = promptlight("segment", prompts, "--format", "promptlight")
    assert "read as" not in own.stderr
    assert own.exit_code == 3


def test_segment_takes_the_prompt_from_another_field(promptlight: Command, tmp_path: Path) -> None:
    (path := tmp_path / "p.csv").write_text("question,answer\nWhy soup?,So.\n", encoding="utf-8")
    done = promptlight("segment", path, "--prompt-field", "question")
    assert (done.exit_code, "“Why soup?”" in done.stdout) == (0, True)


def respond(id: str, *choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"choices": list(choices)}
    return {"custom_id": id, "response": {"status_code": 200, "body": body}, "error": None, **more}


def respond_anew(id: str, reasoning: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """As ``/v1/responses`` does."""
    output = [reasoning, {"type": "message", "role": "assistant", "content": [part]}]
    return {"custom_id": id, "response": {"status_code": 200, "body": {"output": output}}, "error": None}


def say(text: str | None, **more: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": text, **more}}


def test_responses_are_joined_by_id_and_explained(promptlight: Command, tmp_path: Path) -> None:
    ids = "abcdefghij"
    prompts, responses = tmp_path / "batch.jsonl", tmp_path / "output.jsonl"
    requests = ({"custom_id": id, "body": {"messages": ASKED}} for id in ids)
    prompts.write_text("".join(f"{json.dumps(one)}\n" for one in requests), encoding="utf-8")
    answers = [
        respond("b", {"text": "Non."}),
        respond("c", say("No."), error={"code": "expired", "message": "too late"}),
        respond("d", say("No."), say("Yes.")),
        respond("e", say(None, tool_calls=[{"id": "x"}])),
        respond("f", say("No.", reasoning_content="Soup?")),
        respond("g", say("")),
        respond_anew("i", {"type": "reasoning", "summary": []}, {"type": "output_text", "text": "Neen."}),
        respond_anew("j", {"type": "reasoning", "summary": []}, {"type": "refusal", "refusal": "No."}),
        respond("a", say("Nein, 好.")),
    ]
    responses.write_text("".join(f"{json.dumps(one)}\n" for one in answers), encoding="utf-8")
    command = ("run", prompts, "-o", tmp_path / "out", "--device", "cpu", "--responses", responses)
    assert "expected --explain target with it" in promptlight(*command).stderr
    done = promptlight(*command, "--explain", "target")
    assert done.exit_code == 3
    results = {one.completion.prompt.id: one for one in read_results(tmp_path / "out") if isinstance(one, Analysis)}
    found = {id: one.completion.completion_text for id, one in results.items()}
    assert found == {"a": "Nein, 好.", "b": "Non.", "i": "Neen."}
    for says in (
        "found an error: too late;",
        "`refusal`",
        "or several",
        "`tool_calls`",
        "`reasoning_content`",
        "some text",
        "to 'h' in",
    ):
        assert says in done.stderr, says
    responses.write_text(f"{json.dumps(answers[0])}\n" * 2, encoding="utf-8")
    twice = promptlight(*command, "--explain", "target", "-m", "demo")
    assert f"{responses}:2: expected one response to each request, found a second one to 'b'" in twice.stderr
