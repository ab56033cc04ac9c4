"""The cost of starting: CPU seconds of whole commands, each in its own process."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from tests.benchmarks.measure import Settings, Table
from tests.benchmarks.pipeline import EXAMPLES

COMMAND = (sys.executable, "-m", "promptlight.cli")
LOAD = "from promptlight.salience.loading.environment import block_tensorflow; block_tensorflow(); {}"


def run(settings: Settings) -> list[Table]:
    """Time commands in turns; a first command, which does not count, fills the disk cache."""
    with tempfile.TemporaryDirectory() as results:
        spend(*COMMAND, "run", str(EXAMPLES), "-o", results, "--limit", "3", "--device", "cpu")
        commands = {
            "python, nothing else": (sys.executable, "-c", ""),
            "promptlight --help": (*COMMAND, "--help"),
            "promptlight show, on stored results": (*COMMAND, "show", results),
            "import torch": (sys.executable, "-c", "import torch"),
            "import torch and keras_nlp": (sys.executable, "-c", LOAD.format("import torch, keras_nlp")),
            "load_model('demo')": (
                sys.executable,
                "-c",
                LOAD.format("from promptlight.salience import load_model; load_model('demo', device='cpu')"),
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(settings.rounds):
            for name, command in commands.items():
                seconds[name].append(spend(*command))
    return [report(seconds)]


def spend(*command: str) -> float:
    """CPU seconds of a command and its child processes."""
    before = children_seconds()
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return children_seconds() - before


def children_seconds() -> float:
    """CPU seconds of all ended child processes of this one."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def report(seconds: Mapping[str, Sequence[float]]) -> Table:
    """Report medians and spreads."""
    table = Table("Start-up", ("command", "CPU s", "smallest to largest"))
    for name, taken in seconds.items():
        spread = f"{min(taken):.2f} to {max(taken):.2f}"
        table.rows.append((name, f"{statistics.median(taken):.2f}", spread))
        table.figures[name] = {"seconds": list(taken)}
    return table
