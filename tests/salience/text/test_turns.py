"""Gemma 4's chats: what the model reads, what is shown, and what becomes of a chat that another family reads."""

# pyright: standard

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from promptlight.io import read_prompts
from promptlight.salience import Prompt
from promptlight.salience.errors import ModelError
from promptlight.salience.text.chat import GEMMA_4_CHAT, GEMMA_CHAT, MODEL, SYSTEM, USER, Message, format_turns
from promptlight.salience.text.completion import build_completion, encode_given, encode_prompt
from promptlight.salience.text.editing import Edit, apply_edits
from promptlight.salience.text.spans import segment
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.text.turns import arrange_chat, asks_for_thought
from promptlight.salience.types import Granularity, Role, Section, StopReason
from tests.support.chats import say
from tests.support.gemma4_vocabulary import build_model, save_json

# The rules of the templates that Gemma 4 is published with, in our own words; without tools and media.
GEMMA_4 = """
{%- set asked = enable_thinking | default(false) -%}
{%- set has_system = messages[0].role in ("system", "developer") -%}
{%- macro parts(content) -%}
  {%- if content is string %}{{ content | trim }}
  {%- else %}{% for part in content %}{{ part.text | trim }}{% endfor %}{% endif -%}
{%- endmacro -%}
{%- macro answer(content) -%}
  {%- set kept = namespace(text="") -%}
  {%- for piece in content.split("<channel|>") -%}
    {%- set kept.text = kept.text ~ piece.split("<|channel>")[0] -%}
  {%- endfor -%}
  {{- kept.text | trim -}}
{%- endmacro -%}
{{- "<bos>" -}}
{%- if asked or has_system -%}
  {{- "<|turn>system\n" ~ ("<|think|>\n" if asked else "") -}}
  {{- (parts(messages[0].content) if has_system else "") ~ "<turn|>\n" -}}
{%- endif -%}
{%- for message in (messages[1:] if has_system else messages) -%}
  {%- set role = "model" if message.role == "assistant" else message.role -%}
  {{- "<|turn>" ~ role ~ "\n" -}}
  {{- (answer(message.content) if role == "model" and message.content is string else parts(message.content)) -}}
  {{- "<turn|>\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- "<|turn>model\n" -}}
  {%- if prefills and not asked %}{{ "<|channel>thought\n<channel|>" }}{% endif -%}
{%- endif -%}
"""
E_SERIES = dataclasses.replace(GEMMA_4_CHAT, fills_empty_thought=False)


