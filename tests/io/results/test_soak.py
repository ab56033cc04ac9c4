"""A long run of the real command, end to end: every prompt once, memory flat, and a second run finds nothing to do.

The whole of it, which prints what it measured:

    PROMPTLIGHT_SOAK=20000 python -m pytest tests/io/results/test_soak.py -m slow
"""

# pyright: standard

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from random import Random
from subprocess import Popen

import pandas as pd
import pytest

from promptlight.io import read_results
from promptlight.io.results.shards import find_shards
from promptlight.io.results.writer import FLUSH_EVERY
from promptlight.salience.types import Analysis, SetAside
from tests.conftest import Command
from tests.support.processes import finish, start_cold_command, start_command
from tests.support.results import state_of
from tests.support.warm import WarmProcess

N_PROMPTS = int(os.environ.get("PROMPTLIGHT_SOAK", "2000"))
N_TO_WARM_UP = 1000  # prompts until memory counts: the allocators' caches fill first
GROWTH = 0.1  # of the memory then, at most
SETTINGS = ("--max-new-tokens", "2", "--device", "cpu", "--batch-size", "32")
DISHES = ("Quiche Lorraine", "Onion soup 🍲", "Macaron in france", "好吃的麵包", "Cafe\u0301 au lait")
BROKEN = (
    "",
    '{"id": 1.5, "prompt": "a"}',
    '{"prompt": 7}',
    '{"prompt": "open}',
    "[]",
)  # a blank line, and unusable ones


def write_prompts(path: Path, n_prompts: int) -> tuple[list[str], int]:
    """Short prompts of many lengths, some with an answer of their own, and now and then a line that can't be used.

    Returns the ids of the prompts in order, and how many records can't be used.
    """
    random = Random(0)
    ids: list[str] = []
    n_broken = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        while len(ids) < n_prompts:
            if random.random() < 0.01:
                line = random.choice(BROKEN)
                n_broken += line != ""
                file.write(line + "\n")
                continue
            ids.append(f"dish-{len(ids)}")
            words = "\n".join(random.choices(DISHES, k=random.choice((1, 1, 1, 2, 5))))
            record = {"id": ids[-1], "prompt": f"{len(ids)}. Suggestion: {words}\r\nAnalysis:"}
            record |= {"target": " It is bread."} if random.random() < 0.1 else {}
            file.write(json.dumps(record, ensure_ascii=random.random() < 0.5) + random.choice(("\n", "\r\n")))
    return ids, n_broken


def measure(run: WarmProcess | Popen[str], folder: Path) -> list[tuple[int, int]]:
    """(results on disk, megabytes that the process holds), each time that some more shards are there."""
    marks: list[tuple[int, int]] = []
    while run.poll() is None:
        time.sleep(0.2)
        n_done = FLUSH_EVERY * (len(find_shards(folder)) if folder.is_dir() else 0)
        if n_done >= (marks[-1][0] if marks else 0) + 10 * FLUSH_EVERY:
            status = Path(f"/proc/{run.pid}/status").read_text("utf-8")
            held = [int(line.split()[1]) // 1000 for line in status.splitlines() if line.startswith("VmRSS:")]
            marks += [(n_done, megabytes) for megabytes in held]  # none if it ends just now
    return marks


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read a process's memory from")
@pytest.mark.parametrize("n_prompts", [150, pytest.param(N_PROMPTS, marks=pytest.mark.slow)])
def test_a_long_run_has_every_prompt_once_in_flat_memory(
    promptlight: Command, tmp_path: Path, n_prompts: int, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts, folder = tmp_path / "prompts.jsonl", tmp_path / "out"
    ids, n_broken = write_prompts(prompts, n_prompts)
    with (tmp_path / "stderr").open("w") as complaints:
        start_run = start_command if n_prompts < N_PROMPTS else start_cold_command
        run = start_run(prompts, folder, *SETTINGS, "--explain", "target", stderr=complaints)
        marks = measure(run, folder)
        exit_code, printed, _ = finish(run)
    assert exit_code == 3 * (n_broken > 0)
    assert printed.startswith(f"{n_prompts} explained")
    assert (tmp_path / "stderr").read_text("utf-8").count(": skipped: ") == n_broken

    found = list(read_ids(folder))
    assert [id for id, is_aside in found if not is_aside] == ids
    assert sum(is_aside for _, is_aside in found) == n_broken
    assert len({id for id, _ in found}) == len(found) == pd.read_parquet(folder, columns=["id"])["id"].nunique()

    warm = [megabytes for n_done, megabytes in marks if n_done >= N_TO_WARM_UP]
    assert not warm or max(warm) <= (1 + GROWTH) * warm[0], marks
    with capsys.disabled():
        print(f"\n{n_prompts} prompts: {printed.splitlines()[0]}; {len(find_shards(folder))} shards; MB after: {marks}")

    before = state_of(folder)
    again = promptlight("run", prompts, "-o", folder, *SETTINGS, "--explain", "target")
    assert again.exit_code == exit_code
    assert again.stdout.startswith(f"0 explained, {n_prompts} done before")
    assert state_of(folder) == before


def read_ids(folder: Path) -> list[tuple[str, bool]]:
    """Each result's id, and whether it was skipped; every one is read whole."""
    ids: list[tuple[str, bool]] = []
    for result in read_results(folder):
        if isinstance(result, SetAside):
            ids.append((result.id, True))
        else:
            assert isinstance(result, Analysis)
            scores = result.map_by().scores
            assert scores is not None
            assert scores.shape == (result.completion.n_targets, len(result.completion.tokens))
            ids.append((result.completion.prompt.id, False))
    return ids
