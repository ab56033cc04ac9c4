"""Cut a text in every way for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Analysis, Granularity, Role, Segmentation, Span


@dataclass(frozen=True, kw_only=True)
class CutText:
    """A text cut one way."""

    segmentation: Segmentation
    spans: Sequence[Span]

    @property
    def targets(self) -> list[Span]:
        """The spans that can be explained."""
        return [span for span in self.spans if span.role is Role.COMPLETION]

    @property
    def has_names(self) -> bool:
        """Whether it has a section."""
        return any(span.section for span in self.spans)


Cuts = Mapping[Granularity, CutText]


def cut_text(analysis: Analysis) -> dict[Granularity, CutText]:
    """Cut the text in every way, from tokens to sections."""
    return {name: _cut(analysis, name) for name in Granularity}


def _cut(analysis: Analysis, name: Granularity) -> CutText:
    segmentation = find_segmentation(analysis, name)
    return CutText(segmentation=segmentation, spans=describe_spans(analysis.completion, segmentation))
