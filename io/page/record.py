"""The page's data for one prompt: its text, its cuts, its targets, and every method's numbers.

Positions count *units*, the spans of the token cut: the byte tokens of one character are one unit, as in the terminal.
Spans of every cut begin and end at units. Each target has a row of its sources' scores by unit, up to its start. For
each source cut it also has two numbers that turn sums of scores into levels and shares: the largest absolute score of a
visible source, and the sum of the absolute scores. Storing a row of sums for every cut would make the page two thirds
larger.
"""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptlight.io.page.encoding import encode_floats, encode_rows
from promptlight.salience.explain.comparison import split_words
from promptlight.salience.explain.explanation import find_probability_per_token, list_log_probs
from promptlight.salience.explain.span_scores import find_foil_text, find_segmentation, pool_earlier, read_rows
from promptlight.salience.text.printable import printable
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Analysis, Granularity, Method, Role, SalienceMap, Segmentation, Span, StopReason

START_LENGTH = 60  # characters of a prompt in the list
METHOD_NAMES = {
    Method.GRAD_L2: "Grad L2 Norm",
    Method.GRAD_DOT_INPUT: "Grad · Input",
    Method.INTEGRATED_GRADIENTS: "Integrated gradients",
    Method.SMOOTHGRAD: "SmoothGrad",
    Method.OCCLUSION: "Occlusion",
    Method.LIME: "LIME",
    Method.SHAP: "Shapley values",
    Method.SURROGATE: "Context surrogate",
}

Trust = Callable[[Analysis, Method], str]  # a line about what an evaluation found for a method


@dataclass(frozen=True, kw_only=True)
class ReportEntry:
    """One prompt for the page: its name there, and the method to show first (None: the first that was run).

    ``quantised`` says that the model is; it is empty otherwise.
    """

    analysis: Analysis
    name: str
    trust: Trust = lambda *_: ""
    method: Method | None = None
    quantised: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportRecord:
    """The page's data for one prompt."""

    id: str
    label: str
    start: str
    data: str  # JSON that no HTML parser mistakes for a tag


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


