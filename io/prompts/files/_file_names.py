"""Which of a folder's files hold prompts, which split they are of, and what their names say about their records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from promptlight.io.prompts.files.sources import PACKED, WHAT_IS_EXPECTED, parse_source
from promptlight.salience.errors import InputError

_ENDINGS = (".parquet", ".arrow", ".arrows", ".feather", ".ipc", ".jsonl", ".ndjson", ".eval", ".csv", ".tsv", ".txt")
_OTHER_ENDINGS = (".json",)  # read if there is nothing else
_DESCRIPTIONS = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")  # of data sets
_SPLITS = ("train", "test", "validation", "valid", "val", "dev")
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")  # train-00000-of-00002, as data sets on Hugging Face are stored
_NAME = re.compile("[^/\0\ud800-\udfff]+")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def choose_files(names: Sequence[str], shown: str, split: str | None) -> list[str]:
    """The files with prompts among the relative names of a folder's. Raises InputError if there are none, files of
    several formats, or several splits where ``split`` names none."""
    seen = [
        name for name in sorted(names) if not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)
    ]
    files = [name for name in seen if _ending_of(name) in _ENDINGS]
    if not files:
        others = [name for name in seen if _ending_of(name) in _OTHER_ENDINGS]
        files = [name for name in others if PurePosixPath(name).name not in _DESCRIPTIONS]
    if not files:
        raise InputError(shown, None, f"{WHAT_IS_EXPECTED}, found a folder without one; name a file")
    formats = Counter(parse_source(Path(name)).format for name in files)
    if len(formats) > 1:
        found = " and ".join(f"{format} ({number})" for format, number in formats.most_common())
        reason = f"expected files of one format in the folder, found {found}; name some by a pattern, such as *.jsonl"
        raise InputError(shown, None, reason)
    return _choose_split(files, shown, split)


def has_known_ending(name: str) -> bool:
    """Whether a name is that of a file that is read as prompts."""
    return _ending_of(name) in (*_ENDINGS, *_OTHER_ENDINGS)


def is_name(text: str) -> bool:
    """Whether a text can be the name of something in a folder."""
    return text not in (".", "..") and _NAME.fullmatch(text) is not None


def name_parts(names: Sequence[str], name: str) -> list[str]:
    """What the records without an id are named after, for the files of a folder."""
    return [name] if len(names) == 1 else [f"{name}/{without_ending(one)}" for one in names]


def read_partition(name: str) -> tuple[tuple[str, str | None], ...]:
    """The columns that the folders of a relative name stand for."""
    pairs = [unquote(part).partition("=") for part in PurePosixPath(name).parts[:-1] if "=" in part.strip("=")]
    return tuple((column, None if value == _NO_VALUE else value) for column, _, value in pairs)


def pick_split(splits: Sequence[str], shown: str, split: str | None) -> str:
    """The split that is asked for, or the only one. Raises InputError with their names."""
    names = ", ".join(splits[:20]) or "none"
    if split is None and len(splits) != 1:
        raise InputError(shown, None, f"expected a split to be named, found {names}", parameters=("split",))
    chosen = splits[0] if split is None else split
    if chosen not in splits or not is_name(chosen):
        raise InputError(shown, None, f"expected a split of the data set, found {names}", parameters=("split",))
    return chosen


def _choose_split(files: list[str], shown: str, split: str | None) -> list[str]:
    """The files of a split, if their names say of which they are."""
    stems = [PurePosixPath(without_ending(name)).name for name in files]
    splits = [found[1] if (found := _SHARD.fullmatch(stem)) else stem for stem in stems]
    are_said = all(_SHARD.fullmatch(stem) for stem in stems) or set(splits) <= set(_SPLITS)
    if not are_said and split is None:
        return files
    chosen = pick_split(list(dict.fromkeys(splits)) if are_said else [], shown, split)
    return [name for name, one in zip(files, splits, strict=True) if one == chosen]


def _ending_of(name: str) -> str:
    path = PurePosixPath(name)
    return (path.with_suffix("") if path.suffix.lower() in PACKED else path).suffix.lower()


def without_ending(name: str) -> str:
    path = PurePosixPath(name)
    return str((path.with_suffix("") if path.suffix.lower() in PACKED else path).with_suffix(""))
