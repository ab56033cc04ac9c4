"""Convert one prompt's result to one Parquet row, and back.

Score matrices are ragged: a row only has its earlier tokens, so row g of ``grad_l2`` has n_prompt_tokens + g numbers,
and the row of a span has one for each token before the span's last one.
"""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from promptlight.io.results.digits import Scores, round_to_half
from promptlight.io.results.records import to_record_row
from promptlight.io.results.schema import Kind, name_column
from promptlight.salience.types import (
    Analysis,
    Completion,
    FloatArray,
    Foil,
    Granularity,
    Method,
    Objective,
    Prompt,
    Role,
    SalienceMap,
    Section,
    Segmentation,
    SetAside,
    SetAsideCode,
    StopReason,
    Token,
    Turn,
)


def to_row(result: Analysis | SetAside, scores: Scores = Scores.FLOAT32) -> dict[str, Any]:
    """Column name -> value; for a record that was skipped, only the record's own columns are filled."""
    if isinstance(result, SetAside):
        row = asdict(result)
        row |= {"error": row.pop("reason"), "error_code": row.pop("code").value, "source": row.pop("label")}
        return {name: value for name, value in row.items() if name != "parameters"}
    row = to_record_row(result)
    for granularity, cut in result.segmentations.items():
        row[f"{granularity}_bounds"] = list(cut.bounds)
    for found in result.maps.values():
        row |= _map_to_columns(found, _row_lengths(result), scores)
    return row


def _row_lengths(result: Analysis) -> dict[Granularity, list[int]]:
    """The number of scored tokens for each target of a granularity."""
    first, n_tokens = result.completion.n_prompt_tokens, len(result.completion.tokens)
    lengths = {
        name: [cut.bounds[number + 1] - 1 for number in cut.spans_from(first)]
        for name, cut in result.segmentations.items()
    }
    return lengths | {Granularity.TOKEN: list(range(first, n_tokens))}


def _map_to_columns(found: SalienceMap, lengths: Mapping[Granularity, list[int]], scores: Scores) -> dict[str, Any]:
    """One method's columns of a row."""
    matrices = dict(found.span_scores)
    if found.scores is not None:
        matrices[Granularity.TOKEN] = found.scores
    columns: dict[str, Any] = {
        name_column(found.method, name): _ragged(rows, lengths[name], scores) for name, rows in matrices.items()
    }
    for name, rows in found.standard_errors.items():
        columns[name_column(found.method, name, "error")] = _ragged(rows, lengths[name], scores)
    for name, numbers in found.completeness_error.items():
        columns[name_column(found.method, name, "gap")] = numbers
    if found.sources is not None:
        columns[f"{found.method}_sources"] = found.sources.value
    return columns


def from_row(row: dict[str, Any], kind: Kind) -> Analysis | SetAside:
    """The inverse of ``to_row``."""
    if row["error"] is not None:
        kept = {name: row[name] for name in ("id", "path", "line", "prompt")}
        return SetAside(
            **kept,
            label=row["source"],
            code=SetAsideCode(row["error_code"]),
            reason=row["error"],
            fingerprint=row["fingerprint"] or "",
        )
    prompt = Prompt(
        id=row["id"],
        text=row["prompt"],
        turns=tuple(Turn(**turn) for turn in row["turns"] or ()),
        sections=tuple(Section(**section) for section in row["sections"] or ()),
        given_completion=row["target"],
        label=row["source"],
        fields=json.loads(row["fields"]),
        path=row["path"],
        line=row["line"],
        fingerprint=row["fingerprint"],
    )
    tokens = tuple(Token(**token | {"role": Role(token["role"])}) for token in row["tokens"])
    stop_reason, stop_text = _read_ending(row["stop_reason"])
    completion = Completion(
        prompt=prompt,
        tokens=tokens,
        n_prompt_tokens=row["n_prompt_tokens"],
        text=row["prompt"] + row["completion"],
        prompt_stop=len(row["prompt"]),
        stop_reason=stop_reason,
        stop_text=stop_text,
    )
    names = [granularity for granularity in Granularity if row.get(f"{granularity}_bounds") is not None]
    return Analysis(
        completion=completion,
        segmentations={name: Segmentation(granularity=name, bounds=tuple(row[f"{name}_bounds"])) for name in names},
        maps={method: _map_from_columns(row, method, kind.objective, names, len(tokens)) for method in kind.methods},
        compat=kind.compat,
        foil=Foil(request=row["foil"], tokens=tuple(row["foil_tokens"])) if row.get("foil") is not None else None,
    )


def _read_ending(ending: str) -> tuple[StopReason, str | None]:
    """The inverse of ``Completion.ending``."""
    quoted = ending.removeprefix(f"{StopReason.STOP_TEXT} ")
    return (StopReason(ending), None) if quoted == ending else (StopReason.STOP_TEXT, json.loads(quoted))


def _map_from_columns(
    row: dict[str, Any], method: Method, objective: Objective, names: list[Granularity], width: int
) -> SalienceMap:
    """The inverse of ``_map_to_columns``."""

    def read(what: str = "") -> dict[Granularity, FloatArray]:
        targets = list(dict.fromkeys([Granularity.TOKEN, *names]))
        stored = {name: row.get(name_column(method, name, what)) for name in targets}
        return {name: _dense(rows, width) for name, rows in stored.items() if rows is not None}

    scores = read()
    gaps = {name: row.get(name_column(method, name, "gap")) for name in (Granularity.TOKEN, *names)}
    sources = row.get(f"{method}_sources")
    return SalienceMap(
        method=method,
        objective=objective,
        scores=scores.pop(Granularity.TOKEN, None),
        span_scores=scores,
        sources=Granularity(sources) if sources else None,
        standard_errors=read("error"),
        completeness_error={name: np.array(gap, np.float32) for name, gap in gaps.items() if gap is not None},
    )


def _ragged(scores: FloatArray, lengths: Iterable[int], kept: Scores) -> list[FloatArray]:
    rounded = round_to_half(scores) if kept is Scores.FLOAT16 else scores
    return [row[:length] for row, length in zip(rounded, lengths, strict=True)]


def _dense(rows: list[list[float]], width: int) -> FloatArray:
    scores = np.zeros((len(rows), width), dtype=np.float32)
    for number, row in enumerate(rows):
        scores[number, : len(row)] = row
    return scores
