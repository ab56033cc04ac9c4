"""A run: read the prompts once to count and survey them, once to explain them, and store every result.

1. Survey the records (``survey.py``), before a model is paid for: a file that can't be read fails at once.
2. Load the model, here or on a cluster (``engines.py``), and open the results folder.
3. Estimate what the run takes, and say it in a line (``estimate.py``).
4. Explain what is still to do; store each result, then count it (``progress.py``).
5. Say what users may not expect of the completions (``_notes.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlight.cli.work._notes import Notes
from promptlight.cli.work.estimate import Asked, plan_run, try_run
from promptlight.cli.work.progress import Tally, show_progress
from promptlight.cli.work.signals import ending_in_order
from promptlight.cli.work.survey import Survey, survey_records
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.cli.work.engines import Analyze, Workers
    from promptlight.io.prompts.reader import PromptReader
    from promptlight.io.results.writer import ResultsWriter
    from promptlight.salience.model import ModelFacts


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the command line asks for: which prompts, how they are explained and by whom, and where results go."""

    reader: PromptReader
    output: Path
    asked: Asked
    chat: bool
    opening: AbstractContextManager[Workers]  # whoever does the work

    def explain(self) -> Tally:
        """Explain every prompt that is still to do, and store the results; returns what became of the records."""
        from promptlight.io.results.writer import ResultsWriter
        from promptlight.salience.run.provenance import describe_provenance

        survey = self._survey()
        tally, notes = Tally(total=survey.n_records), Notes(stops=bool(self.asked.options.stop))
        with ending_in_order(tally), self.opening as workers:
            facts = workers.facts
            provenance = describe_provenance(facts)
            with ResultsWriter(self.output, self._describe(facts), provenance, self.asked.flush_every) as writer:
                plan = plan_run(survey, self.asked, workers, self.output)
                with show_progress(tally, facts, self.output, plan):
                    _explain_all(self.reader, writer, tally, notes, workers.analyze)
        for note in notes.spell():
            print(f"note: {note}", file=sys.stderr)
        return tally

    def estimate(self, *, as_json: bool) -> str:
        """What explaining them would take, from a trial of a few prompts; nothing is written."""
        from promptlight.io.results.done import read_done

        survey = self._survey()
        with self.opening as workers:
            read_done(self.output, self._describe(workers.facts))  # refuses a folder that was made with other settings
            return try_run(survey, self.asked, workers, self.output, as_json=as_json)

    def _survey(self) -> Survey:
        from promptlight.io.results.done import read_done

        return survey_records(self.reader.without_strictness(), read_done(self.output))

    def _describe(self, facts: ModelFacts) -> dict[str, Any]:
        """All that changes what is stored."""
        from promptlight.salience.run.provenance import describe_settings

        settings = describe_settings(facts, self.asked.options, chat=self.chat)
        return settings | {"scores": self.asked.scores.value}


def _explain_all(reader: PromptReader, writer: ResultsWriter, tally: Tally, notes: Notes, analyze: Analyze) -> None:
    """Explain the remaining prompts; count and store each result.

    Raises InputError for the first record that was set aside, if the reader is strict.
    """
    for result in analyze(_skip_done(reader, writer, tally)):
        if reader.strict and isinstance(result, SetAside):
            raise InputError(result.path, result.line, result.reason, parameters=result.parameters)
        writer.add(result)  # before it is counted
        if isinstance(result, SetAside):
            tally.set_aside(result)
        else:
            tally.explained(result)
            notes.see(result.completion)
    writer.flush()  # before the summary says that the results are stored
    tally.n_blank_lines = reader.n_blank


def _skip_done(reader: PromptReader, writer: ResultsWriter, tally: Tally) -> Iterator[Prompt]:
    """The remaining prompts; records that can't be used go straight to the results.

    Raises InputError if a record has changed since its result was made, and with ``strict`` for a record that an
    earlier run set aside.
    """
    for record in reader:
        done = writer.done.get(record.id)
        if done is not None and done.settles(record.fingerprint):
            if reader.strict and done.error is not None:
                parameters = record.parameters if isinstance(record, SetAside) else ()
                raise InputError(record.path, record.line, done.error, parameters=parameters)
            tally.already_done(record, done.error)
            continue
        if done is not None and done.error is None:
            raise InputError(
                record.path,
                record.line,
                f"id {record.id!r} was explained before, but its record has changed since: give it another id, or "
                "choose another folder",
                parameters=("folder",),
            )
        if done is not None:
            writer.forget(record.id)
        if isinstance(record, SetAside):
            writer.add(record)
            tally.set_aside(record)
        else:
            yield record
