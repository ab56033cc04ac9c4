"""Turn a foil as a user writes it into a contrast of tokens, and describe that contrast for the stored result."""

from __future__ import annotations

from collections.abc import Sequence

from promptlight.salience.errors import FoilError
from promptlight.salience.text.contrast import Contrast, contrast_ids, split_request
from promptlight.salience.text.pieces import lay_out
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Completion, Foil, Role


def find_contrast(
    completion: Completion,
    request: str,
    tokenizer: Tokenizer,
    context_length: int,
    *,
    literal: bool = False,
    replaced: str | None = None,
) -> Contrast:
    """Find the target in a completion, and tokenise the foil in its place.

    A ``literal`` request is a plain foil, or replaces the last occurrence of the text ``replaced``. Whole tokens are
    exchanged. Characters of theirs before and after the target's text are kept around the foil's text. A plain foil
    replaces the whole completion except for the token that ends it. Raises FoilError.
    """
    try:
        target, foil = (replaced, request) if literal else split_request(request)
        start, stop, at = _find_target(completion, target, is_last=literal)
        tokens = completion.tokens[start:stop]
        if target is not None:
            foil = completion.text[tokens[0].start : at] + foil
            foil += completion.text[at + len(target) : tokens[-1].stop]
        contrast = contrast_ids(completion.ids, start, stop, tokenizer.encode(foil))
    except ValueError as error:
        raise FoilError(f"foil {request!r}: {error}") from error
    if len(contrast.ids) > context_length:
        found = f"with all before it, it has {len(contrast.ids):,} tokens, but the model reads {context_length:,}"
        raise FoilError(f"foil {request!r}: {found}; shorten it")
    return contrast


def describe_foil(
    completion: Completion,
    request: str,
    contrast: Contrast | None,
    runner_ups: Sequence[int] | None,
    tokenizer: Tokenizer,
) -> Foil:
    """What each target is contrasted with, as text."""
    first, n_tokens = completion.n_prompt_tokens, len(completion.tokens)
    if contrast is None:
        return Foil(request=request, tokens=tuple(_spell(tokenizer, [id]) for id in runner_ups or ()))
    texts: list[str | None] = []
    for place in range(first, n_tokens):
        start, stop = contrast.against(place, place + 1)
        counted = contrast.shared <= place < contrast.stop
        texts.append(_spell(tokenizer, contrast.ids[start:stop]) if counted else None)
    return Foil(request=request, tokens=tuple(texts))


def _find_target(completion: Completion, target: str | None, *, is_last: bool) -> tuple[int, int, int]:
    """The range of tokens that holds the first or last occurrence of the target, or all tokens that have text; and the
    character that it begins at.
    """
    first = completion.n_prompt_tokens
    written = [n for n in range(first, len(completion.tokens)) if completion.tokens[n].role is Role.COMPLETION]
    if not written:
        raise ValueError("expected a completion to contrast it with, found none; let the model write more tokens")
    if target is None:
        return written[0], written[-1] + 1, completion.prompt_stop
    find = completion.text.rfind if is_last else completion.text.find
    at = find(target, completion.prompt_stop)
    if at < 0:
        found = completion.completion_text
        shown = found if len(found) <= 60 else f"{found[:59]}…"
        raise ValueError(f"expected {target!r} in the completion, found {shown!r}; choose a target that it has")
    touched = [n for n in written if completion.tokens[n].start < at + len(target) and completion.tokens[n].stop > at]
    stop = touched[-1] + 1
    while (
        stop in written and completion.tokens[stop].start == completion.tokens[stop].stop
    ):  # a character's other bytes
        stop += 1
    return touched[0], stop, at


def _spell(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Tokens as text; special tokens by name."""
    special = [tokenizer.is_special(id) for id in ids]
    pieces = tokenizer.pieces(list(ids))
    return pieces[0] if special == [True] else lay_out(pieces, special).text
