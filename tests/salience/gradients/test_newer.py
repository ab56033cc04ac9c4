"""Gemma 4 and 3n: scores are float64 autograd over a plain reference by the rows of both tables."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.gradients.smooth import smooth_gradients
from promptlight.salience.options.methods import Baseline, EmbeddingPart, MethodOptions
from promptlight.salience.text.contrast import contrast_ids
from promptlight.salience.types import PAD_ID, FloatArray, Granularity, Method, Objective, SalienceMap, Segmentation
from tests.oracles import plain
from tests.oracles.tiny import FULL, NEWER_FAMILIES, SLIDING, build_backbone, draw_ids
from tests.oracles.weights import read_weights
from tests.support.newer_decoders import make_decoder

P, T = 37, 50
IDS = [299, *draw_ids(T - 1)]  # Gemma 3n has no row of its own for 299 in the table of per-layer embeddings
SPECIAL = [place in (0, 5) for place in range(T)]
WORDS = Segmentation(granularity=Granularity.WORD, bounds=(0, 1, 20, 37, 38, 41, 44, 50))
LINES = Segmentation(granularity=Granularity.LINE, bounds=(0, 37, 50))
CUTS = {Granularity.WORD: WORDS, Granularity.LINE: LINES}


@pytest.fixture(scope="module", params=NEWER_FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Any:
    return build_backbone(request.param)


@pytest.fixture(scope="module")
def decoder(backbone: Any) -> Decoder:
    return make_decoder(backbone)


@pytest.fixture(scope="module")
def gradients(backbone: Any) -> Tensor:
    """By raw rows, [G, T, W]."""
    return plain.gradients(backbone, IDS, P)


def explain(decoder: Decoder, method: Method, **options: Any) -> SalienceMap:
    options["setting"] = Setting(**options.pop("setting", {}))
    return compute_salience(decoder, IDS, P, CUTS, methods=(method,), **options).maps[method]


def row_errors(scores: FloatArray | None, expected: Tensor) -> Tensor:
    """Relative error of each row."""
    assert scores is not None
    difference = torch.from_numpy(scores).double() - expected
    return difference.norm(dim=1) / expected.norm(dim=1)


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_norms_are_of_the_joint_gradient_as_it_enters(
    backbone: Any, decoder: Decoder, gradients: Tensor, chunk: int
) -> None:
    expected = plain.as_entering(backbone, gradients).norm(dim=-1)
    scores = explain(decoder, Method.GRAD_L2, chunk=chunk).scores
    assert row_errors(scores, expected).max() < 1e-6
    assert scores is not None
    assert all((scores[target - P, target:] == 0).all() for target in range(P, T))


def test_float32_rounds_only(backbone: Any, gradients: Tensor) -> None:
    expected = plain.as_entering(backbone, gradients).norm(dim=-1)
    scores = explain(make_decoder(backbone, torch.float32), Method.GRAD_L2).scores
    assert row_errors(scores, expected).max() < 1e-5


def test_layers_that_run_again_in_small_blocks_give_the_same(
    backbone: Any, decoder: Decoder, gradients: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlight.salience.gradients._problem.keeps_activations", lambda *_: False)
    monkeypatch.setattr("promptlight.salience.decoder.layer.CPU_ROW_BLOCK", 12)
    monkeypatch.setattr("promptlight.salience.decoder.attention.CPU_QUERY_BLOCK", 7)
    expected = plain.as_entering(backbone, gradients).norm(dim=-1)
    assert row_errors(explain(decoder, Method.GRAD_L2).scores, expected).max() < 1e-6


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("gemma4", {"layer_types": [FULL], "num_layers": 1}),
        ("gemma4", {"num_global_key_value_heads": None, "global_head_dim": None}),
        ("gemma4_e", {"layer_types": [SLIDING, FULL, SLIDING, SLIDING, SLIDING, FULL], "num_layers": 6}),
        ("gemma4_e", {"layer_types": [FULL, FULL], "num_layers": 2, "num_kv_shared_layers": 1}),
        ("gemma4_e", {"num_kv_shared_layers": 0}),
        ("gemma4_e", {"hidden_size_per_layer_input": 0}),
        ("gemma4_moe", {"hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2}),
        ("gemma3n", {"layer_types": [SLIDING, FULL, SLIDING, SLIDING, SLIDING, FULL], "altup_num_inputs": 2}),
        ("gemma3n", {"num_kv_shared_layers": 0, "intermediate_size": [64, 64, 128, 64, 32, 64]}),
    ],
)
def test_other_sources_and_sizes_equal_the_reference_too(family: str, options: dict[str, Any]) -> None:
    """Such as keys and values that are read from far below, or by no other layer."""
    model = build_backbone(family, **options)
    expected = plain.grad_l2(model, IDS, P)
    assert row_errors(explain(make_decoder(model), Method.GRAD_L2).scores, expected).max() < 1e-6


def test_products_are_of_both_rows(backbone: Any, decoder: Decoder, gradients: Tensor) -> None:
    expected = (gradients * plain.embed(backbone, IDS).detach()).sum(dim=-1)
    assert row_errors(explain(decoder, Method.GRAD_DOT_INPUT).scores, expected).max() < 1e-6


@pytest.mark.parametrize("backbone", ["gemma4", "gemma4_e", "gemma3n"], indirect=True)
def test_the_main_part_alone_is_what_a_backward_by_the_main_rows_gives(
    backbone: Any, decoder: Decoder, gradients: Tensor
) -> None:
    setting: dict[str, Any] = {"options": MethodOptions(embedding=EmbeddingPart.MAIN)}
    main, rows = gradients[..., :32], plain.embed(backbone, IDS).detach()[:, :32]
    norms, products = (explain(decoder, method, setting=setting) for method in (Method.GRAD_L2, Method.GRAD_DOT_INPUT))
    assert row_errors(norms.scores, main.norm(dim=-1)).max() < 1e-6
    assert row_errors(products.scores, (main * rows).sum(dim=-1)).max() < 1e-6
    of_the_completion = plain.span_gradient(backbone, IDS, P, T)[:, :32].norm(dim=-1)
    found = norms.span_scores[Granularity.LINE][0].tolist()
    assert found == pytest.approx(of_the_completion.tolist(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("chunk", [1, 4, 13])
def test_span_scores_equal_one_backward_of_the_spans_summed_log_probability(
    backbone: Any, decoder: Decoder, chunk: int
) -> None:
    found = explain(decoder, Method.GRAD_L2, chunk=chunk)
    for granularity, cut in CUTS.items():
        targets = [cut.ranges()[number] for number in cut.spans_from(P)]
        for row, (start, stop) in zip(found.span_scores[granularity], targets, strict=True):
            gradient = plain.as_entering(backbone, plain.span_gradient(backbone, IDS, start, stop))
            assert row.tolist() == pytest.approx(gradient.norm(dim=-1).tolist(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("backbone", ["gemma4_e", "gemma3n"], indirect=True)
def test_a_contrast_has_the_gradient_of_the_whole_difference(backbone: Any, decoder: Decoder) -> None:
    foil = draw_ids(5, seed=8)
    rows = plain.embed(backbone, IDS)
    own = plain.embed(backbone, [*IDS[:44], *foil]).detach()[44:]
    target, other = (plain.log_probabilities(backbone, x) for x in (rows, torch.cat([rows[:44], own])))
    difference = sum(target[n - 1, IDS[n]] for n in range(44, 48)) - sum(other[43 + n, foil[n]] for n in range(5))
    (gradient,) = torch.autograd.grad(torch.as_tensor(difference), rows)
    found = explain(decoder, Method.GRAD_L2, setting={"contrast": contrast_ids(IDS, 44, 48, foil)}, chunk=3)
    expected = plain.as_entering(backbone, gradient).norm(dim=-1)
    row = found.span_scores[Granularity.LINE][0]
    assert row.tolist() == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("objective", [Objective.PROB, Objective.ENTROPY, Objective.LOGIT])
def test_objectives_equal_autograd_on_the_reference(backbone: Any, decoder: Decoder, objective: Objective) -> None:
    def quantity(log_probs: Tensor) -> Tensor:
        row = log_probs[target - 1]
        return row[IDS[target]].exp() if objective is Objective.PROB else -(row.exp() * row).sum()

    scores = explain(decoder, Method.GRAD_L2, setting={"objective": objective}).scores
    assert scores is not None
    for target in (P, 44, T - 1):
        if objective is Objective.LOGIT:
            rows = plain.embed(backbone, IDS)
            (gradient,) = torch.autograd.grad(plain.logits(backbone, rows)[target - 1, IDS[target]], rows)
        else:
            gradient = plain.gradient_of(backbone, plain.embed(backbone, IDS), quantity)
        expected = plain.as_entering(backbone, gradient).norm(dim=-1)
        assert scores[target - P].tolist() == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-9)


def test_one_backward_per_word_gives_the_same_word_scores(decoder: Decoder) -> None:
    by_token = explain(decoder, Method.GRAD_L2).span_scores[Granularity.WORD]
    by_word = explain(decoder, Method.GRAD_L2, unit=Granularity.WORD, chunk=3).span_scores[Granularity.WORD]
    assert by_word == pytest.approx(by_token, rel=1e-5)


# ---- integrated gradients, on a short text --------------------------------------------------------------------------

SHORT, WRITTEN = 12, range(9, 12)


def baseline_of(backbone: Any, kind: Baseline) -> Tensor:
    """Restated: special tokens as they are, all others one row."""
    weights = read_weights(backbone)
    tables = [weights[name] for name in ("embedding", "table") if name in weights.tensors]
    vectors = {
        Baseline.ZERO: torch.cat([torch.zeros(table.shape[1]) for table in tables]).double(),
        Baseline.MEAN: torch.cat([table.mean(dim=0) for table in tables]),
        Baseline.PAD: torch.cat([table[PAD_ID] for table in tables]),
    }
    rows = plain.embed(backbone, IDS[:SHORT]).detach()
    return torch.stack([row if special else vectors[kind] for row, special in zip(rows, SPECIAL, strict=False)])


def find_changes(backbone: Any, kind: Baseline, *, main_only: bool = False) -> NDArray[np.float64]:
    """How much higher each target's log-probability is at the text than at the baseline."""
    rows, baseline = plain.embed(backbone, IDS[:SHORT]).detach(), baseline_of(backbone, kind)
    if main_only:
        baseline[:, 32:] = rows[:, 32:]
    end, start = (plain.log_probabilities(backbone, at).detach() for at in (rows, baseline))
    return np.array([(end - start)[target - 1, IDS[target]].item() for target in WRITTEN])


