"""Send prompts to the actors in batches, a window of batches at a time."""

# pyright: standard

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from promptlight.salience.errors import PromptlightError
from promptlight.salience.run.batches import read_windows
from promptlight.salience.types import Prompt

# Limits of a window, in batches and bytes. A batch costs the driver some 20 kB. But every window starts new actors,
# which load the model again, so a window must keep them busy for a long time.
WINDOW_BATCHES, WINDOW_BATCHES_PER_ACTOR = 4_096, 1_024
WINDOW_BYTES = 2**29


def pack_batches(prompts: Iterable[Prompt], batch_size: int) -> Iterator[pa.Table]:
    """Pack batches as tables with a row for each prompt: its number, and the pickled prompt."""
    n_before = 0
    for batch in read_windows(prompts, batch_size):
        numbers = range(n_before, n_before + len(batch))
        yield pack_table({"number": numbers, "prompt": [pickle.dumps(prompt, protocol=5) for prompt in batch]})
        n_before += len(batch)


def take_window(blocks: Iterator[pa.Table], most: int) -> tuple[list[pa.Table], PromptlightError | None]:
    """Take the next blocks, up to ``most`` or ``WINDOW_BYTES``, and the error that ended them."""
    window: list[pa.Table] = []
    n_bytes = 0
    try:
        while len(window) < most and n_bytes < WINDOW_BYTES and (block := next(blocks, None)) is not None:
            window.append(block)
            n_bytes += block.nbytes
    except PromptlightError as error:
        return window, error
    return window, None


def pack_table(columns: dict[str, Any]) -> pa.Table:
    """Columns of prompts or results as a table; pickles may be larger than 2 GiB together, hence large_binary."""
    types = {"number": pa.int64(), "prompt": pa.large_binary(), "result": pa.large_binary()}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})
