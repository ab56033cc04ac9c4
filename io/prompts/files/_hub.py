"""Data sets on Hugging Face: which files an address ``hf://datasets/owner/name@revision/...`` stands for.

huggingface-hub's own file system lists and reads them, with its login and its settings.
"""

# pyright: standard

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from promptlight.io.prompts.files._file_names import choose_files, has_known_ending, name_parts, read_partition
from promptlight.io.prompts.files.sources import WHAT_IS_EXPECTED, Source, parse_source
from promptlight.salience.errors import InputError
from promptlight.salience.text.secrets import hide_secrets

_SCHEME = "hf://"


def find_on_hub(source: Source, split: str | None) -> list[Source]:
    """The file at an address, or the files of a pattern, a folder or a whole data set. Raises InputError."""
    assert source.address is not None
    path = source.address.removeprefix(_SCHEME).rstrip("/")
    is_pattern = glob.has_magic(path)
    if not is_pattern and split is None and has_known_ending(path):
        return [source]  # without asking
    try:
        root, names, is_file = _list_files(source.address, path, is_pattern)
    except Exception as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {explain_hub(error)}") from error
    if is_file:
        if split is not None:
            raise InputError(source.path, None, "expected a data set with splits, found a file", parameters=("split",))
        return [source]
    if not names:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, found nothing at that address; check it")
    names = sorted(names) if is_pattern and split is None else choose_files(names, source.path, split)
    name = source.name if source.is_named else PurePosixPath(root).name.partition("@")[0]
    return [
        replace(
            parse_source(f"{_SCHEME}{root}/{one}"),
            name=called,
            partition=read_partition(one),
            root=source.path,
            is_named=False,
        )
        for one, called in zip(names, name_parts(names, name), strict=True)
    ]


def _list_files(address: str, path: str, is_pattern: bool) -> tuple[str, list[str], bool]:
    """The folder, the names of files in it, and whether it is a file itself."""
    from fsspec.core import url_to_fs

    system: Any = url_to_fs(address)[0]
    if not is_pattern and system.info(path)["type"] == "file":
        return path, [], True
    parts = PurePosixPath(path).parts
    n_fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    root = "/".join(parts[:n_fixed])
    found = system.glob(path, detail=True).items() if is_pattern else system.find(path, detail=True).items()
    paths = [str(one).lstrip("/") for one, info in found if info["type"] == "file"]
    return root, [str(PurePosixPath(one).relative_to(root)) for one in paths], False


def explain_hub(error: BaseException) -> str:
    """Say what kept us from a data set, and what to do. huggingface-hub hides the cause behind a FileNotFoundError."""
    from huggingface_hub import errors

    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)

    def is_a(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_a(errors.OfflineModeIsEnabled):
        return "but HF_HUB_OFFLINE is set; unset it, or name a file on this disk"
    if is_a(errors.GatedRepoError):
        return "found a gated data set; accept its terms on its page on Hugging Face and log in with `hf auth login`"
    if is_a(errors.RevisionNotFoundError):
        return "found no such revision; check what follows the @"
    if is_a(errors.RepositoryNotFoundError, errors.HFValidationError):
        return "found no such data set, or a private one; check its name, or log in with `hf auth login`"
    if is_a(FileNotFoundError):
        return "found nothing at that address; check it and the network"
    return f"but it can't be fetched: {hide_secrets(str(error) or type(error).__name__)}; check the network"
