"""The columns of a results folder; ``_rows.py`` says how a result fills them.

Nested columns follow ``promptlight.salience.types``: positions in ``*_bounds`` count tokens, ``start``/``stop`` count
characters of prompt + completion, log-probabilities are natural logs, scores are float32. A section's range is of
characters of the prompt. What earlier versions had instead is in ``_upgrade.py``.
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
CODES = ", ".join(f"`{code}`" for code in SetAsideCode)
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
    column("error_code", pa.string(), f"the kind of that reason: {CODES}"),
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
            yield column(name_column(method, name, "error"), MATRIX, "standard errors of these scores; null as they")
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
    """What the shard's metadata says about all its rows."""

    methods: tuple[Method, ...]
    objective: Objective
    compat: Compat | None


def read_kind(settings: Mapping[str, Any]) -> Kind:
    """The kind of results that a run with these settings makes."""
    compat = settings["compat"]
    methods = tuple(Method(name) for name in settings["methods"])
    return Kind(methods, Objective(settings["objective"]), Compat(compat) if compat else None)
