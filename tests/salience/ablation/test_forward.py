"""Ablations against the float64 reference: the text is really edited, token by token, and one target is read off."""

# pyright: standard

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from promptlight.salience.ablation import forward as ablation
from promptlight.salience.ablation.forward import plan_batch, score_ablations
from promptlight.salience.ablation.streams import lay_out_streams
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.errors import OutOfMemoryError
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.types import PAD_ID, Objective
from tests.oracles import plain
from tests.oracles.reference import logits_from_embeddings
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids, in_dtype

T = 50
IDS = draw_ids(T)
BOUNDS = (0, 1, 6, 7, 20, 30, 37, 38, 41, 44, 50)  # the last four lie in what was written
# words of the text, a part of one, one token, a line of three words, the whole
TARGETS = ((37, 38), (38, 41), (39, 41), (45, 46), (38, 44), (37, 50), (49, 50))


def frozen(backbone: Any) -> Decoder:
    return convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)


def removable_spans() -> NDArray[np.bool_]:
    """Each span but the first, [S, T]."""
    places = np.arange(T)
    return np.stack([(start <= places) & (places < stop) for start, stop in pairwise(BOUNDS[1:])])


def draw_kept(n: int, seed: int = 0) -> NDArray[np.bool_]:
    kept = np.random.default_rng(seed).random((n, len(BOUNDS) - 2)) < 0.5
    kept[0], kept[1] = True, False
    return kept


def scores_of(decoder: Decoder, kept: NDArray[np.bool_], ablate: AblationKind, **options: Any) -> NDArray[np.float64]:
    layout = lay_out_streams(BOUNDS, TARGETS, torch.device("cpu"))
    return score_ablations(decoder, IDS, layout, removable_spans(), kept, ablate=ablate, **options)


def edited_logits(
    backbone: Any, kept: NDArray[np.bool_], start: int, stop: int, ablate: AblationKind
) -> tuple[torch.Tensor, list[int]]:
    """Logits [stop - start, V] that predict a target in a text that was edited before it, and its ids.

    Nothing after the span in which the target starts is touched, nor that span.
    """
    gone = {
        place
        for number in np.flatnonzero(~kept)
        if BOUNDS[number + 2] <= start
        for place in range(BOUNDS[number + 1], BOUNDS[number + 2])
    }
    table = backbone.token_embedding.embeddings.value.detach().double()
    rows = []
    for place in range(stop):
        if place in gone and ablate is AblationKind.DROP:
            continue
        filler = table[PAD_ID] if ablate is AblationKind.PAD else sum(table) / len(table)
        rows.append(filler if place in gone else table[IDS[place]])
    logits = logits_from_embeddings(backbone, torch.stack(rows))
    return logits[len(rows) - (stop - start) - 1 : len(rows) - 1], IDS[start:stop]


def edited_log_prob(backbone: Any, kept: NDArray[np.bool_], start: int, stop: int, ablate: AblationKind) -> float:
    logits, ids = edited_logits(backbone, kept, start, stop, ablate)
    return sum(row.log_softmax(-1)[id].item() for row, id in zip(logits, ids, strict=True))


@pytest.mark.parametrize("ablate", AblationKind)
@pytest.mark.parametrize("family", FAMILIES)
def test_one_forward_scores_every_target_as_if_the_text_had_been_edited_for_it(
    family: str, ablate: AblationKind
) -> None:
    backbone = build_backbone(family, dtype="float64")
    kept = draw_kept(4)
    expected = [[edited_log_prob(backbone, row, *target, ablate) for target in TARGETS] for row in kept]
    # Keras's float64 weights, our float64 forward; norms and softmax are in float64 in both
    found = scores_of(frozen(backbone), kept, ablate)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert np.ptp(found, axis=0).min() > 1e-3, "the ablations change every target"


