"""The norm by hand."""

# pyright: standard

from __future__ import annotations

import pytest
import torch

from promptlight.salience.decoder.norms import Norm, rms_norm


def test_rms_norm_by_hand() -> None:
    x = torch.tensor([3.0, 4.0])  # root mean square: sqrt(12.5)
    normed = rms_norm(x, Norm(torch.tensor([0.0, 1.0]), 0.0))
    assert normed.tolist() == pytest.approx([3 / 12.5**0.5, 2 * 4 / 12.5**0.5])
