"""What readers of the page ask for: read a request, refuse by name what is not understood, and make jobs of it.

A job fixes all that it needs when it is taken, also the id of the row that it makes: so a job that is found again after
a restart is done if its row is there, and no row is written twice.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from promptlight.salience.types import Prompt, Section, Turn


class Kind(StrEnum):
    """What a job does: write and explain a prompt, take away each part of one, or ask about a completion otherwise."""

    WRITE = "write"
    EACH = "each"
    ASK = "ask"


class State(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to the job."""
        return self not in (State.WAITING, State.RUNNING)


@dataclass(kw_only=True)
class Job:
    """One piece of work. ``key`` is the same for the same request. ``asked`` are a request's other values.

    ``prompt`` is what is written, with the id of the new row; None for other kinds. ``number`` is that of the record
    that was made or changed, once it is there. ``left`` are seconds.
    """

    kind: Kind
    key: str
    created: str
    parent: str | None = None
    makes: str | None = None
    author: str = ""
    note: str = ""
    prompt: Prompt | None = None
    asked: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str = field(default_factory=lambda: secrets.token_hex(5))
    state: State = State.WAITING
    share: float = 0.0
    left: float | None = None
    phase: str = ""
    text: str = ""
    error: str | None = None
    number: int | None = None

    def describe(self, place: int, left: float | None) -> dict[str, Any]:
        """What readers see; ``place`` is 0 unless it waits."""
        return {
            "id": self.id,
            "kind": self.kind,
            "parent": self.parent,
            "makes": self.makes,
            "state": self.state,
            "place": place,
            "share": round(self.share, 3),
            "left": None if left is None else round(left, 1),
            "phase": self.phase,
            "text": self.text,
            "error": self.error,
            "number": self.number,
            "author": self.author,
            "note": self.note,
            "created": self.created,
        }

    def to_json(self) -> dict[str, Any]:
        """What is kept of a job that waits or runs."""
        kept = ("id", "kind", "key", "created", "parent", "makes", "author", "note")
        prompt = asdict(self.prompt) if self.prompt else None
        return {name: getattr(self, name) for name in kept} | {"prompt": prompt, "asked": dict(self.asked)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``; raises TypeError, KeyError or ValueError for anything else."""
        read = dict(kept)
        kind, prompt = Kind(read.pop("kind")), read.pop("prompt")
        for name in ("id", "key", "created", "author", "note"):
            if not isinstance(read[name], str):
                raise TypeError(name)
        if (kind is Kind.WRITE) != bool(prompt):
            raise ValueError(f"a job to {kind} {'with' if prompt else 'without'} a prompt")
        return cls(**read, kind=kind, prompt=_read_prompt(prompt) if prompt else None)


def _read_prompt(kept: Mapping[str, Any]) -> Prompt:
    """The prompt that ``asdict`` described."""
    read: dict[str, Any] = dict(kept)
    read["turns"] = tuple(Turn(**turn) for turn in kept["turns"])
    read["sections"] = tuple(Section(**section) for section in kept["sections"])
    if not all(isinstance(read[name], str) for name in ("id", "text", "path", "fingerprint")):
        raise TypeError("a prompt without text")
    return Prompt(**read)


def hash_request(request: Mapping[str, Any]) -> str:
    """The same for the same request: a double click, or a request that is sent again."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
