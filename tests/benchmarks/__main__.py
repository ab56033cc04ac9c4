"""Benchmarks: python -m tests.benchmarks [NAME ...] [--quick] [--threads N] [--rounds N] [--json FILE].

All but ``real`` build their own random models; nothing is downloaded. They measure a CPU; for a GPU, see ``tests.gpu``.
See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from promptlight.salience.loading.environment import block_tensorflow

NAMES = (
    "salience",
    "backward",
    "operators",
    "methods",
    "generation",
    "pipeline",
    "memory",
    "growth",
    "throughput",
    "sizes",
    "startup",
    "ways",
    "real",
)


def main() -> None:
    """Run the named benchmarks, or all."""
    args = parse_arguments()
    prepare_libraries("cpu")
    import torch

    from tests.benchmarks.measure import Settings

    torch.set_num_threads(args.threads)
    settings = Settings(torch.device("cpu"), args.threads, args.rounds or (1 if args.quick else 5), args.quick)
    facts = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": describe_processor(),
        "threads": args.threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "quick": args.quick,
    }
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    figures: dict[str, Any] = {"facts": facts}
    for name in args.names or NAMES:
        start = time.perf_counter()
        for table in importlib.import_module(f"tests.benchmarks.{name}").run(settings):
            print(f"\n{table.as_text()}", flush=True)
            figures[table.title] = table.figures
        print(f"\n({name}: {time.perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)
    if args.quick:
        print("\nQuick: too little work to judge by the goals.")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} [all]")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, less work: a minute or two in all")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads [1]")
    parser.add_argument("--rounds", type=int, help="timed rounds [5, with --quick 1]")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(NAMES))
    if unknown:
        parser.error(f"expected names among {', '.join(NAMES)}, found {', '.join(unknown)}")
    return args


def prepare_libraries(device: str) -> None:
    """Configure Keras and transformers before they are imported."""
    block_tensorflow()
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ["TQDM_DISABLE"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    if device == "cpu":
        os.environ["KERAS_TORCH_DEVICE"] = "cpu"
    warnings.filterwarnings("ignore")


def describe_processor() -> str:
    """The processor's model and number of cores; not the name of the machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.machine()
    return f"{model}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
