"""A Gemma decoder in plain torch.

 1. Embed the tokens and multiply by sqrt(D) (``embed``, ``scale_embeddings``).
 2. Run the layers (``layer.py``), with heads rotated by their positions (``angles``).
 3. Apply the final norm, the product with the head and the soft-cap (``logits``).

Gemma 1, Gemma 2 and the text part of Gemma 3 differ only in options of the layers: norms after each half, norms of
queries and keys, soft-caps, sliding windows, RoPE wavelengths. So nothing here needs a model's name.

What this module does NOT know: where weights come from, tokens, sampling, salience.

Shapes: T positions, D width, V vocabulary, C targets.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder._output_head import backward_head, multiply_by_head
from promptlight.salience.decoder._soft_cap import backward_soft_cap, soft_cap
from promptlight.salience.decoder.layer import Layer, run_layer
from promptlight.salience.decoder.norms import Norm, backward_norm, rms_norm
from promptlight.salience.decoder.rope import Angles, Rope, rope_angles
from promptlight.salience.decoder.tensors import at_least_float32


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A whole Gemma text decoder."""

    embedding: Tensor  # [V, D]
    own_head: Tensor | None  # [V, D]; None: logits are products with the embedding (a tied head)
    layers: tuple[Layer, ...]
    final_norm: Norm  # [D]
    final_soft_cap: float | None

    @property
    def head(self) -> Tensor:
        """The output row of each token [V, D]: the model's own head, or the embedding."""
        return self.embedding if self.own_head is None else self.own_head

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings before Gemma's sqrt(D) factor: ids [..., T] -> [..., T, D]."""
        return torch.nn.functional.embedding(ids, self.embedding)

    def hidden(self, embeddings: Tensor) -> Tensor:
        """Run all layers over whole sequences: unscaled embeddings [..., T, D] -> last layer's output [..., T, D]."""
        angles = self.angles(torch.arange(embeddings.shape[-2], device=embeddings.device))
        x = self.scale_embeddings(embeddings)
        for layer in self.layers:
            x = run_layer(layer, x, angles[layer.rope]).output
        return x

    def angles(self, positions: Tensor, dtype: torch.dtype | None = None) -> dict[Rope, Angles]:
        """Rotary angles of these positions [...] for each kind of RoPE; by default in the weights' dtype."""
        kinds = {layer.rope for layer in self.layers}
        return {rope: rope_angles(rope, positions, dtype or self.embedding.dtype) for rope in kinds}

    @functools.cached_property
    def embedding_scale(self) -> float:
        """sqrt(D), rounded to the model's dtype as Keras rounds it."""
        return torch.tensor(math.sqrt(self.embedding.shape[1]), dtype=self.embedding.dtype).item()

    def scale_embeddings(self, embeddings: Tensor) -> Tensor:
        """Multiply embeddings by sqrt(D), Gemma's first step."""
        return embeddings * self.embedding_scale

    def logits(self, hidden: Tensor) -> Tensor:
        """Final norm, product with the head and soft-cap: [..., D] -> [..., V]."""
        normed = rms_norm(hidden, self.final_norm)
        product = multiply_by_head(normed.reshape(-1, normed.shape[-1]), self.head)
        return soft_cap(product, self.final_soft_cap).view(*hidden.shape[:-1], -1)

    @property
    def itemsizes(self) -> tuple[int, int]:
        """Bytes of a number in the weights' dtype, and in the wide one."""
        dtype = self.embedding.dtype
        return dtype.itemsize, at_least_float32(dtype).itemsize


def backward_logits(decoder: Decoder, output: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """Through ``Decoder.logits``: gradient by capped logits [C, V] -> by the last layer's output rows [C, D]."""
    by_product = backward_soft_cap(logits, decoder.final_soft_cap, gradient)
    by_output = backward_norm(output, decoder.final_norm, backward_head(decoder.head, by_product))
    return by_output.to(at_least_float32(decoder.embedding.dtype))


def count_logits_bytes(decoder: Decoder, itemsize: int) -> int:
    """One target's logits, the gradient by them and temporaries: 6 V numbers of this many bytes."""
    return 6 * decoder.head.shape[0] * itemsize
