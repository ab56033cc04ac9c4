"""The row of streams, by hand."""

# pyright: standard

from __future__ import annotations

import numpy as np
import torch

from promptlight.salience.ablation.streams import lay_out_streams


def test_the_example_of_streams_is_what_is_laid_out() -> None:
    layout = lay_out_streams((0, 1, 3, 5), ((4, 5), (1, 3)), torch.device("cpu"))
    assert layout.tokens.tolist() == [0, 1, 2, 1, 3]
    assert layout.streams.tolist() == [0, 0, 0, 1, 2]
    predictors = dict(zip(layout.rows.tolist(), layout.next_tokens.tolist(), strict=True))
    assert predictors == {0: 1, 3: 2, 4: 4}
    np.testing.assert_array_equal(layout.members @ layout.next_tokens.numpy(), [4, 3])
