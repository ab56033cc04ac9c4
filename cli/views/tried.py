"""Say of a prompt that was tried in the served page what it comes from, and where other questions were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptlight.io.places import Place
from promptlight.io.results.tried import TRIED_FOLDER, Try
from promptlight.salience.text.printable import one_line, quote

N_NAMED = 2  # folders
LONGEST_NOTE = 200  # characters


def spell_try(how: Try) -> str:
    """``tried on 2026-11-27 at 18:30 UTC by Ada, from dish-mistake: “without eggs”``, in one line."""
    author = f" by {how.author}" if how.author else ""
    parent = "a new prompt" if how.parent is None else f"from {how.parent}"
    note = f": “{quote(how.note, LONGEST_NOTE)}”" if how.note.strip() else ""
    return one_line(f"tried on {how.tried[:10]} at {how.tried[11:16]} UTC{author}, {parent}{note}")


def describe_try(how: Try | None) -> Mapping[str, Any] | None:
    """The same for ``--json``; None for a prompt of the run's own."""
    return how.describe() if how else None


def spell_tried_folders(folder: Place, found: Sequence[tuple[Place, str]]) -> str:
    """Say that completions were asked about otherwise, in which folders, and what each asks; empty if none were."""
    if not found:
        return ""
    named = ", ".join(f"{place} ({asked})" for place, asked in found[:N_NAMED])
    more = f", and {len(found) - N_NAMED} more in {folder / TRIED_FOLDER}" if len(found) > N_NAMED else ""
    return one_line(f"some were asked otherwise in the served page; to see that, name its folder: {named}{more}")
