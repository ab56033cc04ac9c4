"""Keep records that can't be used in their place among the results of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from promptlight.salience.errors import InputError
from promptlight.salience.types import Analysis, Prompt, SetAside

Result = Analysis | SetAside


def analyze_in_place(
    records: Iterable[Prompt | SetAside],
    analyze: Callable[[Iterable[Prompt]], Iterator[Result]],
    keep: Callable[[SetAside], None],
) -> Iterator[Result]:
    """The results of the prompts; ``keep`` gets each other record when all before it are done.

    ``analyze`` gives a result for each prompt, in order, and may read far ahead. An error of the records is raised
    after all before it are done.
    """
    waiting = deque[tuple[int, SetAside]]()  # with the number of prompts before each
    n_read = n_done = 0

    def read() -> Iterator[Prompt]:
        nonlocal n_read
        for record in records:
            if isinstance(record, SetAside):
                waiting.append((n_read, record))
            else:
                n_read += 1
                yield record

    def keep_waiting(n_before: int) -> None:
        while waiting and waiting[0][0] <= n_before:
            keep(waiting.popleft()[1])

    try:
        for result in analyze(read()):
            keep_waiting(n_done)
            n_done += 1
            yield result
    except InputError:
        keep_waiting(n_read)
        raise
    keep_waiting(n_read)
