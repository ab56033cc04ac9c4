"""Read every record once before a run: count those done and to do, and take an even sample of those to do."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlight.salience.types import Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.io.results.done import Done

SAMPLE = 512  # prompts to tokenise


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The number of records of each kind, and a sample of those to do."""

    n_to_do: int
    n_done: int
    n_set_aside: int  # by an earlier run, and not tried again
    n_unusable: int  # found unusable now
    n_gone: int = 0  # skipped by an earlier run, and not in the files any longer
    sample: list[Prompt]

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do, or to store."""
        return self.n_records > 0 and not (self.n_to_do or self.n_unusable or self.n_gone)

    @property
    def n_records(self) -> int:
        """All of them."""
        return self.n_to_do + self.n_done + self.n_set_aside + self.n_unusable


def survey_records(
    records: Iterable[Prompt | SetAside], done: Mapping[str, Done], unusable: Iterable[str] = ()
) -> Survey:
    """Read every record once; the sample is spread evenly and the same each time.

    ``unusable`` are the ids that an earlier run skipped of these records' files.
    """
    gone = set(unusable)
    generator = random.Random(0)
    n_to_do = n_done = n_set_aside = n_unusable = 0
    sample: list[Prompt] = []
    for record in records:
        gone.discard(record.id)
        known = done.get(record.id)
        if known is not None and known.settles(record.fingerprint):
            n_done, n_set_aside = n_done + (known.error is None), n_set_aside + (known.error is not None)
        elif isinstance(record, SetAside):
            n_unusable += 1
        else:
            n_to_do += 1
            if len(sample) < SAMPLE:
                sample.append(record)
            elif (place := generator.randrange(n_to_do)) < SAMPLE:
                sample[place] = record
    return Survey(
        n_to_do=n_to_do,
        n_done=n_done,
        n_set_aside=n_set_aside,
        n_unusable=n_unusable,
        n_gone=len(gone),
        sample=sample,
    )
