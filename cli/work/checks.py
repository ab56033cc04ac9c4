"""The checks of `promptlight doctor`. Each says what it found and, if something is wrong, what to do.

Secrets are never shown: a check only says whether there is a login.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from promptlight.cli.views.doctor import Check, Fit, describe_checks, render_checks
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import check_config
from promptlight.salience.loading.gguf.listing import describe_file
from promptlight.salience.loading.handles import parse_handle
from promptlight.salience.loading.model_size import GIB, MODELS

NEEDED = ("promptlight", "keras-nlp", "keras-hub", "keras", "torch", "kagglehub", "sentencepiece", "pyarrow", "pandas")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where models would run by default: memory in bytes, and the bytes of a weight."""

    device: str
    total: int
    free: int
    dtype: str
    weight_bytes: int
    on_cpu: bool


def report_checks(*, as_json: bool) -> bool:
    """Check this machine and print the findings; returns whether promptlight has everything that it needs."""
    machine = inspect_machine()
    checks, fits = list(_check_all(machine)), find_fits(machine)
    if as_json:
        print(json.dumps(describe_checks(checks, fits), indent=1))
    else:
        Console(highlight=False).print(render_checks(checks, fits, machine.dtype))
    return not any(check.fix and not check.is_optional for check in checks)


def _check_all(machine: Machine) -> Iterator[Check]:
    """All checks, in the order that a newcomer needs."""
    yield from _check_packages()
    yield from _check_backend()
    yield check_device(machine)
    yield _check_kaggle()
    yield _check_hugging_face()
    yield _check_gguf()
    yield _check_cache()


def _check_packages() -> Iterator[Check]:
    """Python, and each package that promptlight can't do without."""
    yield Check(topic="Python", found=f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    found: list[str] = []
    for name in NEEDED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Check(topic="package", found=f"{name} is missing", fix=f"pip install {name}, or promptlight again")
    yield Check(topic="packages", found=", ".join(found))


def _check_backend() -> Iterator[Check]:
    """Check that Keras runs on PyTorch."""
    chosen = os.environ.get("KERAS_BACKEND", "torch")
    fix = None if chosen == "torch" else "unset KERAS_BACKEND, or set it to torch"
    yield Check(topic="Keras backend", found=chosen, fix=fix)


def check_device(machine: Machine) -> Check:
    """Where models run, and whether a GPU lies idle."""
    found = f"{machine.device}: {machine.free / GIB:.1f} of {machine.total / GIB:.1f} GiB free, {machine.dtype}"
    idle = machine.device.startswith("CPU") and shutil.which("nvidia-smi") is not None
    fix = "a GPU is there, but this torch is built without CUDA: see pytorch.org/get-started" if idle else None
    return Check(topic="device", found=found, fix=fix)


def _check_kaggle() -> Check:
    """Whether Kaggle's models can be fetched."""
    from promptlight.salience.loading.hub_errors import KAGGLE_LOGIN

    try:
        from kagglehub.config import get_kaggle_credentials

        there = get_kaggle_credentials() is not None
    except ValueError:
        return Check(topic="Kaggle login", found="its file can't be read", fix=KAGGLE_LOGIN)
    except ImportError as error:
        return Check(topic="Kaggle login", found=f"unknown ({error.name} is missing)", fix="pip install kagglehub")
    fix = None if there else f"only needed for Gemma from Kaggle: {KAGGLE_LOGIN}"
    return Check(topic="Kaggle login", found="present" if there else "none", fix=fix)


def _check_hugging_face() -> Check:
    """Whether gated models on Hugging Face can be fetched."""
    try:
        from huggingface_hub import get_token
    except ImportError:
        return Check(topic="Hugging Face login", found="unknown", fix="pip install huggingface-hub")
    there = get_token() is not None
    fix = None if there else "only needed for Gemma from Hugging Face: `hf auth login`, or set HF_TOKEN"
    return Check(topic="Hugging Face login", found="present" if there else "none", fix=fix)


def _check_gguf() -> Check:
    """Whether GGUF files can be loaded."""
    try:
        return Check(topic="GGUF files", found=f"readable, with gguf {version('gguf')}")
    except PackageNotFoundError:
        return Check(
            topic="GGUF files", found="not readable", fix="only needed for those: pip install 'promptlight[gguf]'"
        )


def _check_cache() -> Check:
    """The models that are already on disk."""
    names = [*_find_kaggle_models(), *_find_hugging_face_models(), *_find_gguf_files()]
    return Check(topic="models on disk", found=", ".join(["demo", *sorted(names)]))


def _find_kaggle_models() -> Iterator[str]:
    """Handles of the presets in kagglehub's cache whose family is covered."""
    from kagglehub.config import get_cache_folder

    root = Path(get_cache_folder()) / "models"
    for config in filter(_is_covered, root.glob("*/*/*/*/*/config.json")):
        yield f"kaggle://{config.parent.relative_to(root).as_posix()}"


def _find_hugging_face_models() -> Iterator[str]:
    """Handles of the models in Hugging Face's cache whose family is covered."""
    from huggingface_hub.constants import HF_HUB_CACHE

    for folder in Path(HF_HUB_CACHE).glob("models--*"):
        if any(map(_is_covered, folder.glob("snapshots/*/config.json"))):
            yield f"hf://{folder.name.removeprefix('models--').replace('--', '/')}"


def _find_gguf_files() -> Iterator[str]:
    """GGUF files of covered families, with their quantisation, where Ollama, llama.cpp and Hugging Face keep theirs."""
    from huggingface_hub.constants import HF_HUB_CACHE

    ollama = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")
    llama = Path(os.environ.get("LLAMA_CACHE") or Path.home() / ".cache" / "llama.cpp")
    paths = [
        *ollama.glob("blobs/sha256-*"),
        *llama.glob("*.gguf"),
        *Path(HF_HUB_CACHE).glob("models--*/snapshots/*/*.gguf"),
    ]
    handles = [parse_handle(str(path)) for path in paths]  # of Ollama's files, only models begin as GGUF files do
    for file in {handle.preset for handle in handles if handle.is_gguf}:  # any shard is the model
        with contextlib.suppress(ModelError):
            yield describe_file(Path(file))


def _is_covered(path: Path) -> bool:
    """Whether a config.json describes a model that can be loaded."""
    try:
        check_config(path.parent, "")
    except ModelError:
        return False
    return True


def inspect_machine() -> Machine:
    """The device that --device auto takes."""
    import psutil
    import torch

    from promptlight.salience.decoder.free_memory import free_bytes

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return Machine(device=f"CUDA ({name})", total=total, free=free, dtype="bfloat16", weight_bytes=2, on_cpu=False)
    device = f"CPU ({os.cpu_count()} cores)"
    total, free = psutil.virtual_memory().total, free_bytes(torch.device("cpu"))
    return Machine(device=device, total=total, free=free, dtype="float32", weight_bytes=4, on_cpu=True)


def find_fits(machine: Machine) -> list[Fit]:
    """Check which of the usual models would fit on this machine."""
    needed = {name: size.bytes_to_work(machine.weight_bytes, on_cpu=machine.on_cpu) for name, size in MODELS.items()}
    return [Fit(model=name, needed=size, fits=size <= machine.free) for name, size in needed.items()]
