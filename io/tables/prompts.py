"""The tables that a database has beside the scores: a row for each prompt, and one for each of its tokens."""

# pyright: standard

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlight.salience.types import Analysis

if TYPE_CHECKING:
    import pyarrow as pa

LEFT_OUT = ("error", "error_code", "tokens")  # of the columns that a results folder has of a record


def prompts_schema() -> pa.Schema:
    """Columns of the table of prompts."""
    import pyarrow as pa

    from promptlight.io.results.schema import FOIL_FIELDS, RECORD_FIELDS

    return pa.schema([*(field for field in RECORD_FIELDS if field.name not in LEFT_OUT), *FOIL_FIELDS])


def tokens_schema() -> pa.Schema:
    """Columns of the table of tokens."""
    import pyarrow as pa

    from promptlight.io.results.schema import TOKEN, column

    number, *others = TOKEN
    return pa.schema(
        [
            column("id", pa.string(), "the prompt's id"),
            column("position", pa.int32(), "place of the token, from 0, counted over prompt and completion"),
            number.with_name("token_id"),
            *others,
        ]
    )


def to_prompt(analysis: Analysis) -> pa.Table:
    """The row of a prompt."""
    import pyarrow as pa

    from promptlight.io.results.records import to_record_row

    return pa.Table.from_pylist([to_record_row(analysis)], schema=prompts_schema())


def to_tokens(analysis: Analysis) -> pa.Table:
    """The rows of a prompt's tokens."""
    import pyarrow as pa

    completion = analysis.completion
    rows = [
        vars(token) | {"id": completion.prompt.id, "position": position, "token_id": token.id, "role": token.role.value}
        for position, token in enumerate(completion.tokens)
    ]
    return pa.Table.from_pylist(rows, schema=tokens_schema())
