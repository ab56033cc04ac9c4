"""A long run of short prompts: does memory stay flat, and how much do reading and writing cost?

It does the work of ``promptlight run`` in this process: the demo model, prompts of about 20 tokens, as many new ones.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from promptlight.io.prompts.reader import PromptReader
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience import Analysis, AnalysisOptions, Prompt, analyze, describe_settings, load_model
from tests.benchmarks.measure import Settings, Table, judge

Item = TypeVar("Item")
DISHES = ("Quiche Lorraine", "Onion soup", "Macaron in france", "Baguette maison au levain")
TOLERANCE = 0.1  # relative to the memory at the first mark
SHARE = 0.05  # of all CPU time, for reading and writing together


@dataclass
class Stopwatch:
    """Adds up CPU seconds of parts of the work."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    def timed(self, part: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items and count the time to get them for this part."""
        remaining = iter(items)
        while True:
            start = time.process_time()
            item = next(remaining, None)
            self.add(part, start)
            if item is None:
                return
            yield item

    def add(self, part: str, start: float) -> None:
        """Count the time since the start."""
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - start


def run(settings: Settings) -> list[Table]:
    """Make one run with a mark at each tenth."""
    n_prompts = 400 if settings.quick else 10_000
    watch = Stopwatch()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        rows = work(Path(folder), n_prompts, watch)
        n_bytes = sum(path.stat().st_size for path in Path(folder).glob("out/*.parquet"))
    table = Table(
        f"Throughput: {n_prompts:,} short prompts, demo model", ("prompts done", "MB in memory", "CPU s", "shards")
    )
    table.rows += [(f"{done:,}", f"{memory / 1e6:.0f}", f"{at - started:.0f}", str(n)) for done, memory, at, n in rows]
    memories = [memory for _, memory, _, _ in rows]
    growth = max(memories) / memories[0] - 1
    share = (watch.seconds["reading"] + watch.seconds["writing"]) / (rows[-1][2] - started)
    table.figures |= {"rows": rows, "seconds": watch.seconds, "share": share, "growth": growth, "bytes": n_bytes}
    table.notes.append(
        f"Reading took {watch.seconds['reading']:.1f} s, writing {watch.seconds['writing']:.1f} s; "
        f"{n_bytes / n_prompts:,.0f} bytes a prompt."
    )
    judge(
        table,
        settings,
        f"memory flat within {TOLERANCE:.0%} from the first mark on ({growth:+.1%})",
        growth <= TOLERANCE,
    )
    judge(table, settings, f"reading and writing under {SHARE:.0%} of the CPU time ({share:.1%})", share < SHARE)
    return [table]


def work(folder: Path, n_prompts: int, watch: Stopwatch) -> list[tuple[int, int, float, int]]:
    """Run the prompts, and give prompts done, bytes in memory, CPU seconds and shards at each mark."""
    prompts, out = write_prompts(folder / "prompts.jsonl", n_prompts), folder / "out"
    model, options = load_model("demo", device="cpu"), AnalysisOptions(max_new_tokens=20)
    marks: list[tuple[int, int, float, int]] = []
    with ResultsWriter(out, describe_settings(model.facts, options), {}) as writer:
        records = (record for record in watch.timed("reading", PromptReader(prompts)) if isinstance(record, Prompt))
        for number, result in enumerate(analyze(records, model, options, batch_size=32), 1):
            assert isinstance(result, Analysis)
            start = time.process_time()
            writer.add(result)
            watch.add("writing", start)
            if number % (n_prompts // 10) == 0:
                marks.append((number, resident_bytes(), time.process_time(), len(list(out.glob("*.parquet")))))
    return marks


def write_prompts(path: Path, n_prompts: int) -> Path:
    """Write prompts that are all different."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_prompts):
            text = f"{number}. Suggestion: {DISHES[number % len(DISHES)]}\nAnalysis:"
            file.write(json.dumps({"prompt": text}) + "\n")
    return path


def resident_bytes() -> int:
    """The resident memory of this process in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmRSS in /proc/self/status")
