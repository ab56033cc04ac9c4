"""One prompt's result as one Parquet row, and back.

Nested columns follow ``promptlight.salience.types``: positions in ``*_bounds`` count tokens, ``start``/``stop`` count
characters of prompt + completion, log-probabilities are natural logs, scores are float32. Score matrices are ragged: a
row keeps only its earlier tokens, so row g of ``grad_l2`` has n_prompt_tokens + g numbers, and the row of a span as
many as there are tokens before the span's last one. A section's range is of characters of the prompt.

Version 3 had one method a folder, which its settings called ``method``, and no foils; it is still read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from promptlight.io.results.digits import Scores, round_to_half
from promptlight.salience.types import (
    Analysis,
    Compat,
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
    StopReason,
    Token,
    Turn,
)

SCHEMA_VERSION = 4
READABLE = (3, 4)
SPAN_GRANULARITIES = tuple(granularity for granularity in Granularity if granularity is not Granularity.TOKEN)


def column(name: str, type: pa.DataType, meaning: str, *, nullable: bool = True) -> pa.Field:
    """A column that says what is in it: ``field.metadata[b"description"]``; docs/tables.md is made from that."""
    return pa.field(name, type, nullable=nullable, metadata={"description": meaning})


TOKEN = pa.struct(
    [
        column("id", pa.int32(), "number in the vocabulary"),
        column("piece", pa.string(), "as the vocabulary writes it: ▁ for a space, `<0xF0>` for a byte"),
        column("start", pa.int32(), "first character, of prompt and completion as one text, from 0"),
        column("stop", pa.int32(), "behind its last character; equal to `start` for tokens that are no text"),
        column("role", pa.string(), "`special`, `prompt` or `completion`"),
        column(
            "log_prob", pa.float64(), "natural log of its probability given all before it; null for the prompt's tokens"
        ),
    ]
)
TURN = pa.struct(
    [
        column("role", pa.string(), "who speaks: `user` or `model`"),
        column("start", pa.int32(), "first character of what is said, in `prompt`, from 0"),
        column("stop", pa.int32(), "behind the last one"),
    ]
)
SECTION = pa.struct(
    [
        column("name", pa.string(), "as in the record"),
        column("start", pa.int32(), "first character, in `prompt`, from 0"),
        column("stop", pa.int32(), "behind the last one"),
    ]
)
MATRIX = pa.list_(pa.list_(pa.float32()))

RECORD_FIELDS = [
    column("id", pa.string(), "the record's id, or where it stands in its file", nullable=False),
    column("source", pa.string(), "the record's label"),
    column("prompt", pa.string(), "what the model read, without marks such as `<bos>`; a chat in Gemma's format"),
    column("turns", pa.list_(TURN), "what was said in a chat; null otherwise"),
    column("sections", pa.list_(SECTION), "named parts of the prompt; null if the record has none"),
    column("completion", pa.string(), "what follows the prompt"),
    column("completion_is", pa.string(), "`generated` by the model or `given` in the record"),
    column(
        "stop_reason", pa.string(), "why it ends: `end of text`, `end of turn`, `token limit`, `context full`, `given`"
    ),
    column("error", pa.string(), "why the record was set aside; null otherwise"),
    column("target", pa.string(), "the completion that the record brought along; null if none"),
    column("fields", pa.string(), "the record's other fields, as JSON"),
    column("path", pa.string(), "the prompt file"),
    column("line", pa.int64(), "where the record stands there, from 1"),
    column("fingerprint", pa.string(), "changes when the record's content does"),
    column("n_prompt_tokens", pa.int32(), "P, how many tokens the prompt has, special ones included"),
    column("tokens", pa.list_(TOKEN), "all T tokens that the model read and wrote"),
]


FOIL_FIELDS = [
    column("foil", pa.string(), "what the completion is contrasted with, as asked for; null if with nothing"),
    column(
        "foil_tokens",
        pa.list_(pa.string()),
        "the text that stands against each token of the completion: empty if the foil has ended before, null if the "
        "token is not contrasted",
    ),
]


def build_schema(
    methods: Iterable[Method],
    granularities: Iterable[Granularity] = SPAN_GRANULARITIES,
    *,
    version: int = SCHEMA_VERSION,
) -> pa.Schema:
    """The columns of a results folder that holds these methods' scores."""
    bounds = "token positions from 0 to T: the tokens of {} n are those from `bounds[n]` to before `bounds[n + 1]`"
    granularities = tuple(granularities)
    return pa.schema(
        [
            *RECORD_FIELDS,
            *(FOIL_FIELDS if version > 3 else []),
            *(
                column(f"{granularity}_bounds", pa.list_(pa.int32()), bounds.format(granularity))
                for granularity in Granularity
            ),
            *(field for method in methods for field in _method_fields(method, granularities)),
        ]
    )


