"""What was tried beside a run: prompts that someone changed or added in the served page, and how each came about.

A prompt that was tried is an ordinary row of the folder, labelled ``tried``. Its fields say which prompt it comes from,
who tried it and when, and what they noted. The same completions asked about otherwise, with another method, objective
or foil, are whole results folders of their own, ``RESULTS/_tried/<name>``: one folder has one description of settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from promptlight.io.places import Place
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.types import Analysis, Prompt

LABEL = "tried"
FIELDS = ("parent", "note", "author", "tried")
TRIED_FOLDER = "_tried"
N_DIGITS = 8  # of the settings' hash, in a folder's name
_OF_MODEL = ("model", "config_hash", "dtype", "file_sha256", "adapter_sha256")
_OF_WRITING = ("chat", "max_new_tokens", "stop", "thinking", *(option.name for option in fields(Sampling)))
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_UNSAFE = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class Try:
    """How a prompt that was tried came about.

    ``parent`` is the id of the prompt that was changed; None if it is a new one. ``tried`` is when, in UTC:
    ``2026-11-27T18:30:05Z``. Nobody need say a ``note`` or an ``author``: then they are empty.
    """

    parent: str | None
    tried: str
    note: str = ""
    author: str = ""

    def describe(self) -> dict[str, Any]:
        """The fields of the prompt, and the same as plain data for JSON."""
        return asdict(self)


def describe_try(prompt: Prompt) -> Try | None:
    """How a prompt came about; None if it was not tried but is one of the run's own."""
    return read_try(prompt.label, prompt.fields)


def read_try(label: str | None, fields: Mapping[str, Any]) -> Try | None:
    """The same from a record's label and its other fields."""
    tried, parent = fields.get("tried"), fields.get("parent")
    if label != LABEL or "parent" not in fields or not isinstance(tried, str) or not _MOMENT.fullmatch(tried):
        return None
    return Try(
        parent=None if parent is None else str(parent),
        tried=tried,
        note=str(fields.get("note") or ""),
        author=str(fields.get("author") or ""),
    )


def is_tried(analysis: Analysis) -> bool:
    """Whether a result is of a prompt that was tried."""
    return describe_try(analysis.completion.prompt) is not None


def find_tried_folders(folder: Place) -> Sequence[Place]:
    """The folders of completions that were asked about otherwise, by name; what holds no results is left out."""
    try:
        inside: Sequence[Place] = list((folder / TRIED_FOLDER).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return [place for place in sorted(inside, key=lambda place: place.name) if _has_results(place)]


def _has_results(place: Place) -> bool:
    from promptlight.io.results.shards import find_shards

    try:
        return bool(find_shards(place))
    except (FileNotFoundError, NotADirectoryError):
        return False


def name_tried_folder(settings: Mapping[str, Any]) -> str:
    """The name of the folder in ``_tried`` for results with these settings: ``grad_l2-logprob-1f3a5c7e``."""
    spelled = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    parts = [settings["methods"][0], settings["objective"], sha256(spelled.encode()).hexdigest()[:N_DIGITS]]
    return "-".join(_UNSAFE.sub("-", part) for part in parts)


def describe_question(settings: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """What a folder's settings ask: ``grad_dot_input, margin``, or ``grad_l2 against “Avoid.”`` with a foil.

    What else the completions depend on is named where it is other than in the ``base`` settings of the run: the model,
    as in ``grad_l2, logprob, by gemma3-270m``, and how it writes: ``max_new_tokens 8``.
    """
    methods = " and ".join(settings["methods"])
    foil = settings.get("foil")
    named = [f"{methods} against “{foil}”"] if foil else [methods, settings["objective"]]
    if any(settings.get(name) != base.get(name) for name in _OF_MODEL):
        named.append(f"by {PurePath(settings['model']).name}")
    changed = (name for name in _OF_WRITING if settings.get(name) != base.get(name))
    return ", ".join([*named, *(f"{name} {_spell(settings.get(name))}" for name in changed)])


def _spell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
