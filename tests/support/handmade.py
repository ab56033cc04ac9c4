"""Make tokens and analyses by hand from spelt-out pieces, without a tokenizer or a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promptlight.salience.text.pieces import lay_out
from promptlight.salience.text.spans import segment
from promptlight.salience.types import (
    Analysis,
    Completion,
    Granularity,
    Method,
    Prompt,
    Role,
    SalienceMap,
    StopReason,
    Token,
)

SPECIALS = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")


def make_completion(
    prompt_pieces: Sequence[str],
    target_pieces: Sequence[str] = (),
    *,
    prompt: Prompt | None = None,
    stop_reason: StopReason = StopReason.TOKEN_LIMIT,
) -> Completion:
    """The completion of a model that read and wrote these pieces; those in ``SPECIALS`` are special tokens."""
    read, written = (lay_out(part, [piece in SPECIALS for piece in part]) for part in (prompt_pieces, target_pieces))
    prompt_stop = len(read.text)
    ranges = [*read.ranges, *((prompt_stop + start, prompt_stop + stop) for start, stop in written.ranges)]
    n_prompt_tokens = len(prompt_pieces)
    tokens: list[Token] = []
    for position, (piece, (start, stop)) in enumerate(zip([*prompt_pieces, *target_pieces], ranges, strict=True)):
        is_target = position >= n_prompt_tokens
        role = Role.COMPLETION if is_target else Role.PROMPT
        tokens.append(
            Token(
                id=100 + position,
                piece=piece,
                start=start,
                stop=stop,
                role=Role.SPECIAL if piece in SPECIALS else role,
                log_prob=-0.125 * position if is_target else None,
            )
        )
    return Completion(
        prompt=prompt or Prompt(id="by-hand", text=read.text),
        tokens=tuple(tokens),
        n_prompt_tokens=n_prompt_tokens,
        text=read.text + written.text,
        prompt_stop=prompt_stop,
        stop_reason=stop_reason,
    )


def make_analysis(
    completion: Completion,
    *,
    method: Method = Method.GRAD_L2,
    exact: Sequence[Granularity] = (Granularity.WORD, Granularity.SENTENCE, Granularity.LINE),
    with_tokens: bool = True,
    seed: int = 0,
) -> Analysis:
    """Random scores, of both signs for ``grad_dot_input``, and zero where the types require it."""
    random = np.random.default_rng(seed)
    cuts = {name: segment(completion, name) for name in Granularity}
    first, width = completion.n_prompt_tokens, len(completion.tokens)

    def draw(lengths: Sequence[int]) -> np.ndarray:
        scores = random.normal(size=(len(lengths), width)).astype(np.float32)
        scores = np.abs(scores) if method is Method.GRAD_L2 else scores
        return np.where(np.arange(width) < np.array(lengths, dtype=int).reshape(-1, 1), scores, np.float32(0))

    return Analysis(
        completion=completion,
        segmentations=cuts,
        maps={
            method: SalienceMap(
                method=method,
                scores=draw(range(first, width)) if with_tokens else None,
                span_scores={
                    name: draw([cuts[name].bounds[number + 1] - 1 for number in cuts[name].spans_from(first)])
                    for name in exact
                },
            ),
        },
    )


def assert_same_analysis(found: object, expected: Analysis) -> None:
    """Equal in every field, the score arrays included."""
    assert isinstance(found, Analysis)
    assert found.completion == expected.completion
    assert dict(found.segmentations) == dict(expected.segmentations)
    assert (found.compat, found.foil) == (expected.compat, expected.foil)
    assert list(found.maps) == list(expected.maps)
    for method, salience in found.maps.items():
        assert_same_map(salience, expected.maps[method])


def assert_same_map(found: SalienceMap, expected: SalienceMap) -> None:
    """Equal in every field."""
    assert (found.method, found.objective, found.sources) == (expected.method, expected.objective, expected.sources)
    assert (found.scores is None) == (expected.scores is None)
    if found.scores is not None and expected.scores is not None:
        assert found.scores.dtype == np.float32
        np.testing.assert_array_equal(found.scores, expected.scores)
    for name in ("span_scores", "standard_errors", "completeness_error"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.keys() == theirs.keys(), name
        for granularity, numbers in theirs.items():
            assert ours[granularity].dtype == np.float32
            np.testing.assert_array_equal(ours[granularity], numbers)
