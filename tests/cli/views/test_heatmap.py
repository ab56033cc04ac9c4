"""The heading of a view."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptlight.cli.views.heatmap import spell_probability
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Granularity
from tests.support.handmade import make_analysis, make_completion


@pytest.mark.parametrize(
    ("log_probs", "says"),
    [
        ([-0.25, -0.375, -0.5], "0.687 a token"),
        ([-0.5], "0.607"),
        ([-20.0], "2.06e-09"),
        ([-0.0006, -0.0004], "over 0.999 a token"),
        ([-0.0006], "0.999"),
        ([0.0], "1"),
    ],
)
def test_a_probability_is_that_of_a_token_and_never_rounded_up_to_certainty(log_probs: list[float], says: str) -> None:
    completion = make_completion(["<bos>", "▁a"], ["▁so"] * len(log_probs))
    tokens = [*completion.tokens[:2]]
    tokens += [replace(token, log_prob=value) for token, value in zip(completion.tokens[2:], log_probs, strict=True)]
    analysis = make_analysis(replace(completion, tokens=tuple(tokens)))
    assert spell_probability(explain_target(analysis, Question(by=Granularity.WORD))) == says
