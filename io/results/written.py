"""Keep what a model wrote for changed copies of a stored prompt: a file in ``_evaluation/parts`` for each prompt.

A row is a changed prompt, what the model wrote for it, and how likely each token of the old completion was after it.
What is asked about does not matter: another target or another cut finds what was written before. The file's name is a
hash of its settings, those of the results included; what was written in another way counts as missing.
"""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.files import writing
from promptlight.io.places import Place
from promptlight.io.results._rows import from_row, to_row
from promptlight.io.results.reader import read_settings
from promptlight.io.results.schema import Kind, build_schema, column
from promptlight.io.results.shards import EVALUATION_FOLDER, open_source, to_rows
from promptlight.salience.types import Analysis, Completion, Objective, Prompt

WRITTEN = Path(EVALUATION_FOLDER) / "parts"
METADATA_KEY = b"promptlight_written"
KIND = Kind((), Objective.LOGPROB, None)
Key = tuple[str, tuple[tuple[str, int, int], ...]]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the model wrote for a prompt, and the log-probability of each token of the old completion after it."""

    completion: Completion
    old_log_probs: Sequence[float]


class WrittenStore:
    """What was written for changed copies of one prompt; ``add`` writes the file at once.

    ``settings`` say how the model writes. Without a folder, it keeps all in memory. ``anew`` forgets what is in the
    file, and a damaged one is replaced.
    """

    def __init__(
        self, folder: Place | None, prompt: Prompt, settings: Mapping[str, Any], *, anew: bool = False
    ) -> None:
        self.path: Place | None = None
        self._written: dict[Key, Written] = {}
        if folder is None:
            return
        results = {"results": read_settings(folder), "id": prompt.id, "fingerprint": prompt.fingerprint}
        self._settings = json.dumps(dict(settings) | results, sort_keys=True)
        self.path = folder / WRITTEN / f"{sha256(self._settings.encode()).hexdigest()[:16]}.parquet"
        if not anew and self.path.exists():
            self._written = {_find_key(one.completion.prompt): one for one in _read(self.path)}

    def find(self, prompt: Prompt) -> Written | None:
        """What was written for a prompt of this text; None if nothing was."""
        return self._written.get(_find_key(prompt))

    def add(self, written: Iterable[Written]) -> None:
        """Add some, and write the file."""
        self._written |= {_find_key(one.completion.prompt): one for one in written}
        if self.path is None:
            return
        schema = _written_schema().with_metadata({METADATA_KEY: self._settings})
        rows = [
            to_row(Analysis(completion=one.completion, segmentations={}, maps={}))
            | {"old_log_probs": list(one.old_log_probs)}
            for one in self._written.values()
        ]
        with writing(self.path, durable=True) as temporary:
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary, compression="zstd")


def _read(path: Place) -> list[Written]:
    """The rows of a file; none if it is damaged."""
    try:
        with open_source(path) as source, pq.ParquetFile(source) as file:
            table = file.read()
        found = [(from_row(row, KIND), row["old_log_probs"]) for row in to_rows(table)]
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return []
    return [
        Written(completion=one.completion, old_log_probs=log_probs)
        for one, log_probs in found
        if isinstance(one, Analysis)
    ]


def _find_key(prompt: Prompt) -> Key:
    return prompt.text, tuple((turn.role, turn.start, turn.stop) for turn in prompt.turns)


def _written_schema() -> pa.Schema:
    log_probs = column(
        "old_log_probs", pa.list_(pa.float64()), "log-probability of each token of the old completion, in nats"
    )
    return pa.schema([*build_schema((), ()), log_probs])
