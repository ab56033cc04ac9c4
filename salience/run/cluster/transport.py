"""Send prompts to the actors in batches."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator

from promptlight.salience.run.batches import read_windows
from promptlight.salience.types import Prompt


def pack_batches(prompts: Iterable[Prompt], batch_size: int) -> Iterator[list[bytes]]:
    """Pack prompts into batches, pickled. Those before an error of the prompts come before it is raised."""
    for batch in read_windows(prompts, batch_size):
        yield [pickle.dumps(prompt, protocol=5) for prompt in batch]
