"""Gradients at other embeddings and of other quantities, against autograd and against what they must add up to."""

# pyright: standard

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.errors import UsageError
from promptlight.salience.gradients import compute as gradients
from promptlight.salience.gradients import smooth
from promptlight.salience.gradients._problem import Problem
from promptlight.salience.gradients.compute import GRADIENT_METHODS, Setting, compute_salience
from promptlight.salience.gradients.integrated import cut_path, make_baseline, place_probes
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.options.methods import Baseline, MethodOptions
from promptlight.salience.types import PAD_ID, Granularity, Method, Objective, SalienceMap, Segmentation
from tests.oracles import plain
from tests.oracles.tiny import build_backbone, draw_ids

P, T = 12, 18
IDS = draw_ids(T)
SPECIAL = [place in (0, 5) for place in range(T)]
LINES = Segmentation(granularity=Granularity.LINE, bounds=(0, P, 15, T))
CUTS = {Granularity.LINE: LINES}


@pytest.fixture(scope="module")
def backbone() -> Any:
    return build_backbone("gemma2", dtype="float64")


def frozen(backbone: Any) -> Decoder:
    return convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)


def explain(backbone: Any, method: Method, *, unit: Granularity = Granularity.TOKEN, **setting: Any) -> SalienceMap:
    setting = {"special": SPECIAL, **setting}
    found = compute_salience(
        frozen(backbone), IDS, P, CUTS, methods=(method,), setting=Setting(**setting), unit=unit, chunk=4
    )
    return found.maps[method]


def embeddings_of(backbone: Any) -> Tensor:
    return plain.embed(backbone, IDS).detach()


# ---- objectives -----------------------------------------------------------------------------------------------------


def quantity_of(backbone: Any, objective: Objective, log_probs: Tensor, target: int) -> Tensor:
    """The objective restated on log-probabilities [T, V]."""
    row = log_probs[target - 1]
    match objective:
        case Objective.PROB:
            return row[IDS[target]].exp()
        case Objective.ENTROPY:
            return -(row.exp() * row).sum()
        case Objective.KL:
            left = [id for place, id in enumerate(IDS[:target]) if place >= P or SPECIAL[place]]
            without = plain.log_probabilities(backbone, plain.embed(backbone, left)).detach()[-1]
            return (row.exp() * (row - without)).sum()
        case _:
            return row[IDS[target]]


@pytest.mark.parametrize("objective", [Objective.PROB, Objective.ENTROPY, Objective.KL])
def test_objectives_equal_autograd_on_the_reference(backbone: Any, objective: Objective) -> None:
    norms, products = (
        explain(backbone, method, objective=objective) for method in (Method.GRAD_L2, Method.GRAD_DOT_INPUT)
    )
    x = embeddings_of(backbone)
    assert norms.scores is not None
    assert products.scores is not None
    for target in (P, 14, T - 1):
        gradient = plain.gradient_of(backbone, x, lambda rows, t=target: quantity_of(backbone, objective, rows, t))
        assert norms.scores[target - P].tolist() == pytest.approx(gradient.norm(dim=-1).tolist(), rel=1e-5)
        expected = (gradient * x).sum(-1).tolist()
        assert products.scores[target - P].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("objective", [Objective.PROB, Objective.ENTROPY, Objective.KL])
def test_a_nudge_along_a_positive_score_raises_the_objective(backbone: Any, objective: Objective) -> None:
    """Central differences in float64: one source's embedding made longer and shorter."""
    scores = explain(backbone, Method.GRAD_DOT_INPUT, objective=objective).scores
    assert scores is not None
    target, step = 16, 1e-5
    for source in (3, 8, 15):
        sides: list[float] = []
        for sign in (1, -1):
            x = embeddings_of(backbone)
            x[source] *= 1 + sign * step
            sides.append(quantity_of(backbone, objective, plain.log_probabilities(backbone, x), target).item())
        assert scores[target - P, source] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-3)


