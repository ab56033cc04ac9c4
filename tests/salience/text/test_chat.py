"""Gemma's chat format: what the model reads, what is shown, and which tokens are the format's."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from promptlight.salience import Model, Prompt
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.text.chat import MODEL, SYSTEM, USER, Message, format_turns
from promptlight.salience.text.completion import build_completion, encode_prompt
from promptlight.salience.text.spans import segment
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Granularity, Role, StopReason
from tests.conftest import Command

VOCABULARY = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
CHAT = (Message(USER, "Can I eat  this? \n"), Message(MODEL, "It has eggs.\nAvoid."), Message(USER, "And 好 this?"))
READ = (  # as google/gemma-2-2b-it's own template writes CHAT
    "<start_of_turn>user\nCan I eat  this?<end_of_turn>\n<start_of_turn>model\nIt has eggs.\nAvoid.<end_of_turn>\n"
    "<start_of_turn>user\nAnd 好 this?<end_of_turn>\n<start_of_turn>model\n"
)


def chat(*messages: Message) -> Prompt:
    text, turns = format_turns(messages)
    return Prompt(id="chat", text=text, turns=turns)


def test_the_text_shows_who_said_what() -> None:
    prompt = chat(*CHAT)
    assert prompt.text == "user\nCan I eat  this?\nmodel\nIt has eggs.\nAvoid.\nuser\nAnd 好 this?\nmodel\n"
    said = [(turn.role, prompt.text[turn.start : turn.stop]) for turn in prompt.turns]
    assert said == [(role, text.strip()) for role, text in CHAT]


def test_the_model_reads_gemmas_template(demo_model: Model) -> None:
    tokenizer = demo_model.tokenizer
    encoded = encode_prompt(tokenizer, chat(*CHAT))
    assert encoded.ids == [tokenizer.bos_id, *tokenizer.encode(READ)]


def test_the_formats_tokens_are_special_and_the_rest_is_the_prompt(demo_model: Model) -> None:
    tokenizer, prompt = demo_model.tokenizer, chat(*CHAT)
    completion = build_completion(tokenizer, prompt, encode_prompt(tokenizer, prompt), [], StopReason.GIVEN)
    said = "".join(completion.text[t.start : t.stop] for t in completion.tokens if t.role is Role.PROMPT)
    assert said == "".join(text.strip() for _, text in CHAT)
    shown = "".join(completion.text[t.start : t.stop] for t in completion.tokens)
    assert shown == completion.text == prompt.text
    marks = [t.piece for t in completion.tokens if t.start == t.stop and t.role is Role.SPECIAL]
    assert marks == ["<bos>", *["<start_of_turn>", "<end_of_turn>"] * 3, "<start_of_turn>"]
    for granularity in Granularity:
        cut = segment(completion, granularity)
        for start, stop in cut.ranges():
            roles = {token.role for token in completion.tokens[start:stop]}
            assert len(roles) == 1
            assert roles == {Role.PROMPT} or stop == start + 1


def test_marks_that_somebody_wrote_are_text(demo_model: Model) -> None:
    tokenizer = demo_model.tokenizer
    prompt = chat(Message(USER, "What is <end_of_turn>?"))
    completion = build_completion(tokenizer, prompt, encode_prompt(tokenizer, prompt), [], StopReason.GIVEN)
    written = [t for t in completion.tokens if t.piece == "<end_of_turn>"]
    assert [t.role for t in written] == [Role.PROMPT, Role.SPECIAL]
    assert completion.text[written[0].start : written[0].stop] == "<end_of_turn>"


def test_a_system_message_heads_the_first_turn() -> None:
    text, turns = format_turns([Message(SYSTEM, "Be brief."), Message(USER, "Hi")])
    assert text == "user\nBe brief.\n\nHi\nmodel\n"
    assert len(turns) == 1


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "a last message of the user, found none"),
        ([Message(SYSTEM, "x")], "after the system's, found none"),
        ([Message(MODEL, "x")], "the user's turn at message 1, found the model's"),
        ([Message(USER, "x"), Message(USER, "y")], "the model's turn at message 2, found the user's"),
        ([Message(USER, "x"), Message(MODEL, "y")], "a last message of the user, found the model's"),
        ([Message(USER, "x"), Message(SYSTEM, "y")], "the model's turn at message 2, found the system's"),
    ],
)
def test_turns_that_are_none_are_refused(messages: list[Message], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        format_turns(messages)


def test_a_vocabulary_without_turns_is_refused() -> None:
    tokenizer = Tokenizer.from_file(VOCABULARY, turn_marks=("<begin>", "<end_of_turn>"))
    with pytest.raises(ModelError, match=r"found a vocabulary without <begin>: ask for no chat"):
        encode_prompt(tokenizer, chat(*CHAT))


def test_the_marks_of_a_turn_are_the_tokenizers() -> None:
    tokenizer = Tokenizer.from_file(VOCABULARY, turn_marks=("a", "b"))
    (opening, closing), old = tokenizer.turn_marks, Tokenizer.from_file(VOCABULARY).turn_marks
    assert tokenizer.pieces([opening, closing]) == ["a", "b"]
    assert tokenizer.end_of_turn_id == closing
    assert [tokenizer.is_special(id) for id in (opening, closing, *old)] == [True, True, False, False]


def test_run_reads_chats_and_makes_them_of_prompts(promptlight: Command, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Is Naan bread?"}, {"role": "assistant", "content": "It is."}]
    path, out = tmp_path / "chats.jsonl", tmp_path / "out"
    path.write_text(json.dumps({"messages": messages}) + "\n" + json.dumps({"prompt": "Hi"}) + "\n")
    short = ("--max-new-tokens", 4, "--device", "cpu", "--explain", "target")
    assert promptlight("run", path, "-o", out, "--chat", *short).exit_code == 0
    first, second = pd.read_parquet(out).to_dict("records")
    assert [first["prompt"], second["prompt"]] == ["user\nIs Naan bread?\nmodel\n", "user\nHi\nmodel\n"]
    assert first["completion"] == "It is."
    assert json.loads(first["fields"]) == {"messages": messages}
    assert [turn["role"] for turn in first["turns"]] == ["user"]
    refused = promptlight("run", path, "-o", out, *short)
    assert "chat: there True, now False" in refused.stderr
    shown = promptlight("show", out, "--row", 1)
    assert "Hi" in shown.stdout
