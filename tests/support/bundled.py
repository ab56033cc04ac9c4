"""Make the results that come with the package, on the real Gemma: ``python -m tests.support.bundled``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from promptlight.io.results.answers import ANSWERS
from promptlight.io.results.folders import BUNDLED
from tests.support.paths import EXAMPLES
from tests.support.real import STORY_RUN, require_real_gemma

FIX = "You have to try it.=>Avoid."
ASKED = [("dish-mistake", "--replace", FIX), ("dish-mistake",), ("dish-fixed",), ("dish-constitution",)]
MODEL_FILE = "gemma-3-270m-q4_k_m.gguf"


def main() -> None:
    """Replace the shards in the package and the answers of ``why``; the card beside them stays."""
    home = BUNDLED["gemma-tutorial"]
    with tempfile.TemporaryDirectory() as folder:
        made = make_tutorial(Path(folder))
        for shard in home.glob("*.parquet"):
            shard.unlink()
        for shard in made.glob("*.parquet"):
            shutil.copyfile(shard, home / shard.name)
        (home / ANSWERS).parent.mkdir(exist_ok=True)
        shutil.copyfile(made / ANSWERS, home / ANSWERS)


def make_tutorial(folder: Path) -> Path:
    """Run the tutorial's prompts in an empty folder, and ask why; returns the results folder.

    The examples and the model are named relative to that folder, because the results store these names.
    """
    (folder / "examples").symlink_to(EXAMPLES)
    (folder / MODEL_FILE).symlink_to(require_real_gemma())
    options = ["--model", f"gemma3-270m:{MODEL_FILE}", "--device", "cpu", "-o", "results"]
    commands = [
        (*STORY_RUN, *options),
        *(("why", "results", "--id", *question, "--device", "cpu") for question in ASKED),
    ]
    for command in commands:
        subprocess.run([sys.executable, "-m", "promptlight", *command], cwd=folder, check=True)
    return folder / "results"


if __name__ == "__main__":
    main()