def test_divergence_needs_something_left_of_the_prompt(backbone: Any) -> None:
    with pytest.raises(UsageError, match="found no special token"):
        explain(backbone, Method.GRAD_L2, objective=Objective.KL, special=[False] * T)


# ---- integrated gradients -------------------------------------------------------------------------------------------


def baseline_of(backbone: Any, kind: Baseline) -> Tensor:
    """Restated: special tokens as they are, all others one vector."""
    table = backbone.token_embedding.embeddings.value.detach().double()
    vectors = {Baseline.ZERO: torch.zeros(table.shape[1]), Baseline.MEAN: table.mean(0), Baseline.PAD: table[PAD_ID]}
    rows = [table[id] if special else vectors[kind].double() for id, special in zip(IDS, SPECIAL, strict=True)]
    return torch.stack(rows)


@pytest.mark.parametrize("kind", Baseline)
def test_integrated_gradients_add_up_to_the_change_and_say_by_how_much_they_miss(backbone: Any, kind: Baseline) -> None:
    options = MethodOptions(ig_steps=32, ig_baseline=kind)
    found = explain(backbone, Method.INTEGRATED_GRADIENTS, options=options)
    ends = [
        plain.log_probabilities(backbone, at).detach() for at in (embeddings_of(backbone), baseline_of(backbone, kind))
    ]
    changes = [(ends[0] - ends[1])[target - 1, IDS[target]].item() for target in range(P, T)]
    assert found.scores is not None
    sums = found.scores.sum(axis=1, dtype=np.float64)
    missed = found.completeness_error
    assert (sums - missed[Granularity.TOKEN]).tolist() == pytest.approx(changes, rel=1e-4, abs=1e-4)
    lines = found.span_scores[Granularity.LINE].sum(axis=1, dtype=np.float64)
    whole = [sum(changes[:3]), sum(changes[3:])]
    assert (lines - missed[Granularity.LINE]).tolist() == pytest.approx(whole, rel=1e-4, abs=1e-4)
    assert np.abs(missed[Granularity.TOKEN]).max() < 0.2 * np.abs(changes).max()
    assert (found.scores[:, SPECIAL] == 0).all()  # nothing was put in their place


def test_the_stated_gap_is_exact_in_float32_although_probes_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the path's two ends count for the gap; the probes between them may be rough."""
    narrow = build_backbone("gemma2")
    exactly: list[bool] = []
    run = Problem.run

    def watch(self: Problem, embeddings: Tensor, *, pulls: bool = True, exact: bool = True) -> Any:
        if not pulls:
            exactly.append(exact)
        return run(self, embeddings, pulls=pulls, exact=exact)

    monkeypatch.setattr(Problem, "run", watch)
    options = MethodOptions(ig_steps=8, ig_baseline=Baseline.ZERO)
    found = explain(narrow, Method.INTEGRATED_GRADIENTS, options=options)
    ends = [
        plain.log_probabilities(narrow, at).detach()
        for at in (embeddings_of(narrow), baseline_of(narrow, Baseline.ZERO))
    ]
    changes = [(ends[0] - ends[1])[target - 1, IDS[target]].item() for target in range(P, T)]
    assert found.scores is not None
    sums = found.scores.sum(axis=1, dtype=np.float64)
    assert (sums - found.completeness_error[Granularity.TOKEN]).tolist() == pytest.approx(changes, abs=2e-6)
    assert sorted(exactly) == [False] * (len(place_probes()) - 2) + [True]


def test_integrated_gradients_are_the_integral(backbone: Any) -> None:
    """Against Simpson's rule with autograd on the reference."""
    options = MethodOptions(ig_steps=200, ig_baseline=Baseline.PAD)
    found = explain(backbone, Method.INTEGRATED_GRADIENTS, options=options).scores
    assert found is not None
    x, start, target, n = embeddings_of(backbone), baseline_of(backbone, Baseline.PAD), 15, 200
    total = torch.zeros_like(x)
    for number in range(n + 1):
        weight = (1 if number in (0, n) else 4 if number % 2 else 2) / (3 * n)
        at = start + number / n * (x - start)
        total += weight * plain.gradient_of(backbone, at, lambda rows: rows[target - 1, IDS[target]])
    expected = ((x - start) * total).sum(-1)
    assert found[target - P].tolist() == pytest.approx(expected.tolist(), rel=5e-3, abs=2e-4)


