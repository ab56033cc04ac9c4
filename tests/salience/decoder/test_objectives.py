"""Gradients by the logits: by hand, and where a certain target would lose its digits."""

# pyright: standard

from __future__ import annotations

import math

import pytest
import torch

from promptlight.salience.decoder.objectives import log_probabilities, objective_gradient, objective_value
from promptlight.salience.types import Objective

LOGITS = torch.tensor([[0.0, math.log(2.0), math.log(5.0)]], dtype=torch.float64)  # probabilities 1/8, 2/8, 5/8


@pytest.mark.parametrize(
    ("objective", "gradient"),
    [
        (Objective.LOGPROB, [-1 / 8, 6 / 8, -5 / 8]),
        (Objective.LOGIT, [0, 1, 0]),
        (Objective.MARGIN, [0, 1, -1]),
        (Objective.PROB, [-2 / 64, 12 / 64, -10 / 64]),
        (Objective.LOSS, [1 / 8, -6 / 8, 5 / 8]),
    ],
)
def test_gradients_by_hand(objective: Objective, gradient: list[float]) -> None:
    assert objective_gradient(objective, LOGITS, torch.tensor([1]))[0].tolist() == pytest.approx(gradient)


def test_values_by_hand() -> None:
    """Probabilities 1/8, 2/8, 5/8; without the prompt 1/2, 1/4, 1/4."""
    without = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log()
    entropy = -sum(p * math.log(p) for p in (1 / 8, 2 / 8, 5 / 8))
    divergence = 1 / 8 * math.log(1 / 4) + 5 / 8 * math.log(5 / 2)
    expected = {
        Objective.LOGPROB: math.log(1 / 4),
        Objective.LOGIT: math.log(2),
        Objective.MARGIN: math.log(2 / 5),
        Objective.PROB: 1 / 4,
        Objective.ENTROPY: entropy,
        Objective.KL: divergence,
        Objective.LOSS: math.log(4),
    }
    assert expected.keys() == set(Objective)
    for objective, value in expected.items():
        found = objective_value(objective, LOGITS, torch.tensor([1]), without)
        assert found.tolist() == pytest.approx([value]), objective


@pytest.mark.parametrize("objective", Objective)
@pytest.mark.parametrize("gap", [0.0, 12.0])
def test_gradients_are_the_slopes_of_the_values(objective: Objective, gap: float) -> None:
    """Central differences in float64, also where one token has nearly all of the probability."""
    generator = torch.Generator().manual_seed(1)
    logits, without = torch.randn(2, 3, 7, generator=generator, dtype=torch.float64)
    logits[:, 2] += gap
    ids = torch.tensor([2, 5, 0])
    gradient = objective_gradient(objective, logits, ids, without)
    for token in range(7):
        step = torch.zeros_like(logits)
        step[:, token] = 1e-5
        sides = [objective_value(objective, logits + sign * step, ids, without) for sign in (1, -1)]
        slopes = (sides[0] - sides[1]) / 2e-5
        assert gradient[:, token].tolist() == pytest.approx(slopes.tolist(), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("objective", [Objective.ENTROPY, Objective.KL])
def test_the_likeliest_tokens_part_keeps_its_digits_in_float32(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, without = torch.randn(2, 1, 3000, generator=generator)
    logits[0, 7] += 22  # p = 1 - 1e-6
    z, q = logits.double(), without.double().log_softmax(-1)
    z.requires_grad_()
    log_probs = z.log_softmax(-1)
    terms = -log_probs if objective is Objective.ENTROPY else log_probs - q
    (exact,) = torch.autograd.grad((log_probs.exp() * terms).sum(), z)
    assert 0 < exact[0, 7].abs() < 1e-3
    found = objective_gradient(objective, logits, torch.tensor([3]), without)
    assert ((found.double() - exact).norm() / exact.norm()) < 1e-5


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
