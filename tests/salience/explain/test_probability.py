"""The probability of a target: of all its tokens together, and per token."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from promptlight.salience.explain.explanation import (
    Question,
    explain_target,
    find_probability,
    find_probability_per_token,
    list_log_probs,
)
from promptlight.salience.types import Granularity
from tests.support.handmade import make_analysis, make_completion

COMPLETION = make_completion(["<bos>", "▁a"], ["▁so", "▁it", "▁is"])  # log-probabilities -0.25, -0.375 and -0.5


def test_of_several_tokens_it_is_the_geometric_mean() -> None:
    explanation = explain_target(make_analysis(COMPLETION), Question(by=Granularity.WORD))
    assert explanation.n_target_tokens == 3
    assert explanation.target_probability == pytest.approx(math.exp(-1.125))
    assert explanation.probability_per_token == pytest.approx(math.exp(-0.375))
    assert explanation.probability_per_token == pytest.approx(
        (math.exp(-0.25) * math.exp(-0.375) * math.exp(-0.5)) ** (1 / 3)
    )


def test_of_one_token_it_is_its_probability_and_tokens_without_one_do_not_count() -> None:
    analysis = make_analysis(COMPLETION)
    one = explain_target(analysis, Question(target_by=Granularity.WORD, target="2")).targets
    assert find_probability(COMPLETION, one) == find_probability_per_token(COMPLETION, one) == math.exp(-0.375)
    unscored = replace(
        COMPLETION,
        tokens=tuple(
            replace(token, log_prob=token.log_prob if at > 2 else None) for at, token in enumerate(COMPLETION.tokens)
        ),
    )
    every = explain_target(analysis, Question(by=Granularity.WORD)).targets
    assert list_log_probs(unscored, every) == [-0.375, -0.5]
    assert find_probability_per_token(unscored, every) == pytest.approx(math.exp(-0.4375))
    assert find_probability_per_token(COMPLETION, []) == 1


def test_it_does_not_depend_on_the_number_of_tokens() -> None:
    tokens = [replace(token, log_prob=-0.25) for token in make_completion(["<bos>"], ["▁so"] * 40).tokens]
    long = replace(make_completion(["<bos>"], ["▁so"] * 40), tokens=tuple(tokens))
    explanation = explain_target(make_analysis(long), Question(by=Granularity.WORD))
    assert explanation.target_probability < 5e-5
    assert explanation.probability_per_token == pytest.approx(0.7788, abs=1e-4)
