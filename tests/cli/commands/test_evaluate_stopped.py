"""``promptlight evaluate`` as a process that is stopped or killed, and goes on."""

# pyright: standard

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from promptlight.io.results.evaluations import EVALUATION, read_evaluation
from promptlight.io.results.regenerations import REGENERATED, read_regenerated
from tests.conftest import Command
from tests.support.evaluations import assert_same_row
from tests.support.processes import finish, wait_until
from tests.support.warm import WarmProcess

DISHES = ("dish-mistake", "dish-fixed")
CHOSEN = [part for id in DISHES for part in ("--id", id)]
SLOW = [*CHOSEN, "--random-orders", "12", "--noisy-texts", "0", "--device", "cpu"]


def rows_of(folder: Path) -> list[dict[str, Any]]:
    stored = read_evaluation(folder)
    return [] if stored is None else stored.rows


@pytest.fixture(scope="module")
def undisturbed(demo_results: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What an evaluation gives that nobody stops."""
    from typer.testing import CliRunner

    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("undisturbed") / "results"
    shutil.copytree(demo_results, folder)
    assert CliRunner().invoke(app, ["evaluate", str(folder), *SLOW]).exit_code == 0
    return rows_of(folder)


@pytest.mark.parametrize(
    ("number", "exit_code", "called"),
    [
        (signal.SIGINT, 130, "Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, "SIGTERM", marks=pytest.mark.slow),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_a_stopped_evaluation_goes_on_after_the_last_finished_prompt(
    promptlight: Command,
    demo_results: Path,
    undisturbed: list[dict[str, Any]],
    tmp_path: Path,
    number: signal.Signals,
    exit_code: int,
    called: str,
) -> None:
    folder = Path(shutil.copytree(demo_results, tmp_path / "results"))
    run = WarmProcess(["evaluate", folder, *SLOW])
    wait_until((folder / EVALUATION).exists)
    run.send_signal(number)
    found, printed, complained = finish(run)
    assert (found, printed) == (exit_code, "")
    assert {row["id"] for row in rows_of(folder)} == {DISHES[0]}
    if called:
        # 0 if it came when the first prompt was kept, but not yet counted
        said = f"promptlight: stopped by {called} after [01] of 2 prompts, what was computed is kept; run the same"
        assert re.fullmatch(f"{said} command again to resume", complained.splitlines()[-1])
    again = promptlight("evaluate", folder, *SLOW)
    assert again.exit_code == 0
    assert re.match(r"to measure: 1 prompt, \d+ passes; 1 measured before", again.stderr)
    for row, expected in zip(rows_of(folder), undisturbed, strict=True):
        assert_same_row(row, expected)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_writing_goes_on_after_the_last_finished_prompt(
    promptlight: Command, demo_results: Path, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    folder = Path(shutil.copytree(demo_results, tmp_path / "results"))
    arguments = ["evaluate", str(folder), *CHOSEN, "--regenerate", "--device", "cpu"]
    run = WarmProcess(arguments)
    wait_until((folder / REGENERATED).exists)
    run.send_signal(number)
    assert finish(run)[:2] == (exit_code, "")
    kept = read_regenerated(folder)
    assert set(kept) == {DISHES[0]}
    again = promptlight(*arguments)
    assert again.exit_code == 0
    said = r"1 prompt, (\d+) parts: the model writes (\d+) completions; 1 prompt done before"
    counts = re.match(said, again.stderr)
    assert counts
    assert int(counts[2]) == int(counts[1]) + 1
    assert read_regenerated(folder)[DISHES[0]] == kept[DISHES[0]]
    assert set(read_regenerated(folder)) == set(DISHES)
