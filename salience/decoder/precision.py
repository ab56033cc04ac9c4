"""Keep precision when the model is certain.

A certain token's gradient depends on 1 - p, and float32 already rounds that in the forward pass. So for float32 on a
CPU the forward pass runs in float64, one layer's weights converted at a time, and so do the logits that matter: the
target's and its strongest rivals'. Everything saved for the backward pass is float32 again. That reduces the error from
about 2e-5 to below 1e-6 for a few percent of the time (``docs/engine.md`` has the figures). GPUs keep their dtype: many
have no fast float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from promptlight.salience.decoder._output_head import multiply_by_head
from promptlight.salience.decoder._soft_cap import soft_cap
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import at_least_float32

N_RIVALS = 64


def forward_dtype(decoder: Decoder) -> torch.dtype:
    """The dtype for the forward pass of an explanation."""
    dtype = decoder.embedding.dtype
    return torch.float64 if dtype is torch.float32 and decoder.embedding.device.type == "cpu" else dtype


def exact_logits(decoder: Decoder, output: Tensor, ids: Tensor) -> Tensor:
    """Capped logits [C, V] of the last layer's output rows [C, S D] with targets ``ids`` [C], float32 or better.

    If ``output`` is wider than the weights, each target and the ``N_RIVALS`` strongest tokens are recomputed at its
    width.
    """
    head = decoder.head
    normed = decoder.normalise(output)
    wide = at_least_float32(output.dtype)
    logits = multiply_by_head(normed.to(head.dtype), head).to(wide)
    if torch.finfo(output.dtype).eps < torch.finfo(head.dtype).eps:
        strongest = logits.topk(min(N_RIVALS, logits.shape[1]), dim=1).indices
        chosen = torch.cat([strongest, ids[:, None]], dim=1)  # [C, rivals + 1]
        again = head[chosen].to(wide) @ normed[:, :, None]
        logits.scatter_(1, chosen, again[..., 0])
    return soft_cap(logits, decoder.final_soft_cap)
