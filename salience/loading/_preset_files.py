"""Find the files of a preset by its handle, in a user's folder or on a hub.

Every function raises ModelError with what to do. Does not know: what the files are for.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import check_config
from promptlight.salience.loading.families import list_families, list_presets
from promptlight.salience.loading.handles import DEMO, Handle, check_folder
from promptlight.salience.loading.hub_errors import explain_loading_error
from promptlight.salience.loading.hubs import ADDRESSES, fetch_config, fetch_preset, fetch_vocabulary
from promptlight.salience.loading.other_kinds import explain_address, explain_name
from promptlight.salience.loading.presets import check_links, check_preset


def find_config(handle: Handle) -> tuple[dict[str, Any], int | None]:
    """A preset's config.json, before anything large is fetched, and the bytes of weights that are to be fetched.

    None if a hub does not say them. A folder is checked completely.
    """
    if not handle.is_folder:
        address = _find_address(handle)
        with explaining_errors(handle):
            return fetch_config(address, handle.preset)
    check_folder(Path(handle.preset))
    check_preset(Path(handle.preset), handle.preset)
    return check_config(Path(handle.preset), handle.preset), 0


def find_folder(handle: Handle) -> Path:
    """The folder with all files of a preset, fetched if necessary, and checked."""
    if handle.is_folder:
        return Path(handle.preset).absolute()  # a folder may have the name of a preset, which would take precedence
    address = _find_address(handle)
    with explaining_errors(handle):
        folder = fetch_preset(address, handle.preset)
        check_preset(folder, handle.preset)
    return folder


def find_vocabulary(handle: Handle) -> tuple[Path, dict[str, Any]]:
    """The folder with a model's tokenizer, and its config.json; for a folder, without torch and Keras."""
    if not handle.is_folder:
        address = _find_address(handle)
        with explaining_errors(handle):
            return fetch_vocabulary(address, handle.preset)
    folder = Path(handle.preset)
    check_folder(folder)
    check_links(folder, handle.preset)
    return folder, check_config(folder, handle.preset)


@contextlib.contextmanager
def explaining_errors(handle: Handle) -> Generator[None]:
    """Turn the errors of all libraries below into ModelError, with ``explain_loading_error``."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise explain_loading_error(handle, error, kaggle_login=_has_kaggle_login()) from error


def _find_address(handle: Handle) -> str:
    """The address of a preset that keras-nlp knows by name, or else the user's own text."""
    if handle.preset.startswith(ADDRESSES):
        if why := explain_address(handle.preset):
            raise ModelError(f"{handle.preset}: not covered: {why}; covered are {list_families()}")
        return handle.preset
    from promptlight.salience.loading.keras.backbone import find_presets  # loads torch and Keras

    presets, covered = find_presets(), list_presets()
    if handle.preset not in presets or handle.preset not in covered:
        raise ModelError(f"{handle.preset}: {_explain_name(handle.preset, covered, known=handle.preset in presets)}")
    return presets[handle.preset]["kaggle_handle"]


def _explain_name(preset: str, covered: Sequence[str], *, known: bool) -> str:
    """Say what is wrong with the name of a preset."""
    if known:
        why = explain_name(preset) or "this family is not covered"
        return f"{why}; covered are {list_families()}"
    close = difflib.get_close_matches(preset, [*covered, DEMO], n=3)
    close.sort(key=lambda name: not name.startswith(preset))  # an ending such as _en is forgotten most often
    hint = f"did you mean {' or '.join(close)}?" if close else "expected a preset such as gemma2_instruct_2b_en,"
    return f"unknown model; {hint} a folder, kaggle://..., hf://... or demo also work"


def _has_kaggle_login() -> bool:
    from kagglehub.config import get_kaggle_credentials

    try:
        return get_kaggle_credentials() is not None
    except ValueError:  # a broken credentials file
        return False
