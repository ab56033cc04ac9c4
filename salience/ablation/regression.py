"""Fit linear models to the values of ablations: weighted ridge and lasso, each with standard errors.

This is plain numpy, because captum, which has LIME and Kernel SHAP, needs matplotlib to import and scikit-learn (with
scipy) to fit, and explains one target at a time.

Shapes: n ablations, k columns of the design, t targets that share it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.statistics import WideArray

N_RESAMPLES = 50
MAX_SWEEPS, TOLERANCE = 500, 1e-6


def fit_ridge(
    design: WideArray, values: WideArray, weights: WideArray, penalty: WideArray, *, together: int = 1
) -> tuple[WideArray, WideArray]:
    """Coefficients [k, t] and the covariance of their estimate [k, k, t].

    Minimises sum_i w_i (y_i - x_i b)^2 + sum_j penalty_j b_j^2 for design [n, k], values [n, t], weights [n],
    penalty [k]. The covariance is the jackknife's (the sandwich CR3 of Bell and McCaffrey 2002), which is valid even if
    the linear model is wrong. ``together`` consecutive rows were drawn jointly, and n is a multiple of it.
    """
    scaled, wanted = design * np.sqrt(weights)[:, None], values * np.sqrt(weights)[:, None]
    inverse = np.linalg.inv(scaled.T @ scaled + np.diag(penalty))
    coefficients = inverse @ (scaled.T @ wanted)
    groups = scaled.reshape(-1, together, scaled.shape[1])  # [g, together, k]
    residuals = (wanted - scaled @ coefficients).reshape(-1, together, wanted.shape[1])
    # how the coefficients would change if each group were left out of the fit
    left = np.eye(together) * (1 + 1e-9) - groups @ inverse @ groups.transpose(0, 2, 1)
    pulls = inverse @ groups.transpose(0, 2, 1) @ np.linalg.solve(left, residuals)  # [g, k, t]
    n_groups = len(groups)
    return coefficients, np.einsum("gjt,gkt->jkt", pulls, pulls) * (n_groups - 1) / n_groups


def fit_lasso(
    design: WideArray, values: WideArray, penalty: WideArray, allowed: NDArray[np.bool_], stream: np.random.Generator
) -> tuple[WideArray, WideArray]:
    """Coefficients [t, k] and their standard errors [t, k].

    Minimises sum_i (y_i - a - x_i b)^2 / 2n + penalty sum_j sd_j |b_j|: each target has its penalty [t] and its
    allowed columns [t, k]. Columns are penalised in units of their standard deviation, as if standardised. The standard
    error is the standard deviation over ``N_RESAMPLES`` bootstrap samples of the ablations.
    """
    n = len(design)
    (coefficients,) = _fit_samples(design, values, penalty, allowed, np.full((1, n), 1 / n))
    resampled = stream.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES) / n
    return coefficients, _fit_samples(design, values, penalty, allowed, resampled).std(axis=0, ddof=1)


def _fit_samples(
    design: WideArray, values: WideArray, penalty: WideArray, allowed: NDArray[np.bool_], shares: WideArray
) -> WideArray:
    """The lasso for each weighting of the rows: ``shares`` [samples, n], each adding up to 1 -> [samples, t, k]."""
    grams, crosses = zip(*(_second_moments(design, values, share) for share in shares), strict=True)
    gram, cross = np.stack(grams), np.stack(crosses)
    spread = np.sqrt(np.maximum(np.diagonal(gram, axis1=1, axis2=2), 0))[:, None]  # [samples, 1, k]
    varies = spread > 1e-9
    unit = np.where(varies, spread, 1)
    scaled = gram / (unit * unit.transpose(0, 2, 1))
    return descend_coordinates(scaled, cross / unit, penalty, allowed & varies) / unit


def _second_moments(design: WideArray, values: WideArray, share: WideArray) -> tuple[WideArray, WideArray]:
    """Covariances of the columns with each other [k, k] and of the values with the columns [t, k]."""
    around = design - share @ design
    weighted = around * share[:, None]
    return weighted.T @ around, (values - share @ values).T @ weighted


def descend_coordinates(gram: WideArray, cross: WideArray, penalty: WideArray, free: NDArray[np.bool_]) -> WideArray:
    """Minimise b G b / 2 - c b + penalty |b|_1 over the ``free`` columns, with the others 0: [m, t, k].

    Update one column after the other until nothing moves (Friedman et al. 2007, "Pathwise coordinate optimization").
    The m problems have G = ``gram`` [m, k, k], with 1 on the diagonal of free columns, c = ``cross`` [m, t, k] and
    ``penalty`` [t].
    """
    coefficients = np.zeros_like(cross)
    free = np.broadcast_to(free, cross.shape)
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for column in np.flatnonzero(free.any(axis=(0, 1))):
            before = coefficients[..., column].copy()
            others = (coefficients @ gram[:, :, column, None])[..., 0] - before * gram[:, None, column, column]
            pull = cross[..., column] - others
            shrunk = np.sign(pull) * np.maximum(np.abs(pull) - penalty, 0)
            coefficients[..., column] = np.where(free[..., column], shrunk, 0)
            largest = max(largest, float(np.abs(coefficients[..., column] - before).max()))
        if largest <= TOLERANCE * max(1e-12, float(np.abs(coefficients).max())):
            break
    return coefficients
