"""A page for colleagues: one HTML file with everything in it, which opens from disk and asks no server.

``page/`` has the page itself. Each prompt is a JSON element of its own, read when it is first shown. Scores are 16-bit
parts of the largest of their row: four digits, which is more than anyone sees.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptlight.io.files import writing
from promptlight.salience.text.printable import printable
from promptlight.salience.types import (
    Analysis,
    Completion,
    FloatArray,
    Granularity,
    Method,
    Role,
    SalienceMap,
    Span,
    StopReason,
)

PAGE = Path(__file__).parent
FULL_SCALE = 32767
START_LENGTH = 60  # characters of a prompt that stand in the list


Trust = Callable[[Analysis, Method], str]  # what an evaluation has found of a method, in a line


@dataclass(frozen=True, kw_only=True)
class ReportEntry:
    """One prompt for the page: its sections as spans, which name themselves, its name there, and the method that is
    shown first (None: the first that was run)."""

    analysis: Analysis
    sections: list[Span]
    name: str
    trust: Trust = lambda *_: ""
    method: Method | None = None


@dataclass(frozen=True, kw_only=True)
class ReportRecord:
    """One prompt as the page holds it."""

    id: str
    label: str
    start: str
    data: str  # JSON that no HTML parser takes for a tag


Ramps = Mapping[str, Mapping[str, Sequence[tuple[int, int, int]]]]


def write_report(path: Path, entries: Iterable[ReportEntry], *, title: str, ramps: Ramps) -> int:
    """Write the page, one prompt in memory at a time; returns how many it holds.

    ``ramps`` has the colours, from none to the most, for "light" and "dark" pages: "violet" without a sign, "teal" for
    what raises, "pink" for what lowers. The file appears whole or not at all. Raises OutputError if it can't be
    written.
    """
    import jinja2
    from markupsafe import Markup

    n_prompts = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal n_prompts
        for entry in entries:
            n_prompts += 1
            record = to_record(entry)
            yield vars(record) | {"data": Markup(record.data)}

    loader = jinja2.FileSystemLoader(PAGE)
    template = jinja2.Environment(autoescape=True, loader=loader, undefined=jinja2.StrictUndefined).get_template(
        "page.html.j2"
    )
    style, script = (Markup((PAGE / name).read_text("utf-8")) for name in ("page.css", "page.js"))
    subtitle = "Which parts of each prompt mattered for what the model wrote."
    values = {
        "title": printable(title),
        "subtitle": subtitle,
        "style": style,
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),  # the browser runs no other
        "ramps": Markup(json.dumps(ramps)),
    }
    with writing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(template.generate(values | {"records": records()}))
        file.flush()
        os.fsync(file.fileno())
    return n_prompts


def to_record(entry: ReportEntry) -> ReportRecord:
    """All that the page needs of one prompt."""
    analysis, sections, trust = entry.analysis, entry.sections, entry.trust
    completion = analysis.completion
    prompt, given = completion.prompt, completion.stop_reason is StopReason.GIVEN
    name, label = printable(entry.name), printable(prompt.label or "")
    cuts = {
        name.value: list(cut.bounds) for name, cut in analysis.segmentations.items() if name is not Granularity.TOKEN
    }
    cuts["section"] = [*(span.start for span in sections), len(completion.tokens)]
    has_names = any(span.section for span in sections)
    data = {
        "id": name,
        "label": label,
        "given": given,
        "stopped": "given in the record" if given else f"stopped: {completion.stop_reason}",
        "prompt_tokens": completion.n_prompt_tokens,
        "tokens": list(describe_tokens(completion)),
        "cuts": cuts,
        "cut_names": [name for name in ("token", *cuts) if name != "section" or has_names],
        "names": [span.section and printable(span.section) for span in sections],
        "foil": None if analysis.foil is None else [text and printable(text) for text in analysis.foil.tokens],
        "methods": [
            describe_map(found, completion, cuts) | {"trust": printable(trust(analysis, method))}
            for method, found in order_maps(analysis, entry.method)
        ],
    }
    start = printable(" ".join(prompt.text.split()))
    return ReportRecord(
        id=name,
        label=label,
        start=start if len(start) <= START_LENGTH else f"{start[: START_LENGTH - 1]}…",
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def order_maps(analysis: Analysis, first: Method | None) -> list[tuple[Method, SalienceMap]]:
    """All maps with their methods, one of them first. Raises UsageError if that was not computed."""
    shown = analysis.map_by(first)
    return [(shown.method, shown), *((method, one) for method, one in analysis.maps.items() if one is not shown)]


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


def describe_map(found: SalienceMap, completion: Completion, cuts: Mapping[str, list[int]]) -> dict[str, Any]:
    """A method's name, what it does in plain words, and its scores by each granularity of targets that it has."""
    matrices: dict[str, Any] = {}
    if found.scores is not None:
        lengths = list(range(completion.n_prompt_tokens, len(completion.tokens)))
        matrices["token"] = encode_rows(found.scores, lengths)
    for name, scores in found.span_scores.items():
        lengths = [stop - 1 for stop in cuts[name.value][1:] if stop > completion.n_prompt_tokens]
        matrices[name.value] = encode_rows(scores, lengths)
    sign = "teal raised it, pink lowered it" if found.method.is_signed else "how strongly, not in which direction"
    whole = f"; found by taking whole {found.sources}s away" if found.sources else ""
    return {
        "name": found.method.value,
        "title": METHOD_NAMES[found.method],
        "words": f"{METHOD_NAMES[found.method]} of the {found.objective}: {sign}{whole}",
        "signed": found.method.is_signed,
        "scores": {name: matrices[name] for name in ("token", *cuts) if name in matrices},
    }


def describe_tokens(completion: Completion) -> Iterator[tuple[str, int, float | None]]:
    """Each token's text (a mark's own name), its role as a number, and its log-probability.

    Characters that a terminal or a browser would obey, not show, become visible.
    """
    roles = list(Role)
    for token in completion.tokens:
        text = completion.text[token.start : token.stop]
        shown = text or (token.piece if token.role is Role.SPECIAL else "")
        log_prob = None if token.log_prob is None else round(token.log_prob, 6)
        yield printable(shown), roles.index(token.role), log_prob


def encode_rows(scores: FloatArray, lengths: list[int]) -> dict[str, Any]:
    """Ragged rows: each one's largest size, and its scores as 16-bit parts of that, little-endian, in base64."""
    rows = [row[:length].astype(np.float64) for row, length in zip(scores, lengths, strict=True)]
    largest = [float(np.abs(row).max(initial=0.0)) for row in rows]
    parts = [np.rint(row / (most or 1.0) * FULL_SCALE) for row, most in zip(rows, largest, strict=True)]
    data = np.concatenate(parts).astype("<i2") if parts else np.zeros(0, "<i2")
    return {
        "lengths": lengths,
        "largest": [float(f"{most:.6g}") for most in largest],
        "data": base64.b64encode(data.tobytes()).decode(),
    }