def _method_fields(method: Method, granularities: Iterable[Granularity]) -> Iterator[pa.Field]:
    """Scores, and what is known of their errors."""
    yield column(
        method.value, MATRIX, "a row per token of the completion: scores of all tokens before it; null if not computed"
    )
    for name in granularities:
        spans = f"a row per {name} of the completion: scores of all tokens before its last, for the whole {name}"
        yield column(f"{method}_{name}", MATRIX, f"{spans}; null as above")
    targets = [Granularity.TOKEN, *granularities]
    if method.takes_spans:
        yield column(f"{method}_sources", pa.string(), "the granularity whose spans have scores, spread over tokens")
    if method.draws:
        for name in targets:
            yield column(_name_column(method, name, "error"), MATRIX, "standard errors of these scores; null as they")
    if method is Method.INTEGRATED_GRADIENTS:
        for name in targets:
            meaning = "a number a row: what its scores add up to minus what they should, the objective's change"
            yield column(_name_column(method, name, "gap"), pa.list_(pa.float32()), meaning)


def _name_column(method: Method, granularity: Granularity, what: str = "") -> str:
    """``grad_l2``, ``grad_l2_word``, ``smoothgrad_word_error``."""
    return "_".join([method.value, *[granularity.value] * (granularity is not Granularity.TOKEN), *[what] * bool(what)])


def find_matrix_columns(schema: pa.Schema) -> list[str]:
    """The columns that hold scores."""
    return [field.name for field in schema if field.type == MATRIX]


def to_row(result: Analysis | SetAside, scores: Scores = Scores.FLOAT32) -> dict[str, Any]:
    """Column name -> value; a record that was set aside leaves all but its own columns empty."""
    if isinstance(result, SetAside):
        row = asdict(result)
        row |= {"error": row.pop("reason"), "source": row.pop("label")}
        return row
    completion = result.completion
    prompt, first = completion.prompt, completion.n_prompt_tokens
    row = {
        "id": prompt.id,
        "source": prompt.label,
        "prompt": prompt.text,
        "turns": [vars(turn) for turn in prompt.turns] or None,
        "sections": [vars(section) for section in prompt.sections] or None,
        "completion": completion.completion_text,
        "completion_is": "given" if completion.stop_reason is StopReason.GIVEN else "generated",
        "stop_reason": completion.stop_reason.value,
        "target": prompt.given_completion,
        "fields": json.dumps(dict(prompt.fields), ensure_ascii=False),
        "path": prompt.path,
        "line": prompt.line,
        "fingerprint": prompt.fingerprint,
        "n_prompt_tokens": first,
        "tokens": [vars(token) | {"role": token.role.value} for token in completion.tokens],
    }
    if result.foil is not None:
        row |= {"foil": result.foil.request, "foil_tokens": list(result.foil.tokens)}
    for granularity, cut in result.segmentations.items():
        row[f"{granularity}_bounds"] = list(cut.bounds)
    for found in result.maps.values():
        row |= _map_to_columns(found, _row_lengths(result), scores)
    return row


def _row_lengths(result: Analysis) -> dict[Granularity, list[int]]:
    """How many tokens each target of a granularity has scores for."""
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
        _name_column(found.method, name): _ragged(rows, lengths[name], scores) for name, rows in matrices.items()
    }
    for name, rows in found.standard_errors.items():
        columns[_name_column(found.method, name, "error")] = _ragged(rows, lengths[name], scores)
    for name, numbers in found.completeness_error.items():
        columns[_name_column(found.method, name, "gap")] = numbers
    if found.sources is not None:
        columns[f"{found.method}_sources"] = found.sources.value
    return columns


class Kind(NamedTuple):
    """What the shard's metadata says about all its rows."""

    methods: tuple[Method, ...]
    objective: Objective
    compat: Compat | None


def read_kind(settings: Mapping[str, Any]) -> Kind:
    """The kind of results that a run with these settings makes."""
    compat = settings["compat"]
    methods = tuple(Method(name) for name in settings["methods"])
    return Kind(methods, Objective(settings["objective"]), Compat(compat) if compat else None)


def upgrade_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as this version writes them, from those of any version that is still read."""
    if "method" not in settings:
        return settings
    return {
        ("methods" if name == "method" else name): [value] if name == "method" else value
        for name, value in settings.items()
    }


def from_row(row: dict[str, Any], kind: Kind) -> Analysis | SetAside:
    """The inverse of ``to_row``."""
    if row["error"] is not None:
        kept = {name: row[name] for name in ("id", "path", "line", "prompt")}
        return SetAside(**kept, label=row["source"], reason=row["error"], fingerprint=row["fingerprint"] or "")
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
        maps={method: _map_from_columns(row, method, kind.objective, names, len(tokens)) for method in kind.methods},
        compat=kind.compat,
        foil=Foil(request=row["foil"], tokens=tuple(row["foil_tokens"])) if row.get("foil") is not None else None,
    )


def _map_from_columns(
    row: dict[str, Any], method: Method, objective: Objective, names: list[Granularity], width: int
) -> SalienceMap:
    """The inverse of ``_map_to_columns``."""

    def read(what: str = "") -> dict[Granularity, FloatArray]:
        targets = list(dict.fromkeys([Granularity.TOKEN, *names]))
        stored = {name: row.get(_name_column(method, name, what)) for name in targets}
        return {name: _dense(rows, width) for name, rows in stored.items() if rows is not None}

    scores = read()
    gaps = {name: row.get(_name_column(method, name, "gap")) for name in (Granularity.TOKEN, *names)}
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
