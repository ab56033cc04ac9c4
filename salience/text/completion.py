"""Build a ``Completion`` from token ids: pieces, roles and exact character ranges. Text is never tokenised again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptlight.salience.errors import ModelError
from promptlight.salience.text.chat import MODEL
from promptlight.salience.text.pieces import Layout, align, is_byte_piece, lay_out
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.text.turns import Kind, Part, arrange_chat, asks_for_thought, list_parts
from promptlight.salience.types import Completion, Prompt, Role, StopReason, Token


@dataclass(frozen=True)
class EncodedPrompt:
    """The P token ids of a prompt, which of them the model's format added, and which have no text.

    ``prompt`` is what was encoded, laid out in the model's format.
    """

    prompt: Prompt
    ids: list[int]
    from_format: list[bool]
    hidden: list[bool]


def encode_prompt(tokenizer: Tokenizer, prompt: Prompt, *, thinking: bool | None = None) -> EncodedPrompt:
    """Token ids as the model reads them: <bos>, then the text, or a chat's turns between their marks.

    ``thinking`` None: as the chat is laid out. Each turn is tokenised separately. The ids are those of the whole text,
    because no piece spans a mark or, unless the turn begins with line feeds, the line feed before it. A last turn that
    the model continues is not closed. A <bos> that somebody wrote at the start is the one that is put there. What is in
    the model's own turns may have marks with text: those of tool calls.
    """
    if thinking is None:
        thinking = tokenizer.chat.thinks and asks_for_thought(prompt)
    prompt = arrange_chat(prompt, tokenizer.chat, thinking=thinking)
    written = _written_bos(tokenizer, prompt)
    ids, from_format, hidden = [tokenizer.bos_id], [True], [not written]
    if not prompt.turns:
        parts: Iterable[Part] = [Part(Kind.SAID, prompt.text.removeprefix(written))]
    else:
        parts = list_parts(prompt, tokenizer.chat)
    for part in parts:
        new, is_mark = _encode_part(tokenizer, part)
        ids += new
        from_format += [part.kind is not Kind.SAID or mark for mark in is_mark]
        hidden += [part.kind is Kind.MARK] * len(new)
    return EncodedPrompt(prompt=prompt, ids=ids, from_format=from_format, hidden=hidden)


def _encode_part(tokenizer: Tokenizer, part: Part) -> tuple[list[int], list[bool]]:
    """The ids of a part of a prompt, and which of them are marks."""
    if part.kind is Kind.MARK:
        return [tokenizer.id_of_mark(part.text)], [True]
    if part.kind is Kind.SAID and part.role == MODEL:
        ids = tokenizer.encode_own(part.text)
        return ids, [piece in tokenizer.chat.own_marks for piece in tokenizer.pieces(ids)]
    ids = tokenizer.encode(part.text)
    return ids, [False] * len(ids)


def encode_given(tokenizer: Tokenizer, prompt: Prompt, text: str) -> list[int]:
    """Token ids of a prompt's given completion: in a chat, these are the model's own words."""
    return tokenizer.encode_own(text) if prompt.turns else tokenizer.encode(text)


def build_completion(
    tokenizer: Tokenizer,
    encoded: EncodedPrompt,
    target_ids: Sequence[int],
    stop_reason: StopReason,
    *,
    stop_text: str | None = None,
    given: str | None = None,
) -> Completion:
    """Join a prompt and the tokens that follow it. Turn marks within the prompt's own text count as prompt text.

    ``given`` is the text that ``target_ids`` were made of, if they were: the tokens can't tell a ``▁`` from a space.
    """
    prompt = encoded.prompt
    target_marks = [tokenizer.is_special(id) for id in target_ids]
    prompt_pieces, target_pieces = tokenizer.pieces(encoded.ids), tokenizer.pieces(list(target_ids))
    try:
        prompt_layout = align(lay_out(prompt_pieces, encoded.hidden), prompt.text)
        target_layout = lay_out(target_pieces, target_marks)
        if given is not None:
            marks = [piece for piece, mark in zip(target_pieces, target_marks, strict=True) if mark]
            target_layout = align(target_layout, _drop_marks(given, marks))
    except ValueError as error:
        raise ModelError(f"a tokenizer that changes the text it reads is not covered: {error}") from error
    prompt_stop = len(prompt.text)
    return Completion(
        prompt=prompt,
        tokens=(
            *_build_tokens(encoded.ids, prompt_pieces, encoded.from_format, prompt_layout, 0, Role.PROMPT),
            *_build_tokens(target_ids, target_pieces, target_marks, target_layout, prompt_stop, Role.COMPLETION),
        ),
        n_prompt_tokens=len(encoded.ids),
        text=prompt.text + target_layout.text,
        prompt_stop=prompt_stop,
        stop_reason=stop_reason,
        stop_text=stop_text,
    )


def spell_written(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of a completion that is still being written, without a last character whose bytes are not all there."""
    pieces = tokenizer.pieces(list(ids))
    text = lay_out(pieces, [tokenizer.is_special(id) for id in ids]).text
    return text.rstrip("\ufffd") if pieces and is_byte_piece(pieces[-1]) else text


def _written_bos(tokenizer: Tokenizer, prompt: Prompt) -> str:
    """The <bos> that a prompt begins with as text, or nothing; in a chat it is the message's text."""
    (bos,) = tokenizer.pieces([tokenizer.bos_id])
    return bos if not prompt.turns and prompt.text.startswith(bos) else ""


def _drop_marks(text: str, marks: Sequence[str]) -> str:
    """A text without the marks that were read in it, which count as special tokens without text."""
    for mark in marks:
        text = text.replace(mark, "", 1)
    return text


def with_log_probs(completion: Completion, log_probs: Sequence[float]) -> Completion:
    """A copy of the completion with the log-probabilities of the G targets filled in."""
    first = completion.n_prompt_tokens
    targets = (
        dataclasses.replace(token, log_prob=log_prob)
        for token, log_prob in zip(completion.tokens[first:], log_probs, strict=True)
    )
    return dataclasses.replace(completion, tokens=(*completion.tokens[:first], *targets))


def _build_tokens(
    ids: Sequence[int], pieces: Sequence[str], special: Sequence[bool], layout: Layout, offset: int, role: Role
) -> list[Token]:
    return [
        Token(id=id, piece=piece, start=offset + start, stop=offset + stop, role=Role.SPECIAL if is_special else role)
        for id, piece, is_special, (start, stop) in zip(ids, pieces, special, layout.ranges, strict=True)
    ]
