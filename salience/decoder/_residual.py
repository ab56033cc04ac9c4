"""The residual stream on its way up through the layers: what generation, ablation and the gradient pass all carry.

Layers that have no keys and values of their own read those of a layer below, so these are kept until the top. Above the
last layer that has its own (``Decoder.top``), no position looks at another one's residual stream. So from there on,
only the rows that somebody reads have to go on: the caller runs the top layer with ``pick``.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from promptlight.salience.decoder.attention import Attend, attend_causally
from promptlight.salience.decoder.heads import KeyValue
from promptlight.salience.decoder.layer import Activations, Layer, run_layer
from promptlight.salience.decoder.rope import Angles, Rope
from promptlight.salience.decoder.tensors import in_dtype


@dataclass(kw_only=True)
class Residual:
    """The state between two layers.

    ``angles`` are those of the rows at hand; whoever picks rows sets them anew. Layers are computed in ``dtype`` if
    that is not the weights' own.
    """

    layers: tuple[Layer, ...]
    x: Tensor  # [..., T, D], or all streams [..., T, S D]
    own: Tensor | None  # [..., T, n, P] the tokens' vectors for each layer
    angles: dict[Rope, Angles]
    dtype: torch.dtype | None = None
    shared: dict[int, KeyValue] = field(default_factory=dict[int, KeyValue])

    def __post_init__(self) -> None:
        self._sources = {layer.source for layer in self.layers}

    def run(
        self,
        number: int,
        attend: Attend = attend_causally,
        *,
        pick: Callable[[Tensor], Tensor] | None = None,
        save: torch.dtype | None = None,
    ) -> Activations:
        """Run one layer; ``attend``, ``pick`` and ``save`` are those of ``run_layer``."""
        layer = self.layers[number] if self.dtype is None else in_dtype(self.layers[number], self.dtype)
        if pick is not None and self.own is not None:
            self.own = pick(self.own.flatten(-2)).unflatten(-1, self.own.shape[-2:])
        done = run_layer(
            layer,
            self.x,
            self.angles[layer.rope],
            attend,
            source=None if layer.source is None else self.shared[layer.source],
            own=None if self.own is None else self.own[..., number, :],
            pick=pick,
            save=save,
        )
        if number in self._sources:
            self.shared[number] = (done.heads.key, done.heads.value)
        self.x = done.output
        return done
