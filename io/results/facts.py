"""Where results come from: the model, when it ran, its settings and the versions, from one shard's metadata."""

# pyright: standard

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from promptlight.io.places import Place, parse_place
from promptlight.io.results.shards import read_metadata, require_shards
from promptlight.salience.errors import OutputError

NAMED = ("model", "dtype", "quantised", "adapter", "adapter_sha256", "config_hash", "file_sha256", "chat")
"""The settings that are facts of their own; all others are in ``RunFacts.settings``."""


HASH_DIGITS = 12  # that views show


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Where results come from. None: not known, or there is none; older results have no dates.

    ``model`` is the user's name for the model, ``preset`` what was loaded: a handle, a folder or a file. ``dtype`` and
    ``device`` are torch's names. A ``quantised`` model runs on copies of its weights, expanded to ``dtype``.
    ``config_hash`` is of the model's configuration, ``file_sha256`` of a model that is one file. ``chat``: the prompts
    were put into Gemma's chat format.

    ``started`` is when the folder's first run began, ``finished`` when its last result was: in UTC, such as
    ``2026-11-27T18:30:05Z``. ``settings`` are all others that change results, with the names that are stored: methods,
    objective, sampling and so on. ``device`` and ``versions`` are those of the last run that stored results.
    """

    model: str
    preset: str
    dtype: str | None = None
    device: str | None = None
    quantised: str | None = None
    adapter: str | None = None
    adapter_sha256: str | None = None
    config_hash: str | None = None
    file_sha256: str | None = None
    chat: bool = False
    started: str | None = None
    finished: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def short_model(self) -> str:
        """The model's name without the folders of a path, which may name a person."""
        return self.model if "://" in self.preset else PurePath(self.model).name

    @property
    def short_adapter(self) -> str | None:
        """The adapter's name without folders; None if there is none."""
        return self.adapter if self.adapter is None or "://" in self.adapter else PurePath(self.adapter).name

    @property
    def promptlight(self) -> str | None:
        """The version of promptlight."""
        return self.versions.get("promptlight")

    @property
    def dates(self) -> tuple[str, ...]:
        """The days of the first run and of the last results, such as ``2026-11-27``; one if they are the same.

        Nothing if the last is unknown; of results that were begun without dates, the last alone.
        """
        days = [moment[:10] for moment in (self.started, self.finished) if moment] if self.finished else []
        return tuple(dict.fromkeys(days))

    def describe(self) -> dict[str, Any]:
        """The same as plain data for JSON."""
        return asdict(replace(self, settings=dict(self.settings), versions=dict(self.versions)))


def read_facts(folder: str | Place) -> RunFacts | None:
    """The facts of a results folder, from its last shard that can be read; None if none can.

    Raises OutputError if there are no results.
    """
    for shard in reversed(require_shards(parse_place(folder))):
        with contextlib.suppress(OutputError):  # a damaged shard; all have the same settings
            return build_facts(read_metadata(shard))
    return None


def build_facts(metadata: Mapping[str, Any]) -> RunFacts:
    """The facts in a shard's metadata: its settings and what ``describe_provenance`` adds."""
    settings = metadata["settings"]
    return RunFacts(
        model=metadata.get("model_name") or settings["model"],
        preset=settings["model"],
        **{name: settings.get(name) for name in NAMED if name not in ("model", "chat")},
        chat=bool(settings.get("chat")),
        device=metadata.get("device"),
        started=metadata.get("started"),
        finished=metadata.get("finished"),
        settings={name: value for name, value in settings.items() if name not in NAMED},
        versions=metadata.get("versions", {}),
    )


def read_clock() -> str:
    """The time now, in UTC: ``2026-11-27T18:30:05Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
