"""Which files a folder, a pattern or a data set stands for, in the order of their names.

A folder may be a data set of Hugging Face's ``datasets``, as ``save_to_disk`` writes it: a folder of Arrow files that
``state.json`` names, or one with such a folder for each split. In any other folder, ``name=value`` in a folder's name
is a column, as Hive, Spark and pyarrow write partitions.
"""

from __future__ import annotations

import glob
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from promptlight.io.prompts.files._file_names import (
    choose_files,
    is_name,
    name_parts,
    pick_split,
    read_partition,
    without_ending,
)
from promptlight.io.prompts.files._hub import find_on_hub
from promptlight.io.prompts.files.sources import STDIN, Source, parse_source
from promptlight.io.prompts.jsonline import spell_halves
from promptlight.salience.errors import InputError


def find_sources(text: str | Path, split: str | None = None) -> list[Source]:
    """The source, or those that a folder or a pattern such as ``data/*.parquet`` stands for.

    ``split`` is the one to read of a data set. Raises InputError for a folder without prompts, or one with several
    splits where none is named.
    """
    source = parse_source(text)
    if source.address is not None and source.address.startswith("hf://"):
        return find_on_hub(source, split)
    if not source.is_remote and source.path != STDIN and os.path.isdir(source.path):
        return _list_folder(source, split)
    if split is not None:
        raise InputError(
            source.path, None, "expected a folder or a data set with splits, found neither", parameters=("split",)
        )
    if source.is_remote or source.path == STDIN or os.path.exists(source.path):
        return [source]
    root = _fixed_part(source.path)
    paths = sorted(path for path in glob.glob(source.path, recursive=True) if not os.path.isdir(path))
    prefix = f"{source.name}-" if source.is_named else ""
    return [_make_part(path, root, prefix) for path in paths] or [source]


def _list_folder(source: Source, split: str | None) -> list[Source]:
    root = Path(source.path)
    name = source.name if source.is_named else root.resolve().name
    if (splits := _read_object(root / "dataset_dict.json", "splits")) is not None:
        chosen = pick_split([spell_halves(str(one)) for one in splits], source.path, split)
        root, name, split = root / chosen, f"{name}/{chosen}", None
    if (listed := _read_object(root / "state.json", "_data_files")) is not None:
        if split is not None:
            raise InputError(str(root), None, "expected a data set with splits, found one", parameters=("split",))
        names = _list_data_set(root, listed)
    else:
        found = [os.path.join(folder, file) for folder, _, files in os.walk(root) for file in files]
        names = choose_files([os.path.relpath(path, root) for path in found], str(root), split)
    parts = zip(names, name_parts(names, name), strict=True)
    return [
        replace(parse_source(root / one), name=called, partition=read_partition(one), root=source.path, is_named=False)
        for one, called in parts
    ]


def _list_data_set(root: Path, listed: list[Any]) -> list[str]:
    """The Arrow files that a data set's ``state.json`` lists. Raises InputError for one that has more than these."""
    state = root / "state.json"
    for key in ("_indices_files", "_indices_data_files"):
        if _read_object(state, key):
            reason = f"expected a data set without `{key}`, found some; save it again after flatten_indices()"
            raise InputError(str(state), None, reason)
    names: list[Any] = [cast("Any", one).get("filename") if isinstance(one, dict) else None for one in listed]
    if not names or not all(isinstance(name, str) and is_name(name) for name in names):
        raise InputError(str(state), None, "expected names of files beside it in `_data_files`, found others")
    return names


def _read_object(path: Path, key: str) -> list[Any] | None:
    """A list in an object of JSON; nothing if there is no such file or key. Raises InputError for another file."""
    try:
        content: Any = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(path), None, f"expected a description of a data set, found none ({error})") from error
    value = cast("dict[str, Any]", content).get(key) if isinstance(content, dict) else content
    if value is None or isinstance(value, list):
        return cast("list[Any] | None", value)
    raise InputError(str(path), None, f"expected a list in `{key}`, found something else")


def _make_part(path: str, root: str, prefix: str) -> Source:
    """One file of a pattern; what is above the pattern's first wildcard has no part in its name."""
    relative = os.path.relpath(path, root or ".")
    name = f"{prefix}{without_ending(relative)}"
    return replace(parse_source(Path(path)), name=name, partition=read_partition(relative), is_named=False)


def _fixed_part(pattern: str) -> str:
    parts = Path(pattern).parts
    n_fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return str(Path(*parts[:n_fixed])) if n_fixed else ""
