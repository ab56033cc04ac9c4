"""One prompt's result as one Parquet row, and back.

Nested columns follow ``promptlight.salience.types``: positions in ``*_bounds`` count tokens, ``start``/``stop`` count
characters of prompt + completion, log-probabilities are natural logs, scores are float32. Score matrices are ragged: a
row keeps only its earlier tokens, so row g of ``grad_l2`` has n_prompt_tokens + g numbers, and the row of a span as
many as there are tokens before the span's last one. A section's range is of characters of the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from promptlight.salience.types import (
    Analysis,
    Compat,
    Completion,
    FloatArray,
    Granularity,
    Method,
    Objective,
    Prompt,
    Role,
    SalienceMap,
    Section,
    Segmentation,
    SetAside,
    StopReason,
    Token,
    Turn,
)

SCHEMA_VERSION = 3
SPAN_GRANULARITIES = tuple(granularity for granularity in Granularity if granularity is not Granularity.TOKEN)

TOKEN = pa.struct(
    [
        ("id", pa.int32()),
        ("piece", pa.string()),
        ("start", pa.int32()),
        ("stop", pa.int32()),
        ("role", pa.string()),
        ("log_prob", pa.float64()),
    ]
)
TURN = pa.struct([("role", pa.string()), ("start", pa.int32()), ("stop", pa.int32())])
SECTION = pa.struct([("name", pa.string()), ("start", pa.int32()), ("stop", pa.int32())])
MATRIX = pa.list_(pa.list_(pa.float32()))

RECORD_FIELDS = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("source", pa.string()),
    pa.field("prompt", pa.string()),
    pa.field("turns", pa.list_(TURN)),  # of a chat; null otherwise
    pa.field("sections", pa.list_(SECTION)),  # named parts of the prompt; null if the record has none
    pa.field("completion", pa.string()),
    pa.field("completion_is", pa.string()),  # "generated" or "given"
    pa.field("stop_reason", pa.string()),
    pa.field("error", pa.string()),  # why a record was set aside; null otherwise
    pa.field("target", pa.string()),
    pa.field("fields", pa.string()),  # the record's other fields, as JSON
    pa.field("path", pa.string()),
    pa.field("line", pa.int64()),
    pa.field("fingerprint", pa.string()),
    pa.field("n_prompt_tokens", pa.int32()),
    pa.field("tokens", pa.list_(TOKEN)),
]


def build_schema(method: Method, granularities: Iterable[Granularity] = SPAN_GRANULARITIES) -> pa.Schema:
    """The columns of a results folder that holds this method's scores."""
    granularities = tuple(granularities)
    return pa.schema(
        [
            *RECORD_FIELDS,
            *(pa.field(f"{granularity}_bounds", pa.list_(pa.int32())) for granularity in Granularity),
            pa.field(method.value, MATRIX),
            *(pa.field(f"{method}_{granularity}", MATRIX) for granularity in granularities),
        ]
    )


def to_row(result: Analysis | SetAside) -> dict[str, Any]:
    """Column name -> value; a record that was set aside leaves all but its own columns empty."""
    if isinstance(result, SetAside):
        row = asdict(result)
        row["error"] = row.pop("reason")
        return row
    completion, salience = result.completion, result.salience
    prompt, first = completion.prompt, completion.n_prompt_tokens
    row = {
        "id": prompt.id,
        "source": prompt.source,
        "prompt": prompt.text,
        "turns": [vars(turn) for turn in prompt.turns] or None,
        "sections": [vars(section) for section in prompt.sections] or None,
        "completion": completion.completion_text,
        "completion_is": "given" if completion.stop_reason is StopReason.GIVEN else "generated",
        "stop_reason": completion.stop_reason.value,
        "target": prompt.target,
        "fields": json.dumps(dict(prompt.fields), ensure_ascii=False),
        "path": prompt.path,
        "line": prompt.line,
        "fingerprint": prompt.fingerprint,
        "n_prompt_tokens": first,
        "tokens": [vars(token) | {"role": token.role.value} for token in completion.tokens],
    }
    if salience.scores is not None:
        row[salience.method.value] = _ragged(salience.scores, range(first, len(completion.tokens)))
    for granularity, cut in result.segmentations.items():
        row[f"{granularity}_bounds"] = list(cut.bounds)
        if granularity in salience.span_scores:
            lasts = [cut.bounds[number + 1] - 1 for number in cut.spans_from(first)]
            row[f"{salience.method}_{granularity}"] = _ragged(salience.span_scores[granularity], lasts)
    return row


class Kind(NamedTuple):
    """What the shard's metadata says about all its rows."""

    method: Method
    objective: Objective
    compat: Compat | None


def read_kind(settings: Mapping[str, Any]) -> Kind:
    """The kind of results that a run with these settings makes."""
    compat = settings["compat"]
    return Kind(Method(settings["method"]), Objective(settings["objective"]), Compat(compat) if compat else None)


def from_row(row: dict[str, Any], kind: Kind) -> Analysis | SetAside:
    """The inverse of ``to_row``."""
    if row["error"] is not None:
        kept = {name: row[name] for name in ("id", "path", "line", "source", "prompt")}
        return SetAside(**kept, reason=row["error"], fingerprint=row["fingerprint"] or "")
    prompt = Prompt(
        id=row["id"],
        text=row["prompt"],
        turns=tuple(Turn(**turn) for turn in row["turns"] or ()),
        sections=tuple(Section(**section) for section in row["sections"] or ()),
        target=row["target"],
        source=row["source"],
        fields=json.loads(row["fields"]),
        path=row["path"],
        line=row["line"],
        fingerprint=row["fingerprint"],
    )
    tokens = tuple(Token(**token | {"role": Role(token["role"])}) for token in row["tokens"])
    completion = Completion(
        prompt=prompt,
        tokens=tokens,
        n_prompt_tokens=row["n_prompt_tokens"],
        text=row["prompt"] + row["completion"],
        prompt_stop=len(row["prompt"]),
        stop_reason=StopReason(row["stop_reason"]),
    )
    names = [granularity for granularity in Granularity if row.get(f"{granularity}_bounds") is not None]
    return Analysis(
        completion=completion,
        segmentations={name: Segmentation(granularity=name, bounds=tuple(row[f"{name}_bounds"])) for name in names},
        salience=SalienceMap(
            method=kind.method,
            objective=kind.objective,
            scores=_dense(row[kind.method.value], len(tokens)),
            span_scores={
                name: scores
                for name in names
                if (scores := _dense(row.get(f"{kind.method}_{name}"), len(tokens))) is not None
            },
        ),
        compat=kind.compat,
    )


def _ragged(scores: FloatArray, lengths: Iterable[int]) -> list[FloatArray]:
    return [row[:length] for row, length in zip(scores, lengths, strict=True)]


def _dense(rows: list[list[float]] | None, width: int) -> FloatArray | None:
    if rows is None:
        return None
    scores = np.zeros((len(rows), width), dtype=np.float32)
    for number, row in enumerate(rows):
        scores[number, : len(row)] = row
    return scores
