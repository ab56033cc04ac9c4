"""Gemma's chat format: what the model reads, what is shown, and which tokens are the format's."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import pytest
import tokenizers
from transformers import PreTrainedTokenizerFast

from promptlight.io import read_prompts
from promptlight.salience import AnalysisOptions, Model, Prompt
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.run.batches import complete
from promptlight.salience.text.chat import MODEL, SYSTEM, USER, ChatFormat, Message, format_turns, is_continued
from promptlight.salience.text.completion import build_completion, encode_prompt
from promptlight.salience.text.spans import segment
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Completion, Granularity, Role, StopReason
from tests.conftest import Command
from tests.support.chats import say

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
    completion = build_completion(tokenizer, encode_prompt(tokenizer, prompt), [], StopReason.GIVEN)
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
    completion = build_completion(tokenizer, encode_prompt(tokenizer, prompt), [], StopReason.GIVEN)
    written = [t for t in completion.tokens if t.piece == "<end_of_turn>"]
    assert [t.role for t in written] == [Role.PROMPT, Role.SPECIAL]
    assert completion.text[written[0].start : written[0].stop] == "<end_of_turn>"


@pytest.mark.parametrize("text", ["<bos>Hi", f"<bos>{READ}", "<bos>", "<bos><bos>a", "<bos> a\n"])
def test_a_bos_that_somebody_wrote_at_the_start_is_the_one_that_is_put_there(demo_model: Model, text: str) -> None:
    tokenizer, prompt = demo_model.tokenizer, Prompt(id="x", text=text)
    encoded = encode_prompt(tokenizer, prompt)
    assert encoded.ids == [tokenizer.bos_id, *tokenizer.encode(text.removeprefix("<bos>"))]
    completion = build_completion(tokenizer, encoded, [], StopReason.GIVEN)
    first = completion.tokens[0]
    assert (first.start, first.stop, first.role) == (0, len("<bos>"), Role.SPECIAL)
    assert "".join(completion.text[token.start : token.stop] for token in completion.tokens) == text
    assert segment(completion, Granularity.WORD).ranges()[0] == (0, 1)


def test_a_system_message_heads_the_first_turn() -> None:
    text, turns = format_turns([Message(SYSTEM, "Be brief. "), Message(USER, " Hi")])
    assert text == "user\nBe brief. \n\nHi\nmodel\n"
    assert len(turns) == 1


def test_a_last_message_of_the_models_stays_open_and_the_completion_follows_it(demo_model: Model) -> None:
    prompt = chat(Message(USER, "Hi"), Message(MODEL, "I think "))
    assert prompt.text == "user\nHi\nmodel\nI think"
    assert is_continued(prompt)
    assert not is_continued(chat(*CHAT))
    encoded = encode_prompt(demo_model.tokenizer, prompt)
    read = "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nI think"
    assert encoded.ids == [demo_model.tokenizer.bos_id, *demo_model.tokenizer.encode(read)]
    (completion,) = complete([prompt], demo_model, AnalysisOptions(max_new_tokens=3))
    assert isinstance(completion, Completion)
    assert completion.ids[: len(encoded.ids)] == tuple(encoded.ids)
    assert completion.tokens[len(encoded.ids) - 1].role is Role.PROMPT


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "a message of the user's, found none"),
        ([Message(SYSTEM, "x")], "a message of the user's, found none"),
        ([Message(MODEL, "x")], "a message of the user's, found none"),
        ([Message(SYSTEM, "x"), Message(MODEL, "y"), Message(USER, "z")], "after the system's, found the model's"),
        ([Message(SYSTEM, "x"), Message(SYSTEM, "y"), Message(USER, "z")], "after the system's, found the system's"),
    ],
)
def test_chats_without_a_user_are_refused(messages: list[Message], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        format_turns(messages)


# ---- the published templates ----------------------------------------------------------------------------------------

# Their rules in our own words. Gemma 1 and 2: no system; turns alternate from the user on; messages are stripped.
GEMMA_2 = """
{%- if messages[0].role == "system" %}{{ raise_exception("no system") }}{% endif -%}
{{- "<bos>" -}}
{%- for message in messages -%}
  {%- if (loop.index0 % 2 == 0) != (message.role == "user") %}{{ raise_exception("alternate") }}{% endif -%}
  {{- "<start_of_turn>" ~ ("model" if message.role == "assistant" else message.role) ~ "\n" -}}
  {{- message.content | trim ~ "<end_of_turn>\n" -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ "<start_of_turn>model\n" }}{% endif -%}
"""
# Gemma 3: the system's message, not stripped, heads the first turn; each part of a message is stripped.
GEMMA_3 = """
{%- set heads = messages[0].role == "system" -%}
{%- set system = messages[0].content -%}
{%- set prefix = (system if system is string else system[0].text) ~ "\n\n" if heads else "" -%}
{{- "<bos>" -}}
{%- set turns = messages[1:] if heads else messages -%}
{%- for message in turns -%}
  {%- if (loop.index0 % 2 == 0) != (message.role == "user") %}{{ raise_exception("alternate") }}{% endif -%}
  {{- "<start_of_turn>" ~ ("model" if message.role == "assistant" else message.role) ~ "\n" -}}
  {{- prefix if loop.first else "" -}}
  {%- if message.content is string -%}
    {{- message.content | trim -}}
  {%- else -%}
    {%- for part in message.content if part.type == "text" %}{{ part.text | trim }}{% endfor -%}
  {%- endif -%}
  {{- "<end_of_turn>\n" -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ "<start_of_turn>model\n" }}{% endif -%}
