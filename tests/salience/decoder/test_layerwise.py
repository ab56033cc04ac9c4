"""The backward pass by autograd, layer by layer, against the one that is written by hand."""

# pyright: standard

from __future__ import annotations

from typing import Any

import pytest
import torch

from promptlight.salience.decoder import _residual
from promptlight.salience.decoder.backward import pull_to_embeddings
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.layer import Activations, Layer
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.decoder.trace import trace_layers
from promptlight.salience.loading.keras.backbone import borrow_decoder
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids
from tests.support.newer_decoders import make_decoder

TOKENS = [(target, target + 1) for target in range(19)]
SPANS = [(0, 1), (1, 4), (6, 19)]  # no span has targets 4 and 5


def pull(decoder: Decoder, units: list[tuple[int, int]], *, by_hand: bool) -> torch.Tensor:
    """Random gradients by the outputs that predict 19 targets of a text of 50 tokens, back to the embeddings."""
    rows = torch.arange(30, 49)
    drawn = torch.randn(len(rows), decoder.width, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        trace = trace_layers(decoder, decoder.embed(torch.tensor(draw_ids(50))), rows, keep=True, by_hand=by_hand)
        return pull_to_embeddings(decoder, trace, units, drawn)


@pytest.mark.parametrize("units", [TOKENS, TOKENS[5:9], SPANS], ids=["tokens", "some", "spans"])
@pytest.mark.parametrize("family", FAMILIES)
def test_both_backward_passes_agree(family: str, units: list[tuple[int, int]]) -> None:
    decoder = convert_tensors(borrow_decoder(build_backbone(family)), torch.Tensor.detach)
    by_hand, layerwise = pull(decoder, units, by_hand=True), pull(decoder, units, by_hand=False)
    assert by_hand.shape == layerwise.shape
    assert (by_hand - layerwise).abs().max() < 5e-6 * by_hand.abs().max()


def test_a_gradient_keeps_float32_through_layers_of_bfloat16() -> None:
    exact = convert_tensors(borrow_decoder(build_backbone("gemma3")), torch.Tensor.detach)
    narrow = convert_tensors(exact, lambda tensor: tensor.to(torch.bfloat16))
    wanted = pull(exact, TOKENS, by_hand=True)
    errors = [(pull(narrow, TOKENS, by_hand=by_hand) - wanted).norm() / wanted.norm() for by_hand in (True, False)]
    assert errors[1] < 1.2 * errors[0]


@pytest.mark.parametrize("family", ["gemma4_e", "gemma3n"])
def test_above_the_top_layer_only_the_rows_that_predict_are_run(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those layers have no keys of their own, so nothing but the targets' rows is read there."""
    decoder, rows = make_decoder(build_backbone(family)), torch.arange(30, 49)
    run, seen = _residual.run_layer, list[int]()

    def count(layer: Layer, x: torch.Tensor, *arguments: Any, **options: Any) -> Activations:
        done = run(layer, x, *arguments, **options)
        seen.append(len(done.output))
        return done

    monkeypatch.setattr(_residual, "run_layer", count)
    with torch.no_grad():
        trace = trace_layers(decoder, decoder.embed(torch.tensor(draw_ids(50))), rows, keep=True)
    n_layers = len(decoder.layers)
    assert decoder.top < n_layers - 1
    assert seen == [50] * decoder.top + [len(rows)] * (n_layers - decoder.top)
    assert [len(x) for x in trace.row_inputs] == [len(rows)] * (n_layers - 1 - decoder.top)
