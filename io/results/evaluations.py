"""Store evaluations next to the results, ``_evaluation/evaluation.parquet`` (``_row_store.py``)."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from promptlight.io.places import Place
from promptlight.io.results._row_store import RowFile, RowStore, StoredRows, read_rows
from promptlight.io.results.schema import column
from promptlight.io.results.shards import EVALUATION_FOLDER

EVALUATION = Path(EVALUATION_FOLDER) / "evaluation.parquet"
METADATA_KEY = b"promptlight_evaluation"


@dataclass(frozen=True, kw_only=True)
class StoredEvaluation(StoredRows):
    """A row per prompt and method, with the columns of ``evaluation_schema``, and the settings that made them."""

    def find(self, id: str, method: str, fingerprint: str) -> dict[str, Any] | None:
        """The row of one prompt's method; None if it was not measured, or its record has changed since."""
        return self._by_key.get((id, method, fingerprint))

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        return {(row["id"], row["method"], row["fingerprint"]): row for row in self.rows}


def read_evaluation(folder: str | Place) -> StoredEvaluation | None:
    """The evaluation of a folder's results; None if there is none. Raises OutputError for a damaged file."""
    found = read_rows(folder, _describe_file())
    return None if found is None else StoredEvaluation(rows=found.rows, settings=found.settings)


class EvaluationStore(RowStore):
    """Keeps the rows of an evaluation next to a folder's results as they are made."""

    def __init__(
        self, folder: str | Place, settings: Mapping[str, Any], *, anew: bool = False, keeps: bool = True
    ) -> None:
        super().__init__(folder, _describe_file(), settings, anew=anew, keeps=keeps)

    def find(self, id: str, fingerprint: str, methods: Iterable[str]) -> list[dict[str, Any]]:
        """A prompt's rows in the order of the methods; empty if one is missing, or the record has changed since."""
        rows = {row["method"]: row for row in self.find_prompt(id, fingerprint)}
        found = [rows.get(method) for method in methods]
        return [row for row in found if row] if all(found) else []


@cache
def _describe_file() -> RowFile:
    return RowFile(
        path=EVALUATION,
        schema=evaluation_schema(),
        key=("method",),
        metadata_key=METADATA_KEY,
        again="run `promptlight evaluate` again",
    )


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