def test_more_steps_miss_less(backbone: Any) -> None:
    missed: list[float] = []
    for n_steps in (4, 16, 64):
        options = MethodOptions(ig_steps=n_steps, ig_baseline=Baseline.ZERO)
        found = explain(backbone, Method.INTEGRATED_GRADIENTS, options=options)
        missed.append(float(np.abs(found.completeness_error[Granularity.TOKEN]).max()))
    assert missed[0] > 3 * missed[1] > 9 * missed[2]


def climb(places: np.ndarray) -> np.ndarray:
    """An objective that changes near the baseline alone, and one that changes slowly: [places, 2]."""
    return np.stack([np.tanh((places - 1e-3) / 2e-4), np.sin(places)], axis=1)


def test_the_path_is_cut_finely_where_the_objectives_change() -> None:
    bounds = cut_path(climb(place_probes()), 32)
    assert (bounds[0], bounds[-1]) == (0, pytest.approx(1))
    assert (np.diff(bounds) > 0).all()
    assert ((bounds > 2e-4) & (bounds < 2e-3)).sum() >= 12
    middles, step = (bounds[1:] + bounds[:-1]) / 2, 1e-7
    slopes = (climb(middles + step) - climb(middles - step)) / (2 * step)
    total = (slopes * np.diff(bounds)[:, None]).sum(axis=0)
    assert total.tolist() == pytest.approx((climb(np.ones(1)) - climb(np.zeros(1)))[0].tolist(), rel=0.06)


def test_a_path_without_any_change_is_cut_too() -> None:
    bounds = cut_path(np.zeros((len(place_probes()), 3)), 7)
    assert len(bounds) == 8
    assert (np.diff(bounds) > 0).all()


def test_a_baseline_is_of_the_embeddings_dtype_and_leaves_special_tokens_alone(backbone: Any) -> None:
    decoder = convert_tensors(frozen(backbone), torch.Tensor.bfloat16)
    x = decoder.embed(torch.tensor(IDS[:-1])).float()
    for kind in Baseline:
        placed = make_baseline(decoder, x, SPECIAL, kind)
        assert placed.dtype == torch.float32
        assert torch.equal(placed[[0, 5]], x[[0, 5]])
        assert (placed[1] == placed[2]).all()


# ---- smoothgrad -----------------------------------------------------------------------------------------------------


def test_smoothgrad_is_the_mean_of_norms_at_the_noisy_embeddings(
    backbone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The noise is caught on its way; the norms there are autograd's, for tokens and for whole lines."""
    caught: list[Tensor] = []

    def catch(score_at: Any, x: Tensor, special: Sequence[bool], **options: Any) -> Any:
        def watched(embeddings: Tensor) -> Any:
            caught.append(embeddings.clone())
            return score_at(embeddings)

        return smooth.smooth_gradients(watched, x, special, **options)

    monkeypatch.setattr(gradients, "smooth_gradients", catch)
    options = MethodOptions(smoothgrad_samples=4, smoothgrad_noise=0.2)
    found = explain(backbone, Method.SMOOTHGRAD, options=options)
    assert len(caught) == 4
    assert found.scores is not None
    last = embeddings_of(backbone)[-1:]
    for target, row, errors in (
        ((14,), found.scores[14 - P], found.standard_errors[Granularity.TOKEN][14 - P]),
        ((15, 16, 17), found.span_scores[Granularity.LINE][1], found.standard_errors[Granularity.LINE][1]),
    ):
        norms = torch.stack(
            [
                plain.gradient_of(
                    backbone,
                    torch.cat([at, last]),
                    lambda rows, t=target: torch.stack([rows[n - 1, IDS[n]] for n in t]).sum(),
                ).norm(dim=-1)
                for at in caught
            ]
        )
        assert row.tolist() == pytest.approx(norms.mean(0).tolist(), rel=1e-5)
        assert errors.tolist() == pytest.approx((norms.std(0) / 2).tolist(), rel=1e-4, abs=1e-9)


def test_the_noise_is_as_large_as_was_asked_for_and_spares_special_tokens() -> None:
    x = torch.randn(60, 200, generator=torch.Generator().manual_seed(0)) * 3
    special = [place % 10 == 0 for place in range(60)]
    seen: list[Tensor] = []

    def score_at(embeddings: Tensor) -> Any:
        seen.append(embeddings - x)
        return {Granularity.TOKEN: np.zeros((1, 61))}

    for seed in ("1", "1", "2"):
        smooth.smooth_gradients(score_at, x, special, n_samples=2, noise=0.1, seed=seed)
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[4])
    assert seen[0][special].abs().max() == 0
    spread = seen[0][[not kept for kept in special]].std().item()
    assert spread == pytest.approx(0.1 * x.std().item(), rel=0.03)


