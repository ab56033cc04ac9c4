"""Prompt files of every format, and what is read of them."""

# pyright: standard

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.types import Prompt, SetAside

RECORDS: list[dict[str, Any]] = [
    {"id": "a", "prompt": 'Say "hi",\nthen go.', "target": "hi", "source": "kind", "n": "1"},
    {"id": "b", "prompt": "好🍕", "target": None, "source": "rude", "n": "2"},
    {"id": "c", "prompt": "Why?", "target": None, "source": "kind", "n": "3"},
]


def save(path: Path, records: list[dict[str, Any]] = RECORDS) -> Path:
    """The records in the format and packing that the name asks for."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(records), path)
        return path
    if name.endswith((".csv", ".tsv")):
        text = pd.DataFrame(records).to_csv(index=False, sep="\t" if name.endswith(".tsv") else ",")
    elif name.endswith(".txt"):
        text = "".join(f"{record['prompt']}\n" for record in records)
    else:
        text = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(text.encode(), codec="zstd", asbytes=True))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def prompts_of(*sources: str | Path, **options: Any) -> list[Prompt]:
    records = list(PromptReader(sources, **options))
    assert [record.reason for record in records if isinstance(record, SetAside)] == []
    return [record for record in records if isinstance(record, Prompt)]


def summary(prompts: list[Prompt]) -> list[dict[str, Any]]:
    return [
        {"id": one.id, "prompt": one.text, "target": one.given_completion, "source": one.label, **one.fields}
        for one in prompts
    ]


GOOD = b'{"prompt": "good"}'


def write(folder: Path, content: bytes, name: str = "prompts.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read_usable(path: Path) -> list[Prompt]:
    """All records; the test fails if one is skipped."""
    records = list(read_prompts(path))
    assert [record for record in records if isinstance(record, SetAside)] == []
    return [record for record in records if isinstance(record, Prompt)]