def to_record(entry: ReportEntry) -> ReportRecord:
    """Make the page's data for one prompt. Raises UsageError if ``entry.method`` was not computed."""
    prompt = entry.analysis.completion.prompt
    name, label = printable(entry.name), printable(prompt.label or "")
    data = {"id": name, "label": label} | _describe_analysis(entry)
    start = printable(" ".join(prompt.text.split()))
    return ReportRecord(
        id=name,
        label=label,
        start=start if len(start) <= START_LENGTH else f"{start[: START_LENGTH - 1]}…",
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _describe_analysis(entry: ReportEntry) -> dict[str, Any]:
    """Describe the text of a prompt and its completion, and every method's numbers."""
    analysis, completion = entry.analysis, entry.analysis.completion
    cuts, maps = _cut_text(analysis), _order_maps(analysis, entry.method)
    explained = [name for name in cuts if any(name in _list_target_cuts(one) for one in maps)]
    given = completion.stop_reason is StopReason.GIVEN
    return {
        "given": given,
        "quantised": printable(entry.quantised),
        "stopped": "given in the record" if given else f"stopped: {printable(completion.ending)}",
        "texts": [printable(span.text) for span in cuts[Granularity.TOKEN].spans],
        "words": split_words(printable(completion.completion_text)),
        "cuts": {name: _describe_cut(cut) for name, cut in cuts.items()},
        "offered": [name for name in cuts if name is not Granularity.SECTION or _has_names(cuts[name])],
        "targets": {name: list(_describe_targets(analysis, cuts[name])) for name in explained},
        "methods": [
            _describe_map(analysis, one, cuts) | {"trust": printable(entry.trust(analysis, one.method))} for one in maps
        ],
    }


def _order_maps(analysis: Analysis, first: Method | None) -> list[SalienceMap]:
    """All maps, one method's first. Raises UsageError if that was not computed."""
    shown = analysis.map_by(first)
    return [shown, *(one for one in analysis.maps.values() if one is not shown)]


def _list_target_cuts(salience: SalienceMap) -> list[Granularity]:
    """The cuts of targets that a map has scores for."""
    by_token = {Granularity.TOKEN} if salience.scores is not None else set[Granularity]()
    return [name for name in Granularity if name in by_token | salience.span_scores.keys()]


# ---- the text -------------------------------------------------------------------------------------------------------


def _cut_text(analysis: Analysis) -> dict[Granularity, CutText]:
    """Cut the text in every way, from units to sections."""
    units = find_segmentation(analysis, Granularity.TOKEN)
    cuts: dict[Granularity, CutText] = {}
    for name in Granularity:
        segmentation = find_segmentation(analysis, name)
        spans = describe_spans(analysis.completion, segmentation)
        bounds = np.searchsorted(units.bounds, segmentation.bounds).tolist()
        cuts[name] = CutText(segmentation=segmentation, spans=spans, bounds=bounds)
    return cuts


def _has_names(cut: CutText) -> bool:
    """Whether the cut has a section."""
    return any(span.section for span in cut.spans)


def _describe_cut(cut: CutText) -> dict[str, Any]:
    """The number of units of each span, the spans that the model's format added, and the names of sections."""
    described: dict[str, Any] = {
        "lengths": np.diff(cut.bounds).tolist(),
        "special": [span.number for span in cut.spans if span.role is Role.SPECIAL],
    }
    if cut.segmentation.granularity is Granularity.SECTION:
        described["names"] = {span.number: printable(span.section) for span in cut.spans if span.section}
    return described


def _describe_targets(analysis: Analysis, cut: CutText) -> Iterator[list[Any]]:
    """For each target its units, its probability per token, the number of these tokens, and with a foil its text."""
    for span in cut.targets:
        probability = float(f"{find_probability_per_token(analysis.completion, [span]):.6g}")
        n_tokens = len(list_log_probs(analysis.completion, [span]))
        foil = printable("".join(find_foil_text(analysis, [span])))
        yield [cut.bounds[span.number], cut.bounds[span.number + 1], probability, n_tokens, *([foil] if foil else [])]


# ---- the numbers ----------------------------------------------------------------------------------------------------


def _describe_map(analysis: Analysis, salience: SalienceMap, cuts: Cuts) -> dict[str, Any]:
    """A method's name, a description in plain words, and its numbers for each cut of targets that it has."""
    title, is_signed = METHOD_NAMES[salience.method], salience.method.is_signed
    whole = f", found by removing whole {salience.sources}s" if salience.sources else ""
    return {
        "name": salience.method.value,
        "title": title,
        "words": f"{title} of the {salience.objective}{whole}",
        "signed": is_signed,
        "scores": {name: _describe_scores(analysis, salience, cuts, name) for name in _list_target_cuts(salience)},
    }


def _describe_scores(analysis: Analysis, salience: SalienceMap, cuts: Cuts, targets: Granularity) -> dict[str, str]:
    """The numbers for all targets of one cut.

    ``rows``: each target's scores of the units before it. ``scales`` [targets, 1 + 2 * cuts]: for each target the
    largest absolute score in its row, then for each source cut the largest absolute score of a visible source and the
    sum of all absolute scores.
    """
    cut, units = cuts[targets], cuts[Granularity.TOKEN]
    chosen = cut.targets
    scores, _ = read_rows(salience, analysis.completion, cut.segmentation, chosen)
    by_unit = pool_earlier(scores, chosen, units.segmentation).astype(np.float64)
    rows, largest = encode_rows([row[: cut.bounds[span.number]] for row, span in zip(by_unit, chosen, strict=True)])
    scales = [np.array(largest)]
    for sources in cuts.values():
        visible = np.array([span.role is not Role.SPECIAL for span in sources.spans])
        sizes = np.abs(pool_earlier(scores, chosen, sources.segmentation)[:, visible].astype(np.float64))
        scales += [sizes.max(axis=1, initial=0.0), sizes.sum(axis=1)]
    return {"rows": rows, "scales": encode_floats(np.stack(scales, axis=1))}
