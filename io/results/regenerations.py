"""Store which parts of a prompt change the answer when the model writes again without them.

``_evaluation/regenerated.parquet`` next to the results has what ``evaluate`` found, with one question for all prompts
(``_row_store.py``). ``_evaluation/taken_away.parquet`` has what readers of the served page tried, each with a question
of their own. Neither replaces the other's rows.
"""

# pyright: standard

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from promptlight.io.places import Place
from promptlight.io.results._row_store import RowFile, RowStore, read_rows
from promptlight.io.results.schema import column
from promptlight.io.results.shards import EVALUATION_FOLDER

REGENERATED = Path(EVALUATION_FOLDER) / "regenerated.parquet"
TAKEN_AWAY = Path(EVALUATION_FOLDER) / "taken_away.parquet"
METADATA_KEY = b"promptlight_regenerated"
_QUESTION = ("by", "target", "target_by", "number")


def read_regenerated(folder: str | Place) -> Mapping[str, list[dict[str, Any]]]:
    """The rows about each prompt of the present results, by id; empty if there are none.

    A prompt may have rows of several questions (``PromptCauses.list_from_rows``); what ``evaluate`` found comes last,
    and counts where both asked the same. Raises OutputError for a damaged file.
    """
    found: defaultdict[str, dict[tuple[Any, ...], dict[str, Any]]] = defaultdict(dict)
    for file in (_describe_tried(), _describe_file()):
        stored = read_rows(folder, file)
        for row in stored.rows if stored else ():
            key = (row["fingerprint"], *(row[name] for name in _QUESTION))
            found[row["id"]].pop(key, None)
            found[row["id"]][key] = row
    return {id: list(rows.values()) for id, rows in found.items()}


class RegenerationStore(RowStore):
    """Keeps the parts of each prompt as soon as the model has written again without them."""

    def __init__(
        self, folder: str | Place, settings: Mapping[str, Any], *, anew: bool = False, keeps: bool = True
    ) -> None:
        super().__init__(folder, _describe_file(), settings, anew=anew, keeps=keeps)


class TakenAwayStore(RowStore):
    """Keeps the parts of a prompt that readers of the served page took away; other questions' rows stay."""

    def __init__(self, folder: str | Place) -> None:
        super().__init__(folder, _describe_tried(), {})


@cache
def _describe_tried() -> RowFile:
    return replace(_describe_file(), path=TAKEN_AWAY, key=_QUESTION)


@cache
def _describe_file() -> RowFile:
    return RowFile(
        path=REGENERATED,
        schema=regeneration_schema(),
        key=("number",),
        metadata_key=METADATA_KEY,
        again="let the model write again",
    )


def regeneration_schema() -> pa.Schema:
    """Columns of the parts that were taken away."""
    text, whole = pa.string(), pa.int32()
    return pa.schema(
        [
            column("id", text, "the prompt's id"),
            column("source", text, "the record's label; empty if it has none"),
            column("fingerprint", text, "changes when the record's content does"),
            column("by", text, "how the prompt is cut into parts"),
            column("target", text, "the target as the user gave it; -1 for the last one"),
            column("target_by", text, "how the target is cut"),
            column("target_text", text, "its text in the stored completion"),
            column("old_answer", text, "what the model now writes there for the unchanged prompt, stripped"),
            column("number", whole, "number of the part among all spans of prompt and completion, from 0"),
            column("line", whole, "line of the prompt where it begins, from 1"),
            column("section", text, "section of the prompt where it begins; empty if none"),
            column("text", text, "its text"),
            column("changed", pa.bool_(), "whether the model writes another answer without it"),
            column("answer", text, "what it then writes in the target's place, stripped; empty if nothing"),
            column("distance", whole, "Levenshtein's distance of that from `old_answer`, in characters"),
            column("completion", text, "all that it then writes"),
        ]
    )


def judgement_schema() -> pa.Schema:
    """Columns of how well each method ranks the parts."""
    text, number, whole = pa.string(), pa.float64(), pa.int32()
    orders = {
        "": "by the method's scores",
        "random_": "expected of a random order",
        "nearest_": "with the nearest part first",
        "last_line_": "with the prompt's last line first, then all others from the top",
    }
    figures = {
        "first": "1 if the first part changes the answer, else 0; of equal scores, their mean",
        "average_precision": "average precision, 0 to 1",
    }
    return pa.schema(
        [
            column("id", text, "the prompt's id"),
            column("source", text, "the record's label; empty if it has none"),
            column("fingerprint", text, "changes when the record's content does"),
            column("method", text, "whose scores were judged"),
            column("way", text, "`direct`, `through` the model's own words before the target, or `all`"),
            column("by", text, "how the prompt is cut into parts"),
            column("target", text, "the target as the user gave it; -1 for the last one"),
            column("target_by", text, "how the target is cut"),
            column("target_text", text, "its text in the stored completion"),
            column("n_parts", whole, "number of parts"),
            column("n_causes", whole, "number of those that change the answer"),
            column("top_line", whole, "line of the part that the method puts first"),
            column("top_text", text, "its text"),
            *(
                column(f"{order}{name}", number, f"{meaning}: {whose}")
                for order, whose in orders.items()
                for name, meaning in figures.items()
            ),
        ]
    )
