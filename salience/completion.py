"""From token ids to a ``Completion``: pieces, roles and exact character ranges, never re-tokenised from text."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from promptlight.salience.errors import ModelError
from promptlight.salience.pieces import Layout, align, lay_out
from promptlight.salience.tokenizer import Tokenizer
from promptlight.salience.types import Completion, Prompt, Role, StopReason, Token


def encode_prompt(tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
    """The P token ids of a prompt, <bos> first."""
    return [tokenizer.bos_id, *tokenizer.encode(prompt.text)]


def build_completion(
    tokenizer: Tokenizer, prompt: Prompt, prompt_ids: Sequence[int], target_ids: Sequence[int], stop_reason: StopReason
) -> Completion:
    """Put a prompt and what follows it together. Marks of a turn that stand in the prompt's own text stay prompt
    text."""
    prompt_special = [position == 0 for position in range(len(prompt_ids))]
    target_special = [tokenizer.is_special(id) for id in target_ids]
    prompt_pieces, target_pieces = tokenizer.pieces(list(prompt_ids)), tokenizer.pieces(list(target_ids))
    prompt_layout = lay_out(prompt_pieces, prompt_special)
    try:
        prompt_layout = align(prompt_layout, prompt.text)
    except ValueError as error:
        raise ModelError(f"a tokenizer that changes the text it reads is not covered: {error}") from error
    target_layout = lay_out(target_pieces, target_special)
    prompt_stop = len(prompt.text)
    return Completion(
        prompt=prompt,
        tokens=(
            *_build_tokens(prompt_ids, prompt_pieces, prompt_special, prompt_layout, 0, Role.PROMPT),
            *_build_tokens(target_ids, target_pieces, target_special, target_layout, prompt_stop, Role.COMPLETION),
        ),
        n_prompt_tokens=len(prompt_ids),
        text=prompt.text + target_layout.text,
        prompt_stop=prompt_stop,
        stop_reason=stop_reason,
    )


def with_log_probs(completion: Completion, log_probs: Sequence[float]) -> Completion:
    """The same completion with the G targets' log-probabilities filled in."""
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
