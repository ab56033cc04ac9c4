"""Fits against closed forms, optimality conditions and scikit-learn."""

# pyright: standard

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

from promptlight.salience.ablation.regression import descend_coordinates, fit_lasso, fit_ridge


def draw_problem(n: int = 60, k: int = 9, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """0/1 columns that go together, and values of two targets."""
    random = np.random.default_rng(seed)
    common = random.random((n, 1)) < 0.5
    design = np.where(random.random((n, k)) < 0.4, common, random.random((n, k)) < 0.5).astype(float)
    truth = np.zeros((k, 2))
    truth[:3] = [[3, 0.5], [-2, 1], [0.3, -4]]
    return design, design @ truth + random.normal(size=(n, 2)) + [5, -7]


@pytest.mark.parametrize("allowed", [[1] * 9, [1, 0, 1, 1, 0, 1, 1, 0, 1]])
def test_lasso_meets_the_conditions_of_its_minimum(allowed: list[int]) -> None:
    """A coefficient's slope equals the penalty, with its sign, or lies within it where the coefficient is zero."""
    design, values = draw_problem()
    free, penalty = np.array([allowed, [1] * 9], dtype=bool), np.array([0.2, 0.4])
    coefficients, _ = fit_lasso(design, values, penalty, free, np.random.default_rng(0))
    standardised = (design - design.mean(0)) / design.std(0)
    for target in (0, 1):
        unit = coefficients[target] * design.std(0)
        residual = values[:, target] - values[:, target].mean() - standardised @ unit
        slope = standardised.T @ residual / len(design)
        chosen = coefficients[target] != 0
        assert 0 < chosen.sum() < 9
        assert not coefficients[target][~free[target]].any()
        np.testing.assert_allclose(slope[chosen], penalty[target] * np.sign(unit[chosen]), atol=1e-5)
        assert (np.abs(slope[~chosen & free[target]]) <= penalty[target] + 1e-9).all()


def test_lasso_is_scikit_learns() -> None:
    design, values = draw_problem()
    penalty = np.array([0.2, 0.4])
    found, _ = fit_lasso(design, values, penalty, np.ones((2, 9), dtype=bool), np.random.default_rng(0))
    for target in (0, 1):
        theirs = Lasso(alpha=penalty[target], tol=1e-12, max_iter=100_000)
        theirs.fit(design / design.std(0), values[:, target])
        np.testing.assert_allclose(found[target], theirs.coef_ / design.std(0), atol=1e-5)


def test_ridge_is_scikit_learns() -> None:
    design, values = draw_problem()
    weights = np.random.default_rng(1).random(len(design)) + 0.1
    found, _ = fit_ridge(design, values, weights, np.full(9, 0.7))
    theirs = Ridge(alpha=0.7, fit_intercept=False, tol=1e-12).fit(design, values, sample_weight=weights)
    np.testing.assert_allclose(found, theirs.coef_.T, rtol=1e-9)


def test_lasso_of_an_orthonormal_design_is_soft_thresholding() -> None:
    cross = np.array([[[3.0, -0.5, 0.2, -2.0]]])
    found = descend_coordinates(np.eye(4)[None], cross, np.array([0.5]), np.ones((1, 1, 4), dtype=bool))
    np.testing.assert_allclose(found, [[[2.5, 0, 0, -1.5]]], atol=1e-12)


def test_lasso_without_a_penalty_is_least_squares() -> None:
    design, values = draw_problem()
    found, _ = fit_lasso(design, values, np.zeros(2), np.ones((2, 9), dtype=bool), np.random.default_rng(0))
    with_one = np.concatenate([design, np.ones((len(design), 1))], axis=1)
    np.testing.assert_allclose(found.T, np.linalg.lstsq(with_one, values)[0][:-1], atol=1e-4)


def test_lasso_of_a_span_that_is_always_kept_is_zero() -> None:
    design, values = draw_problem()
    design[:, 4] = 1
    found, errors = fit_lasso(design, values, np.full(2, 0.01), np.ones((2, 9), dtype=bool), np.random.default_rng(0))
    assert not found[:, 4].any()
    assert not errors[:, 4].any()
    assert np.isfinite(errors).all()


def test_ridge_is_least_squares_on_a_padded_problem() -> None:
    """A penalty is a row of its root that wants zero, a weight is a row and a value times its root."""
    design, values = draw_problem()
    weights, penalty = np.linspace(0.1, 3, 60), np.linspace(0, 2, 9)
    rows = np.concatenate([design * np.sqrt(weights)[:, None], np.diag(np.sqrt(penalty))])
    wanted = np.concatenate([values * np.sqrt(weights)[:, None], np.zeros((9, 2))])
    found, _ = fit_ridge(design, values, weights, penalty)
    np.testing.assert_allclose(found, np.linalg.lstsq(rows, wanted)[0], atol=1e-9)


@pytest.mark.parametrize("together", [1, 2, 3])
def test_ridges_covariance_is_that_of_leaving_each_group_out(together: int) -> None:
    design, values = draw_problem()
    weights, penalty = np.linspace(0.1, 3, 60), np.full(9, 0.5)
    found, covariance = fit_ridge(design, values, weights, penalty, together=together)
    expected, n_groups = np.zeros((9, 9, 2)), 60 // together
    for group in range(n_groups):
        left = np.setdiff1d(np.arange(60), range(group * together, (group + 1) * together))
        a = design[left].T @ (design[left] * weights[left, None]) + np.diag(penalty)
        off = found - np.linalg.solve(a, design[left].T @ (values[left] * weights[left, None]))
        expected += np.einsum("jt,kt->jkt", off, off) * (n_groups - 1) / n_groups
    np.testing.assert_allclose(covariance, expected, rtol=1e-6, atol=1e-12)
