"""What a shell offers: ids, fields and targets of the results folder that is named, cuts, models, folders, files.

Nothing here loads torch, and nothing raises: a shell that can't complete says nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import regex
import typer

from promptlight.io.places import Place
from promptlight.io.prompts.files.sources import SAMPLE_PROMPTS
from promptlight.io.results.folders import BUNDLED, find_folder
from promptlight.salience.errors import PromptlightError
from promptlight.salience.types import Granularity

MODELS = (  # those that `promptlight doctor` lists
    "demo",
    "gemma3_instruct_270m",
    "gemma3_instruct_1b",
    "gemma4_instruct_2b",
    "gemma3n_e2b_it",
    "gemma2_instruct_2b_en",
    "gemma3_instruct_4b_text",
    "gemma3n_e4b_it",
    "gemma4_instruct_4b",
    "gemma_1.1_instruct_7b_en",
    "gemma2_instruct_9b_en",
    "gemma3_instruct_12b_text",
    "gemma4_instruct_26b_a4b",
    "gemma2_instruct_27b_en",
    "gemma4_instruct_31b",
)
PATTERN = "regex:"
LABEL = regex.compile(r"^[ \t]*(\p{L}[\w-]{0,23}):(?=\s|$)", regex.MULTILINE)  # one word, which needs no quotes


def complete_cut(incomplete: str) -> list[str]:
    """The cuts of a text."""
    return _beginning(incomplete, [*Granularity, PATTERN])


def complete_model(incomplete: str) -> list[str]:
    """The usual models."""
    return _beginning(incomplete, MODELS)


def complete_folder(incomplete: str) -> list[str]:
    """Results folders, folders on the way to one with a slash at the end, and those that come with promptlight."""
    head, slash, _ = incomplete.rpartition("/")
    folders: list[str] = []
    with contextlib.suppress(OSError):
        for path in sorted(Path(f"{head}{slash}" or ".").iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                holds_results = next(path.glob("part-*.parquet"), None) is not None
                folders.append(f"{head}{slash}{path.name}{'' if holds_results else '/'}")
    return _beginning(incomplete, [*folders, *BUNDLED])


def complete_prompts(incomplete: str) -> list[str]:
    """Files, folders with a slash at the end, and the sample prompts."""
    head, slash, _ = incomplete.rpartition("/")
    found: list[str] = []
    with contextlib.suppress(OSError):
        for path in sorted(Path(f"{head}{slash}" or ".").iterdir()):
            if not path.name.startswith("."):
                found.append(f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}")
    return _beginning(incomplete, [*found, SAMPLE_PROMPTS])


def complete_cuts(incomplete: str) -> list[str]:
    """Cuts between commas."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{cut}" for cut in _beginning(last, Granularity) if cut not in before.split(",")]


def complete_target(ctx: typer.Context, incomplete: str) -> list[str]:
    """How lines of the completions begin, such as Recommendation in ``Recommendation: Avoid.``"""
    from promptlight.io.results.reader import list_completions

    given: Any = ctx.params.get("id")
    ids: list[str] = [given] if isinstance(given, str) else list(given or ())
    completions = (one for folder in _list_folders(ctx) for one in list_completions(folder))
    texts = (text for id, text in completions if not ids or id in ids)
    return _beginning(incomplete, (str(found[1]) for text in texts for found in LABEL.finditer(text)))


def complete_id(ctx: typer.Context, incomplete: str) -> list[str]:
    """The ids of the results folder that the command line names."""
    from promptlight.io.results.reader import list_ids

    return _beginning(incomplete, (id for folder in _list_folders(ctx) for id in list_ids(folder)))


def complete_condition(ctx: typer.Context, incomplete: str) -> list[str]:
    """The fields of the results, or after ``NAME=`` the values that are there."""
    from promptlight.io.prompts.selection import values_of
    from promptlight.io.results.reader import list_records

    name, equals, _ = incomplete.partition("=")
    values = (values_of(*record) for folder in _list_folders(ctx) for record in list_records(folder))
    if equals:
        return _beginning(incomplete, (f"{name}={one[name]}" for one in values if name in one))
    return _beginning(incomplete, (f"{name}=" for one in values for name in one))


def _list_folders(ctx: typer.Context) -> Iterator[Place]:
    """The results folders of a command line, or the default one; none if there is none.

    Where the line ends with an option that waits for its value, arguments are not parsed yet.
    """
    given = ctx.params.get("results") or ctx.params.get("named")  # `why` has a text or a folder
    paths: list[Any] = [given] if isinstance(given, (str, Path)) else list(given or ctx.args)
    for path in paths or [None]:
        with contextlib.suppress(PromptlightError):
            yield find_folder(str(path) if path else None)


def _beginning(incomplete: str, choices: Iterable[str]) -> list[str]:
    """The choices that begin like this, each once."""
    try:
        return [one for one in dict.fromkeys(map(str, choices)) if one.startswith(incomplete)]
    except PromptlightError:  # no results to read
        return []
