"""One benchmark on a GPU, in a process of its own: python -m tests.gpu.benchmark NAME --device cuda [--json FILE].

Shapes of Gemma 2 2B and of Gemma 3 4B in bfloat16, with random weights that are made on the card. On a CPU, the same
code runs with tiny shapes.
"""

# pyright: standard

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tests.benchmarks.__main__ import describe_processor, prepare_libraries
from tests.benchmarks.measure import Settings, Table

if TYPE_CHECKING:
    from tests.benchmarks.models import Shape


def main() -> None:
    """Run it, print its tables and write its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.benchmark")
    parser.add_argument("name")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    prepare_libraries(args.device)
    is_gpu = args.device == "cuda"
    settings = Settings(torch.device(args.device), 1, rounds=3 if is_gpu else 1, quick=not is_gpu)
    facts = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": torch.cuda.get_device_name() if is_gpu else describe_processor(),
        "torch": torch.__version__,
    }
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    figures: dict[str, object] = {"facts": facts}
    for table in choose_benchmark(args.name, settings)():
        print(f"\n{table.as_text()}", flush=True)
        figures[table.title] = table.figures
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def choose_benchmark(name: str, settings: Settings) -> Callable[[], list[Table]]:
    """The benchmark of that name, with its shape."""
    from tests.gpu import generation, profile, salience  # after Keras has been told its backend
    from tests.gpu.shapes import GEMMA_2_2B, GEMMA_3_4B, TINY_2, TINY_3

    small, large = (TINY_2, TINY_3) if settings.quick else (GEMMA_2_2B, GEMMA_3_4B)
    runs: dict[str, tuple[Callable[[Shape, Settings], list[Table]], Shape]] = {
        "salience-gemma2-2b": (salience.run, small),
        "salience-gemma3-4b": (salience.run, large),
        "generation-gemma2-2b": (generation.run, small),
        "generation-gemma3-4b": (generation.run, large),
        "compiled-gemma2-2b": (generation.run_compiled, small),
        "profile": (profile.run, small),
    }
    run, shape = runs[name]
    return lambda: run(shape, settings)


if __name__ == "__main__":
    main()
