"""Store evaluations in one Parquet file next to the results, ``_evaluation/evaluation.parquet``.

pandas and pyarrow skip folders whose names begin with an underscore, and so does ``shards.py``; for
``results/*.parquet``, DuckDB and Polars do not look into folders. The file's metadata has the settings of the
evaluation and of its results: an evaluation of other results than the present ones counts as missing.
"""

# pyright: standard

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from promptlight.io.files import writing
from promptlight.io.results.reader import read_settings
from promptlight.io.results.schema import column
from promptlight.io.results.shards import EVALUATION_FOLDER
from promptlight.salience.errors import OutputError

EVALUATION = Path(EVALUATION_FOLDER) / "evaluation.parquet"
METADATA_KEY = b"promptlight_evaluation"
PATIENCE = 20  # after a write, wait this many times as long as it took


@dataclass(frozen=True, kw_only=True)
class StoredEvaluation:
    """A row per prompt and method, with the columns of ``evaluation_schema``, and the settings that made them."""

    rows: list[dict[str, Any]]
    settings: Mapping[str, Any]

    def find(self, id: str, method: str, fingerprint: str) -> dict[str, Any] | None:
        """The row of one prompt's method; None if it was not measured, or its record has changed since."""
        return self._by_key.get((id, method, fingerprint))

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        return {(row["id"], row["method"], row["fingerprint"]): row for row in self.rows}


def read_evaluation(folder: str | Path) -> StoredEvaluation | None:
    """The evaluation of a folder's results; None if there is none. Raises OutputError for a damaged file."""
    path = Path(folder) / EVALUATION
    if not path.exists():
        return None
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        settings = json.loads((table.schema.metadata or {})[METADATA_KEY])
        if not table.schema.equals(evaluation_schema()):
            raise ValueError("its columns are not those that promptlight writes")
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise OutputError(f"{path}: not readable ({error}); delete it and run `promptlight evaluate` again") from error
    if settings["results"] != json.loads(json.dumps(read_settings(folder))):
        return None
    return StoredEvaluation(rows=table.to_pylist(), settings=settings)


class EvaluationStore:
    """Keeps the rows of an evaluation next to a folder's results as they are made.

    Earlier rows with the same settings stay, so that a stopped evaluation goes on; with ``anew``, and with other
    settings, it starts over. ``settings`` are the evaluation's own. A damaged file is replaced. Unless it ``keeps``
    them, nothing is written.
    """

    def __init__(
        self, folder: str | Path, settings: Mapping[str, Any], *, anew: bool = False, keeps: bool = True
    ) -> None:
        self.path = Path(folder) / EVALUATION
        self._settings = json.loads(json.dumps(dict(settings) | {"results": read_settings(folder)}))
        try:
            before = None if anew else read_evaluation(folder)
        except OutputError:
            before = None
        kept = before.rows if before and before.settings == self._settings else []
        self._rows = {(row["id"], row["method"]): row for row in kept}
        self._written, self._keeps = bool(kept), keeps
        self._seconds, self._last = 0.0, time.monotonic()

    def find(self, id: str, fingerprint: str, methods: Iterable[str]) -> list[dict[str, Any]]:
        """A prompt's rows in the order of the methods; empty if one is missing, or the record has changed since."""
        found = [self._rows.get((id, method)) for method in methods]
        return [row for row in found if row] if all(row and row["fingerprint"] == fingerprint for row in found) else []

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add a prompt's rows, and write the file: at once, or now and then where that would take long."""
        self._rows |= {(row["id"], row["method"]): dict(row) for row in rows}
        self._written = False
        if time.monotonic() - self._last >= PATIENCE * self._seconds:
            self.flush()

    def flush(self) -> Path | None:
        """Write all rows, unless the file has them; returns it, or None if nothing is kept."""
        if self._written or not self._keeps:
            return self.path if self._keeps else None
        started = time.monotonic()
        metadata = {METADATA_KEY: json.dumps(self._settings)}
        table = pa.Table.from_pylist(list(self._rows.values()), schema=evaluation_schema().with_metadata(metadata))
        with writing(self.path, durable=True) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        self._last = time.monotonic()
        self._seconds, self._written = self._last - started, True
        return self.path


def evaluation_schema() -> pa.Schema:
    """Columns of an evaluation."""
    text, number, whole = pa.string(), pa.float64(), pa.int32()
    rivals = {
        "": "by the method's order",
        "random_": "the mean of `n_random` random orders",
        "nearest_": "with the nearest source first",
        "last_line_": "with the prompt's last line first, then all others from the top",
    }
    figures = {
        "deletion": "area under the deletion curve, in nats",
        "insertion": "area under the insertion curve, in nats",
        **{f"drop_{k}": f"loss by removing the first {k}, in nats; empty if there are fewer" for k in (1, 3, 5)},
    }
    return pa.schema(
        [
            column("id", text, "the prompt's id"),
            column("source", text, "the record's label; empty if it has none"),
            column("fingerprint", text, "changes when the record's content does"),
            column("method", text, "whose order was measured"),
            column("by", text, "how the sources are cut"),
            column("target", text, "the target as the user gave it; empty for the whole completion"),
            column("target_by", text, "how the target is cut"),
            column("target_text", text, "its text"),
            column("target_start", whole, "its first token, from 0, counted over prompt and completion"),
            column("target_stop", whole, "the token after its last one"),
            column("n_sources", whole, "number of sources before it"),
            column("log_prob", number, "its log-probability with all of them, in nats"),
            column("empty_log_prob", number, "with none of them"),
            *(
                column(f"{rival}{name}", number, f"{meaning}: {whose}")
                for rival, whose in rivals.items()
                for name, meaning in figures.items()
            ),
            column("n_random", whole, "number of random orders"),
            column("n_beaten", whole, "number of those with a higher deletion area than the method"),
            column("n_beaten_insertion", whole, "number of those with a lower insertion area"),
            column(
                "noise_correlation", number, "rank correlation with scores at noisy embeddings; empty if not measured"
            ),
            column("agreement", number, "mean rank correlation with the run's other methods; empty if there are none"),
        ]
    )
