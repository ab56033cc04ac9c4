"""A folder of results, which lists itself in a notebook and hands out results that draw themselves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from promptlight.cli.notebook.drawing import Drawing
from promptlight.cli.notebook.result import Result, to_result
from promptlight.io.places import Place
from promptlight.io.results import reader
from promptlight.io.results.facts import RunFacts, read_facts
from promptlight.io.results.folders import find_folder
from promptlight.io.results.shards import require_shards
from promptlight.salience.types import SetAside


class Results:
    """The results of a folder. A loop over them reads one shard at a time, in the order of writing.

    ``results["dish-mistake"]`` is the result of an id, ``results[0]`` that of a row; ``results.ids`` lists the ids.
    """

    def __init__(self, folder: Place) -> None:
        require_shards(folder)
        self.folder = folder

    @cached_property
    def facts(self) -> RunFacts | None:
        """The model, the dates, the settings and the versions; None if no file of results can be read."""
        return read_facts(self.folder)

    @property
    def ids(self) -> list[str]:
        """The ids of all results, with those that were skipped."""
        return reader.list_ids(self.folder)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id: object) -> bool:
        return id in self.ids

    def __iter__(self) -> Iterator[Result | SetAside]:
        for one in reader.read_results(self.folder):
            yield one if isinstance(one, SetAside) else self._give(one)

    def __getitem__(self, key: str | int) -> Result:
        """Raises OutputError if it is not there, UsageError if it was skipped."""
        from promptlight.cli.work.stored_results import find_stored

        chosen: Any = {"id": key} if isinstance(key, str) else {"row": key}
        return self._give(find_stored(self.folder, **chosen))

    def list(self) -> Drawing:
        """A line for each prompt, as ``promptlight list`` prints it."""
        from promptlight.cli.work.listing import view_folder

        return Drawing(view=view_folder(self.folder), name=f"the list of {self.folder}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What IPython and Jupyter ask for."""
        return self.list().to_bundle()

    def __repr__(self) -> str:
        return f"<Results of {len(self):,} prompts in {self.folder}>"

    def _give(self, analysis: Any) -> Result:
        return to_result(analysis, folder=self.folder, facts=self.facts)


def read_results(folder: str | Place | None = None) -> Results:
    """The results of a folder, an address such as ``s3://bucket/run``, or ``gemma-tutorial``, which is in the package.

    Without a name, it is ``results/``. Raises OutputError if there are none.
    """
    return Results(find_folder(folder))
