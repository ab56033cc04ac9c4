"""Cut a text in every way for the page, with bounds in *units*, the spans of the token cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Analysis, Granularity, Role, Segmentation, Span


@dataclass(frozen=True, kw_only=True)
class CutText:
    """A text cut one way. ``bounds`` are the bounds of its S spans in units, S + 1 of them."""

    segmentation: Segmentation
    spans: Sequence[Span]
    bounds: Sequence[int]

    @property
    def targets(self) -> list[Span]:
        """The spans that can be explained."""
        return [span for span in self.spans if span.role is Role.COMPLETION]


Cuts = Mapping[Granularity, CutText]


def cut_text(analysis: Analysis) -> dict[Granularity, CutText]:
    """Cut the text in every way, from units to sections."""
    units = find_segmentation(analysis, Granularity.TOKEN)
    cuts: dict[Granularity, CutText] = {}
    for name in Granularity:
        segmentation = find_segmentation(analysis, name)
        spans = describe_spans(analysis.completion, segmentation)
        bounds = np.searchsorted(units.bounds, segmentation.bounds).tolist()
        cuts[name] = CutText(segmentation=segmentation, spans=spans, bounds=bounds)
    return cuts