@pytest.mark.parametrize("ablate", AblationKind)
def test_float32_rounds_only(ablate: AblationKind) -> None:
    backbone = build_backbone("gemma2")
    kept = draw_kept(6)
    exact = scores_of(frozen(in_dtype(backbone, "float64")), kept, ablate)
    np.testing.assert_allclose(scores_of(frozen(backbone), kept, ablate), exact, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("ablate", AblationKind)
@pytest.mark.parametrize("batch", [1, 3, 40])
def test_a_batch_changes_rounding_alone(ablate: AblationKind, batch: int) -> None:
    """With drop the rows have lengths from 2 to 50, and one batch holds several."""
    decoder, kept = frozen(build_backbone("gemma3", dtype="float64")), draw_kept(20)
    alone = np.concatenate([scores_of(decoder, row[None], ablate) for row in kept])
    np.testing.assert_allclose(scores_of(decoder, kept, ablate, batch=batch), alone, rtol=1e-10, atol=1e-10)


def test_rows_longer_than_a_block_of_queries_equal_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.salience.decoder.attention.CPU_QUERY_BLOCK", 7)
    backbone, kept = build_backbone("gemma2", dtype="float64"), draw_kept(3)[1:]
    for ablate in AblationKind:
        expected = [[edited_log_prob(backbone, row, *target, ablate) for target in TARGETS] for row in kept]
        np.testing.assert_allclose(scores_of(frozen(backbone), kept, ablate), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("objective", [Objective.LOGIT, Objective.MARGIN, Objective.LOSS])
def test_other_objectives_are_read_off_the_references_logits(objective: Objective) -> None:
    backbone, kept = build_backbone("gemma2", dtype="float64"), draw_kept(4)
    found = scores_of(frozen(backbone), kept, AblationKind.DROP, objective=objective)
    for row, values in zip(kept, found, strict=True):
        for target, value in zip(TARGETS, values, strict=True):
            logits, ids = edited_logits(backbone, row, *target, AblationKind.DROP)
            expected = 0.0
            for line, id in zip(logits.tolist(), ids, strict=True):
                best = max(score for other, score in enumerate(line) if other != id)
                expected += {
                    Objective.LOGIT: line[id],
                    Objective.MARGIN: line[id] - best,
                    Objective.LOSS: math.log(math.fsum(math.exp(score) for score in line)) - line[id],
                }[objective]
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_with_nothing_removed_the_scores_are_the_texts_own() -> None:
    backbone = build_backbone("gemma", dtype="float64")
    log_probs = plain.log_probabilities(backbone, plain.embed(backbone, IDS)).detach()
    expected = [sum(log_probs[place - 1, IDS[place]].item() for place in range(*target)) for target in TARGETS]
    for ablate in AblationKind:
        found = scores_of(frozen(backbone), np.ones((1, len(BOUNDS) - 2), dtype=bool), ablate)
        np.testing.assert_allclose(found[0], expected, rtol=1e-9)


def test_a_bigger_vocabulary_or_less_memory_makes_batches_smaller() -> None:
    decoder = frozen(build_backbone("gemma2"))
    sizes = [plan_batch(decoder, 60, n_rows, 100, free=30_000_000) for n_rows in (1, 400, 4000)]
    assert sizes[0] == ablation.CPU_ROWS
    assert sizes[0] > sizes[1] > sizes[2] == 1
    assert plan_batch(decoder, 60, 1, 3, free=30_000_000) == 3


def test_out_of_memory_halves_the_batch_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, kept = frozen(build_backbone("gemma2")), draw_kept(9)
    expected = scores_of(decoder, kept, AblationKind.DROP, batch=9)
    sizes: list[int] = []
    real = ablation._run

    def cramped(limit: int) -> Any:
        def run(decoder: Decoder, x: torch.Tensor, rows: Any) -> torch.Tensor:
            sizes.append(len(x))
            if len(x) > limit:
                raise torch.OutOfMemoryError("out of memory")
            return real(decoder, x, rows)

        return run

    monkeypatch.setattr(ablation, "_run", cramped(2))
    np.testing.assert_allclose(scores_of(decoder, kept, AblationKind.DROP, batch=9), expected, rtol=1e-5)
    assert sizes[:3] == [9, 4, 2]
    monkeypatch.setattr(ablation, "_run", cramped(0))
    with pytest.raises(OutOfMemoryError, match="out of memory"):
        scores_of(decoder, kept, AblationKind.DROP)
