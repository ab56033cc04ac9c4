"""The folders behind the page, each with the writer that holds its lock and adds rows to it.

The first is the one that is served. Completions that were asked about otherwise are in folders of their own within its
``_tried``, each a further source of the page.
"""

# pyright: standard

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptlight.cli.work.report_entries import FolderEntries, name_folders
from promptlight.io.results.facts import RunFacts, read_facts
from promptlight.io.results.reader import read_result
from promptlight.io.results.schema import read_kind
from promptlight.io.results.shards import read_metadata, read_shard, require_shards
from promptlight.io.results.tried import TRIED_FOLDER, describe_question, find_tried_folders, name_tried_folder
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.types import Analysis

_OWN = ("schema_version", "settings", "started", "finished")  # of a shard's metadata, what a writer adds itself


@dataclass(kw_only=True)
class Source:
    """A folder of results; ``title`` says what it asks. Both it and ``name`` are empty for the one that is served.

    ``question`` is what its prompts open with. ``facts`` are None until it has results.
    """

    number: int
    folder: Path
    name: str
    title: str
    writer: ResultsWriter
    question: Question
    facts: RunFacts | None
    entries: FolderEntries = field(init=False)

    def __post_init__(self) -> None:
        self.look_again()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that all its results share."""
        return self.writer.settings

    @property
    def answers(self) -> bool:
        """Whether its results have scores by the method that the question is about."""
        return self.question.method is None or self.question.method in read_kind(self.settings).methods

    def look_again(self) -> None:
        """Read anew what was measured and tried. Prompts open with the first method if that of the question lacks."""
        asked = self.question if self.answers else replace(self.question, method=None)
        self.entries = FolderEntries(self.folder, self.facts, self.number, asked)

    def learn_facts(self) -> None:
        """Read where the results come from, once there are some."""
        if self.facts is None:
            self.facts = read_facts(self.folder)
            self.look_again()

    def entitle(self, id: str) -> str:
        """The name of a row on the page."""
        return f"{id} ({self.title})" if self.title else id

    def fetch(self, id: str) -> Analysis:
        """A result from the disk."""
        shard = self.writer.done[id].shard
        place = read_shard(shard, ["id"])["id"].to_pylist().index(id)
        result = read_result(shard, place)
        assert isinstance(result, Analysis)
        return result


class Sources:
    """All folders, by number. Opening them takes their locks: raises OutputError if another process writes there.

    Raises UsageError if the folder that is served lacks the method of the question.
    """

    def __init__(self, folder: Path, question: Question) -> None:
        self._folder, self._question = folder, question
        self._opening = threading.Lock()
        self._all: list[Source] = []
        try:
            if not self._open(folder, "").answers:
                stored = ", ".join(self[0].settings["methods"])
                raise UsageError(f"expected scores by {question.method}, found {stored}", parameters=("method",))
            for inside in find_tried_folders(folder):
                self._open(Path(str(inside)), inside.name)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Source]:
        return iter(list(self._all))

    def __getitem__(self, number: int) -> Source:
        return self._all[number]

    def close(self) -> None:
        """Give the folders back."""
        for source in self:
            source.writer.close()

    def list_names(self) -> list[str]:
        """What the page calls each of them."""
        served, *tried = self
        return [*name_folders([served.folder]), *(source.title for source in tried)]

    def find(self, name: str) -> Source:
        """A source by its name. Raises UsageError if it is gone."""
        for source in self:
            if source.name == name:
                return source
        raise UsageError(f"expected the results in {TRIED_FOLDER}/{name}, found none")

    def open_tried(self, settings: Mapping[str, Any], provenance: dict[str, Any]) -> Source:
        """The source in ``_tried`` for results with these settings; a new one if there is none yet."""
        name = name_tried_folder(settings)
        with self._opening:
            known = next((source for source in self if source.name == name), None)
            if known is not None:
                known.writer.come_from(provenance)
                return known
            folder = self._folder / TRIED_FOLDER / name
            return self._take(folder, name, ResultsWriter(folder, dict(settings), provenance, flush_every=1), None)

    def _open(self, folder: Path, name: str) -> Source:
        """Add a folder with results, and take its lock."""
        metadata = read_metadata(require_shards(folder)[-1])
        provenance = {key: value for key, value in metadata.items() if key not in _OWN}
        writer = ResultsWriter(folder, metadata["settings"], provenance, flush_every=1)
        return self._take(folder, name, writer, read_facts(folder))

    def _take(self, folder: Path, name: str, writer: ResultsWriter, facts: RunFacts | None) -> Source:
        source = Source(
            number=len(self._all),
            folder=folder,
            name=name,
            title=self._entitle(name, writer.settings) if name else "",
            writer=writer,
            question=self._question,
            facts=facts,
        )
        self._all.append(source)
        return source

    def _entitle(self, name: str, settings: Mapping[str, Any]) -> str:
        """What a folder in ``_tried`` asks, with the end of its name if another one asks the same."""
        asked = describe_question(settings, self[0].settings)
        is_taken = any(source.title == asked for source in self)
        return f"{asked}, {name.rpartition('-')[2]}" if is_taken else asked
