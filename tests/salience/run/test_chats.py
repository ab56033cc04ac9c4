"""Chats of Gemma 4 on their way through a run: laid out for the model, asked to think, ended where it waits."""

# pyright: standard

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from promptlight.io.prompts.reader import prompt_from_text
from promptlight.salience import AnalysisOptions, Model, Prompt
from promptlight.salience.errors import ModelError, UsageError
from promptlight.salience.regeneration.likelihood import score_text
from promptlight.salience.run.batches import complete
from promptlight.salience.run.dry_run import measure_texts
from promptlight.salience.text.chat import GEMMA_4_CHAT, Message, format_turns
from promptlight.salience.types import Completion, Explain, SetAside, SetAsideCode, StopReason
from tests.support.gemma4_vocabulary import replace_marks

SHORT = AnalysisOptions(max_new_tokens=3)


@pytest.fixture(scope="module")
def model(demo_model: Model) -> Model:
    return replace_marks(demo_model)


def chat(*messages: tuple[str, str], **parts: Any) -> Prompt:
    text, turns = format_turns([Message(*message) for message in messages])
    return Prompt(id="chat", text=text, turns=turns, **parts)


ASKED = (("system", "Be brief."), ("user", "Is soup sweet?"))
ON, OFF = (
    "system\n\nBe brief.\nuser\nIs soup sweet?\nmodel\n",
    "system\nBe brief.\nuser\nIs soup sweet?\nmodel\nthought\n",
)


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("own", [None, False, True])
def test_a_record_goes_before_the_options(model: Model, asked: bool, own: bool | None) -> None:
    prompt = chat(*ASKED, fields={} if own is None else {"thinking": own})
    options = dataclasses.replace(SHORT, thinking=asked)
    (completion,) = complete([prompt], model, options)
    assert isinstance(completion, Completion)
    thinks = asked if own is None else own
    assert completion.prompt.text == (ON if thinks else OFF)
    assert completion.text.startswith(completion.prompt.text)
    pieces = [token.piece for token in completion.tokens]
    assert ("<|think|>" in pieces, "<|channel>" in pieces) == (thinks, not thinks)
    (text,) = measure_texts([prompt], 1, model, options).texts
    assert text.completion.ids == completion.ids[: completion.n_prompt_tokens]
    assert (complete([completion.prompt], model, options)[0]) == completion  # as a stored prompt runs again
    scores = score_text(model, [completion.prompt], completion.ids[completion.n_prompt_tokens :])
    assert scores.shape == (1, completion.n_targets)


def test_thinking_is_among_the_settings() -> None:
    options = dataclasses.replace(SHORT, thinking=True)
    assert options.describe()["thinking"] is True
    assert AnalysisOptions.from_settings(options.describe()) == options
    assert "thinking" not in SHORT.describe()


def test_no_chat_is_skipped(model: Model) -> None:
    (found,) = complete([Prompt(id="plain", text="Hi")], model, dataclasses.replace(SHORT, thinking=True))
    assert isinstance(found, SetAside)
    assert found.code is SetAsideCode.UNUSABLE
    assert found.reason.startswith("expected a chat with thinking, found a plain prompt")
    with pytest.raises(UsageError, match="expected a chat with thinking, found none"):
        prompt_from_text("Hi", thinking=True)
    assert prompt_from_text("Hi", chat=True, thinking=True).thinking is True


def test_a_model_that_cannot_think_is_refused(demo_model: Model) -> None:
    with pytest.raises(ModelError, match="expected a model that thinks") as error:
        complete([chat(*ASKED)], demo_model, dataclasses.replace(SHORT, thinking=True))
    assert error.value.parameters == ("thinking",)


@pytest.mark.parametrize(
    ("mark", "reason"), [("<turn|>", StopReason.END_OF_TURN), ("<|tool_response>", StopReason.TOOL_CALL)]
)
def test_a_completion_ends_where_the_model_ends_its_turn_or_waits(model: Model, mark: str, reason: StopReason) -> None:
    end = model.tokenizer.id_of_mark(mark)
    decoder = dataclasses.replace(model.decoder, embedding=model.decoder.embedding.clone())
    (before,) = complete([chat(*ASKED)], model, SHORT)
    assert isinstance(before, Completion)
    assert before.stop_reason is StopReason.TOKEN_LIMIT
    first = before.ids[before.n_prompt_tokens]
    decoder.embedding[end] = 2 * decoder.embedding[first]
    (completion,) = complete([chat(*ASKED)], dataclasses.replace(model, decoder=decoder), SHORT)
    assert isinstance(completion, Completion)
    assert (completion.tokens[-1].piece, completion.stop_reason) == (mark, reason)


def test_a_given_completion_of_a_chat_has_its_marks(model: Model) -> None:
    said = "<|channel>thought\nSoup?\n<channel|>No."
    prompt = chat(*ASKED, given_completion=said)
    options = dataclasses.replace(SHORT, explain=Explain.TARGET, thinking=True)
    (completion,) = complete([prompt], model, options)
    assert isinstance(completion, Completion)
    assert completion.completion_text == "thought\nSoup?\nNo."
    marks = [token.piece for token in completion.tokens[completion.n_prompt_tokens :] if token.start == token.stop]
    assert marks == ["<|channel>", "<channel|>"]
    assert GEMMA_4_CHAT.own_marks[:2] == tuple(marks)
