"""Where a table's results come from: metadata of a Parquet or Arrow file, and the table ``facts`` of a database."""

# pyright: standard

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from promptlight.io.tables.kinds import TableKind

if TYPE_CHECKING:
    import pyarrow as pa

    from promptlight.io.results.facts import RunFacts

METADATA_KEY = b"promptlight_facts"
NAME = "facts"


def facts_schema() -> pa.Schema:
    """Columns of the table of facts, which has one row."""
    import pyarrow as pa

    from promptlight.io.results.schema import column

    text = {
        "model": "the model as the user named it",
        "preset": "what was loaded: a handle, a folder or a file",
        "dtype": "precision of the weights",
        "device": "where they were, in the last run",
        "quantised": "how they are quantised in their file; null if they are not",
        "adapter": "the adapter; null if there is none",
        "adapter_sha256": "SHA-256 of the adapter",
        "config_hash": "hash of the model's configuration",
        "file_sha256": "SHA-256 of a model that is one file",
    }
    return pa.schema(
        [
            *(column(name, pa.string(), meaning) for name, meaning in text.items()),
            column("chat", pa.bool_(), "whether the prompts were put into Gemma's chat format"),
            column("started", pa.string(), "when the first run started, in UTC; null if not known"),
            column("finished", pa.string(), "when the last result was finished, in UTC; null if not known"),
            column("settings", pa.string(), "all other settings that change results, as JSON"),
            column("versions", pa.string(), "of promptlight, Python and packages in the last run, as JSON"),
        ]
    )


def facts_kind() -> TableKind:
    """The table of facts."""
    return TableKind(name=NAME, schema=facts_schema())


def to_facts(facts: RunFacts) -> pa.Table:
    """The row of facts."""
    import pyarrow as pa

    described = facts.describe()
    nested = {name: json.dumps(described[name], ensure_ascii=False) for name in ("settings", "versions")}
    return pa.Table.from_pylist([described | nested], schema=facts_schema())


def add_facts(schema: pa.Schema, facts: RunFacts) -> pa.Schema:
    """A file's schema with the facts in its metadata, as JSON."""
    found = json.dumps(facts.describe(), ensure_ascii=False)
    return schema.with_metadata({**(schema.metadata or {}), METADATA_KEY: found})
