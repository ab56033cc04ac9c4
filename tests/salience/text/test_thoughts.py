"""Thoughts, answers and tool calls of a model of Gemma 4 as sections of their own."""

# pyright: standard

from __future__ import annotations

import dataclasses

import pytest

from promptlight.salience.text.chat import GEMMA_4_CHAT, MODEL, USER, Message, format_turns
from promptlight.salience.text.completion import build_completion, encode_given, encode_prompt
from promptlight.salience.text.sections import sections_of, written_sections
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Completion, Granularity, Prompt, Role, Section, StopReason
from tests.support.gemma4_vocabulary import build_model

THOUGHT = "<|channel>thought\nIs it soup?\n<channel|>"
CALL = '<|tool_call>call:look{at:<|"|>soup<|"|>}<tool_call|>'
RESULT = "<|tool_response>response:look{value:3}<tool_response|>"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(build_model(), GEMMA_4_CHAT)


def complete(tokenizer: Tokenizer, written: str, *said: str, thinking: bool = False, **parts: object) -> Completion:
    """What the model wrote in a chat; messages are the user's and the model's in turn."""
    messages = [Message((USER, MODEL)[number % 2], text) for number, text in enumerate(said or ("Hi",))]
    text, turns = format_turns(messages)
    prompt = dataclasses.replace(Prompt(id="1", text=text, turns=turns), **parts)
    encoded = encode_prompt(tokenizer, prompt, thinking=thinking)
    ids = encode_given(tokenizer, prompt, written)
    return build_completion(tokenizer, encoded, ids, StopReason.GIVEN, given=written)


def named(completion: Completion) -> list[tuple[str, str]]:
    return [(one.name, completion.text[one.start : one.stop]) for one in sections_of(completion)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Yes.", []),
        ("thought\nanswer", []),
        (f"{THOUGHT}Yes.", [("thought", "thought\nIs it soup?\n"), ("answer", "Yes.")]),
        (THOUGHT, [("thought", "thought\nIs it soup?\n")]),
        ("<|channel>thought\nCut off", [("thought", "thought\nCut off")]),
        (f"Well.{THOUGHT}Yes", [("answer 1", "Well."), ("thought", "thought\nIs it soup?\n"), ("answer 2", "Yes")]),
        (f"{CALL}<|tool_response>", [("tool call", "call:look{at:soup}")]),
        (
            f"{THOUGHT}{CALL}{RESULT}{CALL}{RESULT}3 of it",
            [
                ("thought", "thought\nIs it soup?\n"),
                ("tool call 1", "call:look{at:soup}"),
                ("tool result 1", "response:look{value:3}"),
                ("tool call 2", "call:look{at:soup}"),
                ("tool result 2", "response:look{value:3}"),
                ("answer", "3 of it"),
            ],
        ),
        ("<|channel><channel|>Yes", [("answer", "Yes")]),
    ],
)
def test_what_the_model_wrote_has_sections(tokenizer: Tokenizer, written: str, expected: list[tuple[str, str]]) -> None:
    completion = complete(tokenizer, written, thinking=True)
    assert named(completion) == [("user", "Hi\n"), *expected]
    spans = describe_spans(completion, segment(completion, Granularity.SECTION))
    of_completion = [span for span in spans if span.role is Role.COMPLETION]
    whole = "".join(text for _, text in expected) or written
    assert "".join(span.text for span in of_completion) == whole
    assert list(dict.fromkeys(span.section for span in of_completion)) == ([name for name, _ in expected] or [None])
    for name, text in expected:
        spans = describe_spans(completion, segment(completion, Granularity.WORD))
        assert "".join(span.text for span in find_target_spans(spans, name) if span.role is not Role.SPECIAL) == text


def test_typed_marks_make_no_sections(tokenizer: Tokenizer) -> None:
    completion = complete(tokenizer, "Yes.", f"What is {THOUGHT}?", "A thought", "Well?")
    assert [name for name, _ in named(completion)] == ["user 1", "model", "user 2"]
    plain = encode_prompt(tokenizer, Prompt(id="1", text="Hi"))
    ids = encode_given(tokenizer, plain.prompt, f"{THOUGHT}Yes.")
    assert sections_of(build_completion(tokenizer, plain, ids, StopReason.GIVEN, given=f"{THOUGHT}Yes.")) == []


def test_a_models_turn_in_a_chat_is_parted_too(tokenizer: Tokenizer) -> None:
    completion = complete(tokenizer, "Yes.", "Hi", f"{THOUGHT}{CALL}", "Well?")
    assert named(completion) == [("user 1", "Hi\n"), ("tool call", CALL[12:-12]), ("user 2", "Well?\n")]
    own = complete(tokenizer, "Yes.", "Hi", CALL, "Well?", sections=(Section(name="greeting", start=5, stop=7),))
    assert [name for name, _ in named(own)] == ["greeting"]


def test_a_thought_that_the_prompt_begins_goes_on_in_the_completion(tokenizer: Tokenizer) -> None:
    completion = complete(tokenizer, " see.\n<channel|>No.", "Hi", "<|channel>thought\nLet me", thinking=True)
    assert named(completion) == [
        ("user", "Hi\n"),
        ("thought", "thought\nLet me"),
        ("thought", " see.\n"),
        ("answer", "No."),
    ]
    closed = complete(tokenizer, " So no.", "Hi", f"{THOUGHT}Well")
    assert written_sections(closed) == []


def test_a_sections_name_goes_before_text(tokenizer: Tokenizer) -> None:
    completion = complete(tokenizer, "<|channel>thought\nThe answer is no.<channel|>No.")
    spans = describe_spans(completion, segment(completion, Granularity.WORD))
    assert [span.text for span in find_target_spans(spans, "answer")] == ["No."]
    assert [span.text for span in find_target_spans(spans, "[a]nswer")] == [" answer"]
    plain = complete(tokenizer, "The answer is no.")
    spans = describe_spans(plain, segment(plain, Granularity.WORD))
    assert [span.text for span in find_target_spans(spans, "answer")] == [" answer"]
