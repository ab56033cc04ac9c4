"""The columns of a results folder; ``_rows.py`` fills them from a result.

Nested columns follow ``promptlight.salience.types``: positions in ``*_bounds`` count tokens, ``start``/``stop`` count
characters of prompt + completion, log-probabilities are natural logs, scores are float32. A section's range is of
characters of the prompt. ``_upgrade.py`` converts earlier versions.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from promptlight.salience.types import Compat, Granularity, Method, Objective, SetAsideCode

SCHEMA_VERSION = 5
READABLE = (3, 4, 5)
SPAN_GRANULARITIES = tuple(granularity for granularity in Granularity if granularity is not Granularity.TOKEN)


def column(name: str, type: pa.DataType, meaning: str, *, nullable: bool = True) -> pa.Field:
    """A column with a description, ``field.metadata[b"description"]``; docs/tables.md is generated from it."""
    return pa.field(name, type, nullable=nullable, metadata={"description": meaning})


TOKEN = pa.struct(
    [
        column("id", pa.int32(), "number in the vocabulary"),
        column("piece", pa.string(), "as the vocabulary writes it: ▁ for a space, `<0xF0>` for a byte"),
        column("start", pa.int32(), "first character, from 0, in prompt and completion as one text"),
        column("stop", pa.int32(), "the character after its last one; equal to `start` for tokens without text"),
        column("role", pa.string(), "`special`, `prompt` or `completion`"),
        column(
            "log_prob",
            pa.float64(),
            "natural log of its probability given all before it; null for the prompt's tokens",
        ),
    ]
)
TURN = pa.struct(
    [
        column("role", pa.string(), "who speaks: `user`, `model`, `tool`, or `system` after the start"),
        column("start", pa.int32(), "first character of the message in `prompt`, from 0"),
        column("stop", pa.int32(), "the character after the last one"),
    ]
)
SECTION = pa.struct(
    [
        column("name", pa.string(), "as in the record"),
        column("start", pa.int32(), "first character in `prompt`, from 0"),
        column("stop", pa.int32(), "the character after the last one"),
    ]
)
CODES = ", ".join(f"`{code}`" for code in SetAsideCode)
MATRIX = pa.list_(pa.list_(pa.float32()))

RECORD_FIELDS = [
    column("id", pa.string(), "the record's id, or its file and line if it has none", nullable=False),
    column("source", pa.string(), "the record's label"),
    column("prompt", pa.string(), "what the model read, without marks such as `<bos>`; a chat in Gemma's format"),
    column("turns", pa.list_(TURN), "the messages of a chat; null otherwise"),
    column("sections", pa.list_(SECTION), "named parts of the prompt; null if the record has none"),
    column("completion", pa.string(), "what follows the prompt"),
    column("completion_is", pa.string(), "`generated` by the model or `given` in the record"),
    column(
        "stop_reason",
        pa.string(),
        "why it ends: `end of text`, `end of turn`, `tool call` (the model waits for the tool), `token limit`,"
        ' `context full`, `given`, or `stop text` and that text in JSON: `stop text "\\n"`',
    ),
    column("error", pa.string(), "why the record was skipped; null otherwise"),
    column("error_code", pa.string(), f"the kind of that reason: {CODES}"),
    column("target", pa.string(), "the record's own completion; null if none"),
    column("fields", pa.string(), "the record's other fields, as JSON"),
    column("path", pa.string(), "the prompt file"),
    column("line", pa.int64(), "the record's line or row in that file, from 1"),
    column("fingerprint", pa.string(), "changes when the record's content does"),
    column("n_prompt_tokens", pa.int32(), "P, the number of tokens of the prompt, special ones included"),
    column("tokens", pa.list_(TOKEN), "all T tokens that the model read and wrote"),
]


FOIL_FIELDS = [
    column("foil", pa.string(), "the foil as the user gave it; null if there is none"),
    column(
        "foil_tokens",
        pa.list_(pa.string()),
        "the foil's text for each token of the completion: empty if the foil has ended before, null if the "
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
            *(field for field in RECORD_FIELDS if version > 4 or field.name != "error_code"),
            *(FOIL_FIELDS if version > 3 else []),
            *(
                column(f"{granularity}_bounds", pa.list_(pa.int32()), bounds.format(granularity))
                for granularity in Granularity
            ),
            *(field for method in methods for field in _method_fields(method, granularities)),
        ]
    )


def _method_fields(method: Method, granularities: Iterable[Granularity]) -> Iterator[pa.Field]:
    """The columns of a method's scores and their errors."""
    yield column(
        method.value, MATRIX, "a row per token of the completion: scores of all tokens before it; null if not computed"
    )
    for name in granularities:
        spans = f"a row per {name} of the completion: scores of all tokens before its last, for the whole {name}"
        yield column(f"{method}_{name}", MATRIX, f"{spans}; null as above")
    targets = [Granularity.TOKEN, *granularities]
    if method.takes_spans:
        yield column(
            f"{method}_sources", pa.string(), "the granularity of the scored spans; scores are spread over tokens"
        )
    if method.draws:
        for name in targets:
            yield column(
                name_column(method, name, "error"), MATRIX, "standard errors of these scores; null where scores are"
            )
    if method is Method.INTEGRATED_GRADIENTS:
        for name in targets:
            meaning = "a number a row: what its scores add up to minus what they should, the objective's change"
            yield column(name_column(method, name, "gap"), pa.list_(pa.float32()), meaning)


def name_column(method: Method, granularity: Granularity, what: str = "") -> str:
    """``grad_l2``, ``grad_l2_word``, ``smoothgrad_word_error``."""
    return "_".join([method.value, *[granularity.value] * (granularity is not Granularity.TOKEN), *[what] * bool(what)])


def find_matrix_columns(schema: pa.Schema) -> list[str]:
    """The columns that hold scores."""
    return [field.name for field in schema if field.type == MATRIX]


class Kind(NamedTuple):
    """What a shard's metadata says about all its rows."""

    methods: tuple[Method, ...]
    objective: Objective
    compat: Compat | None


def read_kind(settings: Mapping[str, Any]) -> Kind:
    """The kind of results of a run with these settings."""
    compat = settings["compat"]
    methods = tuple(Method(name) for name in settings["methods"])
    return Kind(methods, Objective(settings["objective"]), Compat(compat) if compat else None)
