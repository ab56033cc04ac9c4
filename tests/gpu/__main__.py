"""What a GPU does, in one go: python -m tests.gpu [--part tests|bench] [--seconds 480] [--json FILE] [--rehearse].

Each step is a process of its own with a limit of its own, so that a failure or a hang costs that step alone. `make gpu`
runs it. ``--rehearse`` runs every step on a CPU with tiny shapes: it shows that the script works; no figure counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FEWEST_SECONDS = 15  # less is not worth the start of a process


@dataclass(frozen=True)
class Step:
    """A process of the tests or of the benchmarks, and the most seconds it may take."""

    part: str
    name: str
    seconds: int
    tests: str = ""  # an expression that selects tests; otherwise, it is a benchmark

    def command(self, device: str, figures: Path) -> list[str]:
        """What to run. A benchmark writes its figures to a file."""
        if self.part == "tests":
            return [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu", "-k", self.tests]
        return [sys.executable, "-m", "tests.gpu.benchmark", self.name, "--device", device, "--json", str(figures)]


# What most depends on comes first: when the time is up, the rest is left out.
STEPS = (
    Step("tests", "every family against the CPU", 120, "family"),
    Step("tests", "memory, batches, dtypes, Ray", 120, "not family"),
    Step("bench", "salience-gemma2-2b", 100),
    Step("bench", "generation-gemma2-2b", 80),
    Step("bench", "profile", 50),
    Step("bench", "salience-gemma3-4b", 100),
    Step("bench", "generation-gemma3-4b", 80),
    Step("bench", "compiled-gemma2-2b", 100),
)


def main() -> None:
    """Run the steps of the parts that were asked for, and write their figures; exit with 1 if one failed."""
    args = parse_arguments()
    deadline = time.monotonic() + args.seconds
    outcomes: dict[str, str] = {}
    figures: dict[str, Any] = {"outcomes": outcomes}
    for step in STEPS:
        if args.part not in ("all", step.part):
            continue
        left = deadline - time.monotonic()
        if left < FEWEST_SECONDS:
            outcomes[step.name] = "left out: the time was up"
            continue
        with tempfile.TemporaryDirectory() as folder:
            outcomes[step.name] = run_step(step, "cpu" if args.rehearse else "cuda", Path(folder) / "figures", left)
            if (Path(folder) / "figures").exists():
                figures[step.name] = json.loads((Path(folder) / "figures").read_text(encoding="utf-8"))
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"\n{'step':<34} outcome")
    for name, outcome in outcomes.items():
        print(f"{name:<34} {outcome}")
    sys.exit(any(not outcome.startswith("done") for outcome in outcomes.values()))


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("all", "tests", "bench"), default="all")
    parser.add_argument("--seconds", type=int, default=480, help="for all steps together [480]")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="write all figures to this file [gpu.json]")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with tiny shapes; no figure counts")
    return parser.parse_args()


def run_step(step: Step, device: str, figures: Path, left: float) -> str:
    """Run one step, and say in words how it ended."""
    print(f"\n== {step.name}", flush=True)
    start, limit = time.monotonic(), min(step.seconds, left)
    try:
        settings = os.environ | {"PROMPTLIGHT_TEST_DEVICE": device}
        code = subprocess.run(step.command(device, figures), check=False, timeout=limit, env=settings).returncode
    except subprocess.TimeoutExpired:
        return f"stopped after {limit:.0f} s"
    taken = f"{time.monotonic() - start:.0f} s"
    return f"done in {taken}" if code == 0 else f"failed with code {code} after {taken}"


if __name__ == "__main__":
    main()