def test_the_standard_error_is_what_other_seeds_differ_by(backbone: Any) -> None:
    runs = [
        explain(backbone, Method.SMOOTHGRAD, options=MethodOptions(smoothgrad_samples=8, smoothgrad_noise=0.3, seed=n))
        for n in range(16)
    ]
    scores = [found.scores for found in runs if found.scores is not None]
    assert len(scores) == 16
    spread = np.std(scores, axis=0, ddof=1)
    errors = np.sqrt(np.mean([np.square(found.standard_errors[Granularity.TOKEN]) for found in runs], axis=0))
    seen = errors > 0
    ratios = spread[seen] / errors[seen]
    assert np.median(ratios) == pytest.approx(1, abs=0.15)
    assert 0.4 < ratios.min() <= ratios.max() < 2


def test_next_to_no_noise_gives_the_plain_norm(backbone: Any) -> None:
    options = MethodOptions(smoothgrad_samples=2, smoothgrad_noise=1e-7)
    smoothed, sharp = explain(backbone, Method.SMOOTHGRAD, options=options), explain(backbone, Method.GRAD_L2)
    assert smoothed.scores == pytest.approx(sharp.scores, rel=1e-4)


# ---- all of them ----------------------------------------------------------------------------------------------------


def test_methods_asked_for_together_are_the_same_as_alone_and_in_order(backbone: Any) -> None:
    options = MethodOptions(ig_steps=3, smoothgrad_samples=2)
    methods = tuple(reversed(GRADIENT_METHODS))
    setting = Setting(special=SPECIAL, options=options)
    together = compute_salience(frozen(backbone), IDS, P, CUTS, methods=methods, setting=setting).maps
    assert tuple(together) == methods
    for method in methods:
        alone = explain(backbone, method, options=options)
        assert together[method].scores == pytest.approx(alone.scores, rel=1e-6)
        for granularity, rows in alone.span_scores.items():
            assert together[method].span_scores[granularity] == pytest.approx(rows, rel=1e-6)


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_one_backward_per_line_gives_the_same_lines(backbone: Any, method: Method) -> None:
    options = MethodOptions(ig_steps=3, smoothgrad_samples=2)
    by_token = explain(backbone, method, options=options)
    by_line = explain(backbone, method, options=options, unit=Granularity.LINE)
    line = Granularity.LINE
    assert by_line.scores is None
    assert by_line.span_scores[line] == pytest.approx(by_token.span_scores[line], rel=1e-5, abs=1e-9)
    for name in ("standard_errors", "completeness_error"):
        whole, alone = getattr(by_token, name), getattr(by_line, name)
        assert alone.keys() == whole.keys() & {line}
        if alone:
            assert alone[line] == pytest.approx(whole[line], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ig_steps": 0}, "1 or more steps"),
        ({"smoothgrad_samples": 1}, "2 or more samples"),
        ({"smoothgrad_noise": 0.0}, "noise to be above 0"),
        ({"smoothgrad_noise": math.nan}, "noise to be above 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        MethodOptions(**options)
