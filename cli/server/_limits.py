"""How much the served page takes at once, and the error that says it is too much."""

from __future__ import annotations

from dataclasses import dataclass

from promptlight.salience.errors import PromptlightError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Jobs that wait, records of a file, bytes of a prompt and of a note; and ended jobs that are still listed."""

    waiting: int = 100
    records: int = 200
    prompt_bytes: int = 200_000
    note_bytes: int = 10_000
    ended: int = 50


class Busy(PromptlightError):
    """The queue is full: try again later."""
