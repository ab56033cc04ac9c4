"""A Gemma decoder in plain torch.

 1. Embed the tokens and multiply by sqrt(D) (``embed``, ``enter``).
 2. Run the layers (``_residual.py``, ``layer.py``), with heads rotated by their positions (``angles``).
 3. Apply the final norm, the product with the head and the soft-cap (``logits``).

Gemma 1 to 4 differ only in options of the layers: norms after each half, norms of queries, keys and values, soft-caps,
sliding windows, RoPE wavelengths, shared keys and values, experts. So nothing here needs a model's name.

Gemma 3n and the small Gemma 4 look each token up in a second table, too (``per_layer.py``). Then an embedding is one
wide row, (e, R sqrt(P / D)), and sqrt(D) times that is what enters the network. So gradients, baselines, noise and
fillers of a whole row need no special case.

What this module does NOT know: where weights come from, tokens, sampling, salience.

Shapes: T positions, D width, E width of an embedding (D, or D + n P with the second table), S streams, V vocabulary,
C targets.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder._autograd import record
from promptlight.salience.decoder._output_head import backward_head, multiply_by_head
from promptlight.salience.decoder._residual import Residual
from promptlight.salience.decoder._soft_cap import backward_soft_cap, soft_cap
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm, backward_norm, rms_norm
from promptlight.salience.decoder.per_layer import PerLayerInputs, mix_inputs
from promptlight.salience.decoder.rope import Angles, Rope, rope_angles
from promptlight.salience.decoder.streams import StreamEnds, join_streams, start_streams
from promptlight.salience.decoder.tensors import at_least_float32


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A whole Gemma text decoder."""

    embedding: Tensor  # [V, D]
    own_head: Tensor | None  # [V, D]; None: logits are products with the embedding (a tied head)
    layers: tuple[Layer, ...]
    final_norm: Norm  # [D]
    final_soft_cap: float | None
    per_layer: PerLayerInputs | None = None
    streams: StreamEnds | None = None

    @property
    def head(self) -> Tensor:
        """The output row of each token [V, D]: the model's own head, or the embedding."""
        return self.embedding if self.own_head is None else self.own_head

    @property
    def width(self) -> int:
        """D, the width of the residual stream."""
        return self.embedding.shape[1]

    @property
    def embedding_width(self) -> int:
        """E, the width of a whole embedding."""
        return self.width + (0 if self.per_layer is None else self.per_layer.table.width)

    @functools.cached_property
    def top(self) -> int:
        """The last layer that has keys and values of its own; above it, positions don't look at each other."""
        return max(number for number, layer in enumerate(self.layers) if layer.source is None)

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings before Gemma's sqrt(D) factor: ids [..., T] -> [..., T, E]."""
        main = torch.nn.functional.embedding(ids, self.embedding)
        return main if self.per_layer is None else self._widen(main, self.per_layer.table.read(ids))

    def mean_embedding(self) -> Tensor:
        """The mean of all tokens' embeddings, [E] in float32 or better."""
        main = self.embedding.mean(dim=0, dtype=at_least_float32(self.embedding.dtype))
        return main if self.per_layer is None else self._widen(main, self.per_layer.table.mean().to(main))

    def _widen(self, main: Tensor, rows: Tensor) -> Tensor:
        """One row of both tables, in float32 or better: main [..., D] and rows as they are stored [..., n P]."""
        assert self.per_layer is not None
        wide = at_least_float32(main.dtype)
        factor = math.sqrt(self.per_layer.row_width) / self.embedding_scale
        return torch.cat([main.to(wide), rows.to(wide) * factor], dim=-1)

    def hidden(self, embeddings: Tensor) -> Tensor:
        """Run all layers over whole sequences: unscaled embeddings [..., T, E] -> last layer's output [..., T, S D]."""
        residual = self.start(embeddings, self.angles(torch.arange(embeddings.shape[-2], device=embeddings.device)))
        for number in range(len(self.layers)):
            residual.run(number)
        return residual.x

    def angles(self, positions: Tensor, dtype: torch.dtype | None = None) -> dict[Rope, Angles]:
        """Rotary angles of these positions [...] for each kind of RoPE; by default in the weights' dtype."""
        kinds = {layer.rope for layer in self.layers}
        return {rope: rope_angles(rope, positions, dtype or self.embedding.dtype) for rope in kinds}

    @functools.cached_property
    def embedding_scale(self) -> float:
        """sqrt(D), rounded to the model's dtype as Keras rounds it."""
        return torch.tensor(math.sqrt(self.embedding.shape[1]), dtype=self.embedding.dtype).item()

    def start(self, embeddings: Tensor, angles: dict[Rope, Angles], dtype: torch.dtype | None = None) -> Residual:
        """The state before the first layer, from unscaled embeddings [..., T, E]; computed in the weights' dtype or
        another one."""
        x, own = self.enter(embeddings, dtype or self.embedding.dtype)
        return Residual(layers=self.layers, x=x, own=own, angles=angles, dtype=dtype)

    def enter(self, embeddings: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Multiply unscaled embeddings [..., E] by sqrt(D): the residual stream [..., S D], and the tokens' vectors for
        each layer [..., n, P] if there is a second table."""
        if self.per_layer is None:
            return self.spread(embeddings.to(dtype) * self.embedding_scale)
        scaled = embeddings.to(at_least_float32(dtype)) * self.embedding_scale  # R sqrt(P) is rounded once, at the end
        return self.spread(*(part.to(dtype) for part in scaled.tensor_split([self.width], dim=-1)))

    def spread(self, x: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The rest of ``enter``: from scaled embeddings x [..., D] and the second table's rows times sqrt(P)."""
        own = None
        if self.per_layer is not None and rows is not None:
            own = mix_inputs(self.per_layer, x, rows, self._choose_dtype(x))
        return x if self.streams is None else start_streams(self.streams, x, self._choose_dtype(x)), own

    def _choose_dtype(self, x: Tensor) -> torch.dtype:
        """The dtype of products with x: the weights', or a wider one if x is in float64."""
        return x.dtype if x.dtype is torch.float64 else self.embedding.dtype

    def normalise(self, hidden: Tensor) -> Tensor:
        """The final norm, of the streams' mean if there are several: the last layer's output [..., S D] -> [..., D]."""
        if self.streams is not None:
            hidden = join_streams(self.streams, hidden, self._choose_dtype(hidden))
        return rms_norm(hidden, self.final_norm)

    def logits(self, hidden: Tensor) -> Tensor:
        """Final norm, product with the head and soft-cap: [..., S D] -> [..., V]."""
        normed = self.normalise(hidden)
        product = multiply_by_head(normed.reshape(-1, normed.shape[-1]), self.head)
        return soft_cap(product, self.final_soft_cap).view(*hidden.shape[:-1], -1)

    @property
    def itemsizes(self) -> tuple[int, int]:
        """Bytes of a number in the weights' dtype, and in the wide one."""
        dtype = self.embedding.dtype
        return dtype.itemsize, at_least_float32(dtype).itemsize


def backward_logits(decoder: Decoder, output: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """Through ``Decoder.logits``: gradient by capped logits [C, V] -> by the last layer's output rows [C, S D]."""
    by_normed = backward_head(decoder.head, backward_soft_cap(logits, decoder.final_soft_cap, gradient))
    if decoder.streams is None:
        by_output = backward_norm(output, decoder.final_norm, by_normed)
    else:

        def normalise(rows: Tensor) -> tuple[Tensor]:
            return (decoder.normalise(rows),)

        (by_output,) = record(normalise, [output]).pull_each([by_normed])
    return by_output.to(at_least_float32(decoder.embedding.dtype))


def count_logits_bytes(decoder: Decoder, itemsize: int) -> int:
    """One target's logits, the gradient by them and temporaries: 6 V numbers of this many bytes."""
    return 6 * decoder.head.shape[0] * itemsize
