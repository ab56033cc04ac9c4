"""Ablations of Gemma 4 and 3n equal a run of the float64 reference on the text as edited, in both tables."""

# pyright: standard

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptlight.salience.ablation.forward import score_ablations
from promptlight.salience.ablation.streams import lay_out_streams
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.types import PAD_ID
from tests.oracles import plain
from tests.oracles.tiny import NEWER_FAMILIES, build_backbone, draw_ids
from tests.oracles.weights import read_weights
from tests.support.newer_decoders import make_decoder

T = 50
IDS = [299, *draw_ids(T - 1)]
BOUNDS = (0, 1, 6, 7, 20, 30, 37, 38, 41, 44, 50)  # the last four lie in what was written
TARGETS = ((37, 38), (38, 41), (39, 41), (45, 46), (38, 44), (37, 50), (49, 50))


def edit(backbone: Any, kept: NDArray[np.bool_], stop: int, ablate: AblationKind, start: int) -> Tensor:
    """Rows of the text up to ``stop``, without the removed spans that end by ``start`` or with a filler there."""
    gone = {
        place
        for number in np.flatnonzero(~kept)
        if BOUNDS[number + 2] <= start
        for place in range(BOUNDS[number + 1], BOUNDS[number + 2])
    }
    weights = read_weights(backbone)
    tables = [weights[name] for name in ("embedding", "table") if name in weights.tensors]
    pad, mean = torch.cat([table[PAD_ID] for table in tables]), torch.cat([table.mean(dim=0) for table in tables])
    rows = plain.embed(backbone, IDS[:stop]).detach()
    if ablate is AblationKind.DROP:
        return rows[[place for place in range(stop) if place not in gone]]
    rows[list(gone)] = pad if ablate is AblationKind.PAD else mean
    return rows


@pytest.mark.parametrize("ablate", AblationKind)
@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_one_forward_scores_every_target_as_if_the_text_had_been_edited_for_it(
    family: str, ablate: AblationKind
) -> None:
    backbone = build_backbone(family)
    kept = np.random.default_rng(0).random((3, len(BOUNDS) - 2)) < 0.5
    places = np.arange(T)
    spans = np.stack([(start <= places) & (places < stop) for start, stop in pairwise(BOUNDS[1:])])
    layout = lay_out_streams(BOUNDS, TARGETS, torch.device("cpu"))
    found = score_ablations(make_decoder(backbone), IDS, layout, spans, kept, ablate=ablate)
    for row, values in zip(kept, found, strict=True):
        for (start, stop), value in zip(TARGETS, values, strict=True):
            log_probs = plain.log_probabilities(backbone, edit(backbone, row, stop, ablate, start))
            first = len(log_probs) - (stop - start)
            expected = sum(log_probs[first - 1 + n, id].item() for n, id in enumerate(IDS[start:stop]))
            assert value == pytest.approx(expected, rel=1e-7, abs=1e-7)  # a table's mean is in float32
    assert np.ptp(found, axis=0).min() > 1e-3, "the ablations change every target"
