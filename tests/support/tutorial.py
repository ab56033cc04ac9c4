"""Run the commands of the tutorial and write their outputs into it, for ``make docs``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.warm import write_stand_in

PAGE, TRANSLATION = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "tutorial.zh-TW.md"
BLOCK = re.compile(r"```console\n(.*?)```\n", re.DOTALL)
WIDTH = 96


def read_commands(block: str) -> list[str]:
    """The commands of a block, without their dollar signs."""
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def run_tutorial(page: Path, folder: Path) -> str:
    """The page with each command's output below it; commands run one after the other in a folder with examples/."""
    shutil.copytree(ROOT / "examples", folder / "examples", dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as scripts:
        write_stand_in(Path(scripts))
        return BLOCK.sub(
            lambda found: f"```console\n{run_block(found[1], folder, scripts)}```\n", page.read_text(encoding="utf-8")
        )


def run_block(block: str, folder: Path, scripts: str) -> str:
    """Each command, and its output on stdout."""
    return "".join(f"$ {command}\n{run_command(command, folder, scripts)}" for command in read_commands(block))


def run_command(command: str, folder: Path, scripts: str) -> str:
    """The output of a command or a pipe in a shell that finds ``promptlight`` in ``scripts``, without colours."""
    path = f"{scripts}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, check=False, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n" if done.stdout.strip() else ""


def write_tutorial(folder: Path) -> None:
    """Write both pages again; the translation has the same commands."""
    made = run_tutorial(PAGE, folder)
    PAGE.write_text(made, encoding="utf-8")
    blocks = iter(BLOCK.findall(made))
    translated = BLOCK.sub(lambda _: f"```console\n{next(blocks)}```\n", TRANSLATION.read_text(encoding="utf-8"))
    TRANSLATION.write_text(translated, encoding="utf-8")
