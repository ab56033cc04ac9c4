"""What a results folder holds already: the shards say themselves which records are done.

There is no list of finished records that could disagree with them.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from typing import Any

from promptlight.io.places import Place, parse_place
from promptlight.io.results.shards import EVALUATION_FOLDER, find_shards, naming, read_tables, settings_of, to_rows
from promptlight.io.results.tried import TRIED_FOLDER
from promptlight.salience.errors import OutputError
from promptlight.salience.types import SetAsideCode


@dataclass(frozen=True)
class Done:
    """What a folder already holds of one record."""

    fingerprint: str
    shard: Place
    error: str | None = None  # why it was skipped
    code: SetAsideCode | None = None
    path: str | None = None  # the prompt file

    def settles(self, fingerprint: str) -> bool:
        """Whether a record needs no more work: it is as it was, and would only be skipped again."""
        return self.fingerprint == fingerprint and not (self.code is not None and self.code.is_retried)


def find_gone(done: Mapping[str, Done], paths: Container[str]) -> set[str]:
    """The ids of records of these files that could not be used; those that are read again are still there."""
    return {id for id, one in done.items() if one.code is SetAsideCode.UNUSABLE and (one.path or "") in paths}


def read_done(
    folder: str | Place, settings: dict[str, Any] | None = None, unknown: Collection[str] = ()
) -> dict[str, Done]:
    """What a folder holds of each record, by id; nothing if it is not there yet, and nothing in it is touched.

    Raises OutputError for a folder that was made with other settings (None: any will do), or holds something else. The
    settings named in ``unknown`` are not compared.
    """
    folder, done = parse_place(folder), dict[str, Done]()
    try:
        if not folder.exists():
            return done
        refuse_foreign(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be read ({error.strerror}); choose another folder", parameters=("folder",)
        ) from error
    for shard, table in read_tables(find_shards(folder), ["id", "fingerprint", "error", "error_code", "path"]):
        if isinstance(table, OutputError):
            raise table
        differences = "" if settings is None else _describe_differences(settings_of(table), settings, unknown)
        if differences:
            raise OutputError(
                f"{folder}: made with other settings ({differences}); choose another folder", parameters=("folder",)
            )
        with naming(shard):
            rows = to_rows(table)
        for row in rows:
            if row["id"] in done:
                raise OutputError(f"{shard}: holds id {row['id']!r}, as {done[row['id']].shard} does; delete one")
            with naming(shard):
                code = None if row["error"] is None else SetAsideCode(row["error_code"])
            done[row["id"]] = Done(row["fingerprint"] or "", shard, row["error"], code, row["path"])
    return done


def refuse_foreign(folder: Place) -> None:
    """Raise OutputError for a folder that holds other files than results."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    foreign = [name for name in names if name not in (EVALUATION_FOLDER, TRIED_FOLDER)]
    if foreign and not find_shards(folder):
        raise OutputError(
            f"{folder}: holds other files ({foreign[0]}) and no results; choose another folder", parameters=("folder",)
        )


def _describe_differences(stored: dict[str, Any], wanted: dict[str, Any], unknown: Collection[str]) -> str:
    compared = [name for name in {**stored, **wanted} if name not in unknown]
    names = [name for name in compared if stored.get(name) != wanted.get(name)]
    return "; ".join(f"{name}: there {_spell(stored.get(name))}, now {_spell(wanted.get(name))}" for name in names)


def _spell(setting: Any) -> str:
    return ", ".join(map(str, setting)) if isinstance(setting, list) else str(setting)
