"""Gradients by the logits: by hand, and where a certain target would lose its digits."""

from __future__ import annotations

import math

import pytest
import torch

from promptlight.salience.objectives import log_probabilities, objective_gradient
from promptlight.salience.types import Objective

LOGITS = torch.tensor([[0.0, math.log(2.0), math.log(5.0)]], dtype=torch.float64)  # probabilities 1/8, 2/8, 5/8


@pytest.mark.parametrize(
    ("objective", "gradient"),
    [
        (Objective.LOGPROB, [-1 / 8, 6 / 8, -5 / 8]),
        (Objective.LOGIT, [0, 1, 0]),
        (Objective.MARGIN, [0, 1, -1]),
    ],
)
def test_gradients_by_hand(objective: Objective, gradient: list[float]) -> None:
    assert objective_gradient(objective, LOGITS, torch.tensor([1]))[0].tolist() == pytest.approx(gradient)


def test_log_probability_by_hand() -> None:
    assert log_probabilities(LOGITS, torch.tensor([1])).tolist() == pytest.approx([math.log(2 / 8)])


@pytest.mark.parametrize("gap", [0.0, 5.0, 20.0, 80.0])
@pytest.mark.parametrize("target_is_best", [True, False])
def test_float32_keeps_its_digits_at_any_confidence(gap: float, target_is_best: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 5000, generator=generator)
    logits[0, 7 if target_is_best else 8] += 10 + gap
    exact = -logits.double().softmax(-1)
    # 1 - p in float64, from the others alone
    relative = logits.double() - logits.double()[0, 7]
    odds = relative.exp().sum() - 1 if not target_is_best else relative[0, torch.arange(5000) != 7].exp().sum()
    exact[0, 7] = odds / (1 + odds)
    gradient = objective_gradient(Objective.LOGPROB, logits, torch.tensor([7])).double()
    assert ((gradient - exact).norm() / exact.norm()) < 1e-5
    expected = -math.log1p(float(odds))
    assert log_probabilities(logits, torch.tensor([7])).item() == pytest.approx(expected, rel=1e-5)


def test_huge_logits_stay_finite() -> None:
    logits = torch.tensor([[0.0, 500.0, -300.0]])
    for target in range(3):
        ids = torch.tensor([target])
        assert torch.isfinite(objective_gradient(Objective.LOGPROB, logits, ids)).all()
        assert torch.isfinite(log_probabilities(logits, ids)).all()
    assert log_probabilities(logits, torch.tensor([0])).item() == pytest.approx(-500.0)