def integrate(
    decoder: Decoder, kind: Baseline, n_steps: int, part: EmbeddingPart = EmbeddingPart.JOINT
) -> tuple[NDArray[np.float64], FloatArray]:
    """The sums of the scores, and by how much they are said to miss the changes."""
    options = MethodOptions(ig_steps=n_steps, ig_baseline=kind, embedding=part)
    setting = Setting(special=SPECIAL[:SHORT], options=options)
    method = Method.INTEGRATED_GRADIENTS
    found = compute_salience(decoder, IDS[:SHORT], WRITTEN.start, {}, methods=(method,), setting=setting).maps[method]
    assert found.scores is not None
    assert (found.scores[:, SPECIAL[:SHORT]] == 0).all()  # nothing was put in their place
    return found.scores.sum(axis=1, dtype=np.float64), found.completeness_error[Granularity.TOKEN]


@pytest.mark.parametrize("kind", Baseline)
def test_integrated_gradients_say_by_how_much_they_miss_the_change_of_both_rows(
    backbone: Any, decoder: Decoder, kind: Baseline
) -> None:
    sums, missed = integrate(decoder, kind, 4)
    assert (sums - missed).tolist() == pytest.approx(find_changes(backbone, kind).tolist(), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("backbone", ["gemma4_e", "gemma3n"], indirect=True)
def test_the_path_of_the_main_part_alone_holds_the_other_rows(backbone: Any, decoder: Decoder) -> None:
    sums, missed = integrate(decoder, Baseline.MEAN, 4, EmbeddingPart.MAIN)
    changes = find_changes(backbone, Baseline.MEAN, main_only=True)
    assert (sums - missed).tolist() == pytest.approx(changes.tolist(), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("backbone", ["gemma4", "gemma4_e"], indirect=True)
def test_more_steps_miss_next_to_nothing_where_the_model_is_smooth(backbone: Any, decoder: Decoder) -> None:
    """A router of experts jumps, so that there no number of steps would do."""
    few, many = (np.abs(integrate(decoder, Baseline.PAD, n_steps)[1]).max() for n_steps in (12, 60))
    assert many < 0.3 * few
    assert many < 0.1 * np.abs(find_changes(backbone, Baseline.PAD)).max()


# ---- smoothgrad -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["gemma4_e", "gemma3n"], indirect=True)
def test_smoothgrad_is_the_mean_of_norms_where_both_rows_are_noisy(
    backbone: Any, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[Tensor] = []

    def catch(score_at: Any, x: Tensor, special: Sequence[bool], **options: Any) -> Any:
        def watched(embeddings: Tensor) -> Any:
            caught.append(embeddings.clone())
            return score_at(embeddings)

        return smooth_gradients(watched, x, special, **options)

    monkeypatch.setattr("promptlight.salience.gradients.compute.smooth_gradients", catch)
    options = MethodOptions(smoothgrad_samples=3, smoothgrad_noise=0.05)
    found = explain(decoder, Method.SMOOTHGRAD, setting={"special": SPECIAL, "options": options}).scores
    assert found is not None
    rows = plain.embed(backbone, IDS).detach()
    units = plain.as_entering(backbone, torch.ones_like(rows)[:1])
    noise = torch.stack(caught) * units - rows[:-1]  # of the rows as they are stored
    assert noise[:, SPECIAL[:-1]].abs().max() < 1e-12
    assert noise[:, 1].abs().min() > 1e-9
    for target in (P, T - 1):
        norms = [
            plain.as_entering(
                backbone,
                plain.gradient_of(
                    backbone, torch.cat([rows[:-1] + one, rows[-1:]]), lambda rows, t=target: rows[t - 1, IDS[t]]
                ),
            ).norm(dim=-1)
            for one in noise
        ]
        assert found[target - P].tolist() == pytest.approx(torch.stack(norms).mean(0).tolist(), rel=1e-5, abs=1e-9)
