"""Make results by hand, and read what a folder of them holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from promptlight.io.places import Place, RemotePath
from promptlight.io.results.reader import read_results
from promptlight.io.results.tried import LABEL, Try
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.types import (
    Analysis,
    Prompt,
    SetAside,
    SetAsideCode,
)
from tests.support.handmade import make_analysis, make_completion

SETTINGS = {"model": "tiny", "methods": ["grad_l2"], "objective": "logprob", "compat": None, "seed": 0}
Folder = TypeVar("Folder", Path, RemotePath)
PROVENANCE = {"versions": {"promptlight": "0.1.0"}}


def analysis(id: str, *, n_targets: int = 3, **options: Any) -> Analysis:
    """An analysis of a prompt with everything that a record can have."""
    prompt = Prompt(
        id=id,
        text=" Buy eggs.\n",
        label="menu",
        fields={"note": "é\u2028", "n": [1, None]},
        path="prompts.jsonl",
        line=3,
        fingerprint=f"print-of-{id}",
    )
    pieces = ["▁oat", "s", ".", "▁And", "▁<0xF0>", "\n\n", "<eos>"][:n_targets]
    return make_analysis(make_completion(["<bos>", "▁Buy", "▁eg", "gs", ".", "\n"], pieces, prompt=prompt), **options)


def tried(id: str, how: Try, **options: Any) -> Analysis:
    """The analysis of a prompt that was tried."""
    made = analysis(id, **options)
    prompt = replace(made.completion.prompt, label=LABEL, fields=how.describe())
    return replace(made, completion=replace(made.completion, prompt=prompt))


def set_aside(id: str, code: SetAsideCode = SetAsideCode.UNUSABLE, reason: str = "found null") -> SetAside:
    """A record that can't be used."""
    return SetAside(
        id=id,
        path="prompts.jsonl",
        line=9,
        code=code,
        reason=reason,
        label="menu",
        fingerprint=f"print-of-{id}",
    )


def open_writer(folder: Place, flush_every: int = 2, **settings: Any) -> ResultsWriter:
    return ResultsWriter(folder, {**SETTINGS, **settings}, PROVENANCE, flush_every)


def write(folder: Folder, *results: Analysis | SetAside, flush_every: int = 2) -> Folder:
    with open_writer(folder, flush_every) as writer:
        for result in results:
            writer.add(result)
    return folder


def ids_of(folder: Place) -> list[str]:
    """The ids of all results, in order."""
    return [
        result.id if isinstance(result, SetAside) else result.completion.prompt.id for result in read_results(folder)
    ]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, including hidden ones."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Each shard's bytes, and when it was written."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("*.parquet")}