"""
UNCHECKED = GEMMA_3.replace('{{ raise_exception("alternate") }}', "")  # turns as they come


def apply_template(template: str, messages: list[dict[str, Any]]) -> str:
    """What transformers' ``apply_chat_template`` writes; a last message of the model's is continued."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel({}, "")))
    continued = messages[-1]["role"] == "assistant"
    written = tokenizer.apply_chat_template(
        messages,
        chat_template=template,
        tokenize=False,
        add_generation_prompt=not continued,
        continue_final_message=continued,
    )
    assert isinstance(written, str)
    return written


def read_ids(model: Model, messages: list[dict[str, Any]], folder: Path) -> list[int] | None:
    """The ids that a record's chat becomes; None if it is skipped."""
    path = folder / "chat.jsonl"
    path.write_text(json.dumps({"messages": messages}), encoding="utf-8")
    (prompt,) = read_prompts(path)
    return encode_prompt(model.tokenizer, prompt).ids if isinstance(prompt, Prompt) else None


CHATS = [
    say("user: Hi"),
    say("user:  \n Can I eat  this? \n", "assistant: It has eggs.\nAvoid.\n", "user: And 好 this?\t"),
    say("system: Be brief.", "user: Hi"),
    say("system:  Be brief. \n", "user:  Hi "),
    say("system: \n\nBe brief.\n", "user: \nHi"),
    say("system: Be brief.", "user: Hi", "assistant: Yes?", "user: Go on"),
    say(["user", "Is soup ", "sweet?", " \n"]),
    say(["system", " Be brief. "], ["user", "Hi", " there"], ["assistant", " Yes? "], "user: Go on"),
    say("user: Hi", "assistant: Hello"),
    say("user: Hi", "assistant: Hello", "user: Is soup sweet?", "assistant:  No, "),
    say("system: Be brief.", "user: Hi", "assistant: The answer is: \n"),
    say("user: Hi", "tool: 3", "user: Well?"),
    say("user: Hi", "system: Be brief.", "user: Well?"),
    say("user: What is <end_of_turn>?"),
]


@pytest.mark.parametrize("messages", CHATS, ids=json.dumps)
@pytest.mark.parametrize("template", [GEMMA_2, GEMMA_3], ids=["gemma2", "gemma3"])
def test_ids_are_those_of_transformers_with_the_published_templates(
    demo_model: Model, tmp_path: Path, template: str, messages: list[dict[str, Any]]
) -> None:
    has_parts = any(not isinstance(message["content"], str) for message in messages)
    if template == GEMMA_2 and (messages[0]["role"] == "system" or has_parts):
        template = GEMMA_3  # Gemma 1 and 2 refuse a system and know no parts: these go by Gemma 3's rules
    tokenizer = demo_model.tokenizer
    expected = apply_template(template, messages).removeprefix("<bos>")
    assert read_ids(demo_model, messages, tmp_path) == [tokenizer.bos_id, *tokenizer.encode(expected)]


@pytest.mark.parametrize(
    "messages",
    [
        say("user: Hi", "user: Is soup sweet?"),
        say("user: Hi", "assistant: Yes?", "assistant: Well?", "user: Go on"),
        say("assistant: Welcome!", "user: Hi"),
        say("user: Hi", "assistant: I look it up.", "tool: 3", "assistant: It is"),
        say("system: Be brief.", "user: Hi", "user: Is soup sweet?", "assistant: No."),
    ],
    ids=json.dumps,
)
def test_turns_that_do_not_alternate_are_written_as_they_come(
    demo_model: Model, tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    """The published templates refuse these; without that check they write the same."""
    with pytest.raises(jinja2.TemplateError, match="alternate"):
        apply_template(GEMMA_3, messages)
    tokenizer = demo_model.tokenizer
    expected = apply_template(UNCHECKED, messages).removeprefix("<bos>")
    assert read_ids(demo_model, messages, tmp_path) == [tokenizer.bos_id, *tokenizer.encode(expected)]


def test_a_developers_message_is_the_systems(demo_model: Model, tmp_path: Path) -> None:
    one, two = (read_ids(demo_model, say(f"{role}: Be brief.", "user: Hi"), tmp_path) for role in ("developer", SYSTEM))
    assert one == two


# ---- vocabularies and the command -----------------------------------------------------------------------------------


def test_a_vocabulary_without_turns_is_refused() -> None:
    tokenizer = Tokenizer.from_file(VOCABULARY, ChatFormat(opening="<begin>"))
    with pytest.raises(ModelError, match=r"found a vocabulary without <begin>: ask for no chat"):
        encode_prompt(tokenizer, chat(*CHAT))


def test_the_marks_of_a_turn_are_the_tokenizers() -> None:
    tokenizer = Tokenizer.from_file(VOCABULARY, ChatFormat(opening="a", closing="b"))
    (opening, closing), old = tokenizer.turn_marks, Tokenizer.from_file(VOCABULARY).turn_marks
    assert tokenizer.pieces([opening, closing]) == ["a", "b"]
    assert tokenizer.chat_stops == {closing: StopReason.END_OF_TURN}
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
