"""``python -m tests.fuzz [SURFACE ...] [--seconds N]``: Atheris on each surface, one after the other; Linux only.

Atheris keeps its corpus in ``.fuzz/SURFACE/``, and a case that breaks a surface as ``.fuzz/SURFACE-crash-...``. Turn
that case into one of the surface's ``found`` cases (``from_bytes`` of the file shows it), then fix the bug.
"""

# pyright: standard

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.fuzz.surface import NAMES

KEPT = Path(__file__).parents[2] / ".fuzz"
LONGEST_CASE = 60  # seconds; a longer case counts as a crash


def fuzz(name: str, seconds: int) -> None:
    """Fuzz a surface; never returns, as the fuzzer ends the process, with its counts on stderr."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["promptlight"]):
        surface = import_module(f"tests.fuzz.{name}").SURFACE
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(surface.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={LONGEST_CASE}",
        f"-artifact_prefix={KEPT / name}-",
        "-max_len=600",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: surface.check(surface.from_bytes(data)))
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("surfaces", nargs="*", metavar="SURFACE", help=f"some of {', '.join(NAMES)}; all if none")
    parser.add_argument("--seconds", type=int, default=60, help="for each surface")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process
    arguments = parser.parse_args()
    surfaces = arguments.surfaces or NAMES
    if unknown := set(surfaces) - set(NAMES):
        parser.error(f"expected some of {', '.join(NAMES)}, found {', '.join(sorted(unknown))}")
    if find_spec("atheris") is None:
        parser.error("expected Atheris, found none: there are wheels for Linux on x86-64 and Python before 3.14")
    if arguments.here:
        fuzz(surfaces[0], arguments.seconds)
    broken = [name for name in surfaces if not watch(name, arguments.seconds)]
    sys.exit(f"broken: {', '.join(broken)}" if broken else 0)


def watch(name: str, seconds: int) -> bool:
    """Fuzz a surface in a separate process and print the result in a line; returns whether nothing was found."""
    command = [sys.executable, "-m", "tests.fuzz", "--here", "--seconds", str(seconds), name]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    n_runs = "no"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as child:
        assert child.stderr is not None
        for line in child.stderr:
            sys.stderr.write(line)
            n_runs = line.split()[-1] if line.startswith("stat::number_of_executed_units") else n_runs
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = "nothing found" if child.returncode == 0 else "BROKEN"
    print(f"{name}: {n_runs} executions, {cpu:.0f} s of CPU time, {found}", flush=True)
    return child.returncode == 0


if __name__ == "__main__":
    main()
