"""The page's data for one prompt: its text, its cuts, its targets, and every method's numbers.

Positions count tokens. The text of a character whose bytes are several tokens stands at the first of them. Each target
has a row of its sources' scores, token by token up to its start; the browser sums them up to spans (storing a row of
sums for every cut would make the page two thirds larger), and follows the model's own words back with them
(``browser/through.js``).
"""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptlight.io.page._cuts import CutText, cut_text
from promptlight.io.page._numbers import describe_map, list_target_cuts
from promptlight.salience.explain.comparison import split_words
from promptlight.salience.explain.explanation import find_probability_per_token, list_log_probs
from promptlight.salience.explain.span_scores import find_foil_text
from promptlight.salience.text.printable import printable, printable_within
from promptlight.salience.types import (
    Analysis,
    Granularity,
    Method,
    Role,
    SalienceMap,
    StopReason,
)

START_LENGTH = 60  # characters of a prompt in the list

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
    cuts, maps = cut_text(analysis), _order_maps(analysis, entry.method)
    explained = [name for name in cuts if any(name in list_target_cuts(one) for one in maps)]
    given = completion.stop_reason is StopReason.GIVEN
    return {
        "given": given,
        "quantised": printable(entry.quantised),
        "stopped": "given in the record" if given else f"stopped: {printable(completion.ending)}",
        "texts": [
            printable_within(span.text, completion.text, completion.tokens[span.start].start)
            for span in cuts[Granularity.TOKEN].spans
        ],
        "words": split_words(printable(completion.completion_text)),
        "border": int(np.searchsorted(cuts[Granularity.TOKEN].segmentation.bounds, completion.n_prompt_tokens)),
        "uncontrasted": _find_uncontrasted(analysis, cuts[Granularity.TOKEN]),
        "cuts": {name: _describe_cut(cut) for name, cut in cuts.items()},
        "offered": [name for name in cuts if name is not Granularity.SECTION or _has_names(cuts[name])],
        "targets": {name: list(_describe_targets(analysis, cuts[name])) for name in explained},
        "methods": [
            describe_map(analysis, one, cuts) | {"trust": printable(entry.trust(analysis, one.method))} for one in maps
        ],
    }


def _order_maps(analysis: Analysis, first: Method | None) -> list[SalienceMap]:
    """All maps, one method's first. Raises UsageError if that was not computed."""
    shown = analysis.map_by(first)
    return [shown, *(one for one in analysis.maps.values() if one is not shown)]


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


def _find_uncontrasted(analysis: Analysis, units: CutText) -> int | None:
    """The first unit that the model wrote and that has no scores, because no foil is contrasted with it."""
    if analysis.foil is None:
        return None
    foil, first = analysis.foil.tokens, analysis.completion.n_prompt_tokens
    return next((span.number for span in units.targets if None in foil[span.start - first : span.stop - first]), None)