THOUGHT = "<|channel>thought\nSoup?\n<channel|>"
CHATS = [
    say("user: Hi"),
    say("user:  \n Can I eat  this? \n", "assistant: It has eggs.\nAvoid.\n", "user: And 好 this?\t"),
    say("system: Be brief.", "user: Hi"),
    say("developer: Be brief.", "user: Hi"),
    say("system: \n\n Be brief.\n ", "user: \nHi"),
    say("system: Be brief.", "user: Hi", "assistant: Yes?", "user: Go on"),
    say(["user", "Is soup ", "sweet?", " \n"]),
    say("user: Hi", "assistant: Hello"),
    say("system: Be brief.", "user: Hi", "assistant: The answer is: \n"),
    say("user: Hi", f"assistant: {THOUGHT}Yes? ", "user: Go on"),
    say(
        "user: Hi", f"assistant: Well, {THOUGHT} yes?\n{THOUGHT}\n", "user: Go on", f"assistant: {THOUGHT}", "user: So?"
    ),
    say("user: Hi", "assistant: <|channel>thought\nCut off", "user: Go on"),
    say("user: Hi", "assistant: No end<channel|> of it", "user: Go on"),
    say("user: Hi", "system: Be brief.", "user: Well?"),
    say("user: Hi", "user: Well?"),
    say("assistant: Welcome!", "user: Hi"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_json(tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(build_model(), GEMMA_4_CHAT)


def read(messages: list[dict[str, Any]], folder: Path, **fields: Any) -> Prompt:
    path = folder / "chat.jsonl"
    path.write_text(json.dumps({"messages": messages, **fields}), encoding="utf-8")
    (prompt,) = read_prompts(path)
    assert isinstance(prompt, Prompt)
    return prompt


def chat(*messages: Message) -> Prompt:
    text, turns = format_turns(messages)
    return Prompt(id="chat", text=text, turns=turns)


# ---- what the model reads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", CHATS, ids=json.dumps)
@pytest.mark.parametrize("format", [GEMMA_4_CHAT, E_SERIES], ids=["large", "e-series"])
@pytest.mark.parametrize("thinking", [False, True], ids=["off", "on"])
def test_ids_are_those_of_transformers_with_the_published_templates(
    file: Path, tmp_path: Path, format: Any, thinking: bool, messages: list[dict[str, Any]]
) -> None:
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(file), bos_token="<bos>", eos_token="<eos>")
    continued = messages[-1]["role"] == "assistant"
    expected = theirs.apply_chat_template(
        messages,
        chat_template=GEMMA_4,
        tokenize=True,
        return_dict=False,
        add_generation_prompt=not continued,
        continue_final_message=continued,
        enable_thinking=thinking,
        prefills=format.fills_empty_thought,
    )
    prompt = read(messages, tmp_path)
    for ours in (Tokenizer.from_json(file, format), Tokenizer(build_model(), format)):
        encoded = encode_prompt(ours, prompt, thinking=thinking)
        assert encoded.ids == expected
        assert encode_prompt(ours, encoded.prompt).ids == expected  # as it is laid out
        assert encode_prompt(ours, encoded.prompt, thinking=thinking).prompt == encoded.prompt


def test_the_text_shows_who_said_what_and_marks_have_no_text(tokenizer: Tokenizer) -> None:
    prompt = chat(Message(SYSTEM, " Be brief. "), Message(USER, "Hi"))
    encoded = encode_prompt(tokenizer, prompt, thinking=True)
    assert encoded.prompt.text == "system\n\nBe brief.\nuser\nHi\nmodel\n"
    assert [(turn.role, turn.start, turn.stop) for turn in encoded.prompt.turns] == [(SYSTEM, 8, 17), (USER, 23, 25)]
    completion = build_completion(tokenizer, encoded, [], StopReason.GIVEN)
    assert "".join(completion.text[token.start : token.stop] for token in completion.tokens) == encoded.prompt.text
    marks = [token.piece for token in completion.tokens if token.start == token.stop]
    assert marks == ["<bos>", "<|turn>", "<|think|>", "<turn|>", "<|turn>", "<turn|>", "<|turn>"]
    said = "".join(completion.text[t.start : t.stop] for t in completion.tokens if t.role is Role.PROMPT)
    assert said == "Be brief.Hi"
    off = encode_prompt(tokenizer, prompt)
    assert off.prompt.text == "system\nBe brief.\nuser\nHi\nmodel\nthought\n"
    assert off.from_format[-4:] == [True] * 4


def test_marks_that_somebody_typed_are_text(tokenizer: Tokenizer) -> None:
    typed = "What is <|channel> or <turn|> or <|think|>?"
    encoded = encode_prompt(tokenizer, chat(Message(USER, typed)))
    completion = build_completion(tokenizer, encoded, [], StopReason.GIVEN)
    said = "".join(completion.text[t.start : t.stop] for t in completion.tokens if t.role is Role.PROMPT)
    assert said == typed
    assert [token.piece for token in completion.tokens].count("<turn|>") == 1


def test_marks_of_what_the_model_said_are_read(tokenizer: Tokenizer) -> None:
    call = '<|tool_call>call:look{at:<|"|>soup<|"|>}<tool_call|>'
    encoded = encode_prompt(tokenizer, chat(Message(USER, "Hi"), Message(MODEL, call), Message(USER, "Well?")))
    completion = build_completion(tokenizer, encoded, [], StopReason.GIVEN)
    marks = [(t.piece, t.role, completion.text[t.start : t.stop]) for t in completion.tokens if t.piece in call]
    assert [mark for mark in marks if mark[0].startswith("<")] == [
        (piece, Role.SPECIAL, piece) for piece in ("<|tool_call>", '<|"|>', '<|"|>', "<tool_call|>")
    ]
    given = encode_given(tokenizer, encoded.prompt, f"{THOUGHT}Yes")
    completion = build_completion(tokenizer, encoded, given, StopReason.GIVEN, given=f"{THOUGHT}Yes")
    assert completion.completion_text == "thought\nSoup?\nYes"
    assert tokenizer.pieces(given)[0] == "<|channel>"
    assert "<|channel>" not in tokenizer.pieces(encode_given(tokenizer, Prompt(id="x", text="Hi"), THOUGHT))


def test_a_thought_that_the_model_continues_stays(tokenizer: Tokenizer) -> None:
    begun = "<|channel>thought\nLet me"
    encoded = encode_prompt(tokenizer, chat(Message(USER, "Hi"), Message(MODEL, begun)), thinking=True)
    assert encoded.prompt.text == f"system\n\n\nuser\nHi\nmodel\n{begun}"
    assert tokenizer.pieces(encoded.ids).count("<|channel>") == 1


# ---- laid out anew --------------------------------------------------------------------------------------------------


def test_sections_move_with_what_they_name() -> None:
    prompt = chat(Message(SYSTEM, "Be brief."), Message(USER, "Is soup sweet?"), Message(MODEL, f"{THOUGHT}No."), CLOSE)
    names = {"rule": "brief", "dish": "soup", "answer": "No.", "thought": "Soup?"}
    sections = tuple(
        Section(name=name, start=prompt.text.index(text), stop=prompt.text.index(text) + len(text))
        for name, text in names.items()
    )
    moved = arrange_chat(dataclasses.replace(prompt, sections=sections), GEMMA_4_CHAT, thinking=True)
    found = {section.name: moved.text[section.start : section.stop] for section in moved.sections}
    assert found == {"rule": "brief", "dish": "soup", "answer": "No."}  # the thought is left out


CLOSE = Message(USER, "Sure?")


@pytest.mark.parametrize("thinking", [False, True])
def test_a_stored_chat_of_gemma_4_is_gemma_3s_again(thinking: bool) -> None:
    prompt = chat(Message(SYSTEM, "Be brief."), Message(USER, "Hi"), Message(MODEL, "Yes?"), CLOSE)
    there = arrange_chat(prompt, GEMMA_4_CHAT, thinking=thinking)
    assert there.text != prompt.text
    stored = dataclasses.replace(there, turns=tuple(dataclasses.replace(turn, n_system=0) for turn in there.turns))
    assert arrange_chat(stored, GEMMA_CHAT) == prompt
    plain = chat(Message(USER, "Hi"))
    assert arrange_chat(arrange_chat(plain, GEMMA_4_CHAT, thinking=thinking), GEMMA_CHAT) == plain
    assert arrange_chat(prompt, GEMMA_CHAT) is prompt


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("new", ["", "\nTalk \n", "Talk"])
def test_an_edited_chat_stays_as_it_is(tokenizer: Tokenizer, thinking: bool, new: str) -> None:
    prompt = chat(Message(SYSTEM, "Be brief."), Message(USER, "Hi"), Message(MODEL, "Yes?"), CLOSE)
    there = arrange_chat(prompt, GEMMA_4_CHAT, thinking=thinking)
    for number, turn in enumerate(there.turns):
        edited = apply_edits(there, [Edit(start=turn.start, stop=turn.stop, text=new)], id="x")
        encoded = encode_prompt(tokenizer, edited)
        assert encoded.prompt == edited
        assert asks_for_thought(edited) is thinking
        said = [edited.text[one.start : one.stop] for one in edited.turns]
        assert said[number] == new
        completion = build_completion(tokenizer, encoded, [], StopReason.GIVEN)
        assert len(segment(completion, Granularity.SECTION)) > len(said)


def test_the_systems_part_of_a_turn_is_known_after_an_edit() -> None:
    prompt = chat(Message(SYSTEM, "Be brief."), Message(USER, "Hi"))
    start = prompt.text.index("brief")
    edited = apply_edits(prompt, [Edit(start=start, stop=start + 5, text="short")], id="x")
    assert arrange_chat(edited, E_SERIES).text == "system\nBe short.\nuser\nHi\nmodel\n"


# ---- thinking -------------------------------------------------------------------------------------------------------


def test_a_model_that_cannot_think_refuses() -> None:
    with pytest.raises(ModelError, match=r"found one whose chats are between <start_of_turn> and <end_of_turn>"):
        arrange_chat(chat(Message(USER, "Hi")), GEMMA_CHAT, thinking=True)


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), (False, False), ("TRUE", True), ("false", False), ("", None), (None, None)]
)
def test_a_record_says_whether_to_think(tmp_path: Path, value: Any, expected: bool | None) -> None:
    assert read(say("user: Hi"), tmp_path, thinking=value).thinking is expected
