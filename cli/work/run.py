"""A run: read the prompts once to count and survey them, once to explain them, and store every result.

1. Survey the records (``survey.py``), before a model is paid for: a file that can't be read fails at once. If all of
   them are done, say so, and end here.
2. Load the model, here or on a cluster (``engines.py``), and open the results folder.
3. Estimate what the run takes, and say it in a line (``estimate.py``).
4. Explain what is still to do, and show how far it is (``progress.py``); store each result, then count it
   (``tally.py``).
5. Say what users may not expect of the completions (``_notes.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptlight.cli.views.progress import Standing
from promptlight.cli.work._notes import Notes, describe_start
from promptlight.cli.work._unusable import analyze_in_place
from promptlight.cli.work.estimate import Asked, plan_run, try_run
from promptlight.cli.work.formats import say_formats
from promptlight.cli.work.progress import Display, Following, Lines, open_display
from promptlight.cli.work.signals import ending_in_order
from promptlight.cli.work.survey import Survey, survey_records
from promptlight.cli.work.tally import Tally, Watcher, summarize
from promptlight.io.places import Place
from promptlight.salience.errors import InputError
from promptlight.salience.progress import Phase
from promptlight.salience.types import Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.cli.work.engines import Workers
    from promptlight.io.prompts.reader import PromptReader
    from promptlight.io.results.done import Done
    from promptlight.io.results.writer import ResultsWriter
    from promptlight.salience.model import ModelFacts


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the command line asks for: which prompts, how they are explained and by whom, and where results go."""

    reader: PromptReader
    output: Place
    asked: Asked
    chat: bool
    model: str
    adapter: str | None
    dtype: str
    opening: AbstractContextManager[Workers]  # whoever does the work

    def explain(self) -> Tally:
        """Explain every prompt that is still to do, and store the results; returns what became of the records."""
        survey = self._survey()
        tally, notes = Tally(total=survey.n_records), Notes(stops=bool(self.asked.options.stop))
        if survey.is_settled and self.adapter is None:  # an adapter is only known once it is read
            self._count_done(tally)
        else:
            with ending_in_order(tally):
                self._explain(survey, tally, notes)
        for note in notes.spell():
            print(f"note: {note}", file=sys.stderr)
        return tally

    def _explain(self, survey: Survey, tally: Tally, notes: Notes) -> None:
        """Load the model, explain what is still to do, and sum it up."""
        from promptlight.io.results.writer import ResultsWriter
        from promptlight.salience.run.provenance import describe_provenance

        with ExitStack() as opened:
            with open_display() as display:
                tally.watchers.append(_speak_on(display))
                with display.loading(self.model):
                    workers = opened.enter_context(self.opening)
                facts = workers.facts
                provenance = describe_provenance(facts)
                with ResultsWriter(self.output, self._describe(facts), provenance, self.asked.flush_every) as writer:
                    plan, workload = plan_run(survey, self.asked, workers, self.output)
                    for line in (*describe_start(facts, self.asked.options.methods), *filter(None, [plan])):
                        display.say(line)
                    _explain_all(self.reader, writer, tally, notes, workers, Following(display, workload))
            print(summarize(tally, self.output))

    def _count_done(self, tally: Tally) -> None:
        """Count the records, all of which are done, without a model.

        What can't be known without one is not compared with the folder's settings: nothing is written.
        """
        from promptlight.io.results.done import read_done
        from promptlight.salience.loading.handles import DEMO, DEMO_FOLDER, hash_model_file, parse_handle

        handle = parse_handle(self.model)
        known = {
            "model": DEMO if handle.preset == str(DEMO_FOLDER) else handle.preset,
            "dtype": self.dtype,
            "chat": self.chat,
            "file_sha256": hash_model_file(handle),
            **self.asked.options.describe(),
            "scores": self.asked.scores.value,
        }
        unknown = {"config_hash", "quantised", *(["dtype"] if self.dtype == "auto" else [])}
        done = read_done(self.output, known, unknown)
        tally.watchers.append(_speak_on(Lines()))
        for record in self.reader:
            if not _is_done(record, done, tally, strict=self.reader.strict):
                raise InputError(record.path, record.line, "the record has changed while it was read; run it again")
        tally.n_blank_lines = self.reader.n_blank
        print(summarize(tally, self.output))

    def estimate(self, *, as_json: bool) -> str:
        """What explaining them would take, from a trial of a few prompts; nothing is written."""
        from promptlight.io.results.done import read_done

        survey = self._survey()
        with ExitStack() as opened, open_display() as display:
            with display.loading(self.model):
                workers = opened.enter_context(self.opening)
            read_done(self.output, self._describe(workers.facts))  # refuses a folder that was made with other settings
            display.show(Phase.EXPLAINING, lambda: Standing(text="trying a few prompts"), begins=True)
            return try_run(survey, self.asked, workers, self.output, as_json=as_json)

    def _survey(self) -> Survey:
        """Survey the records, and say in which formats they are."""
        from promptlight.io.results.done import find_gone, read_done

        reader = self.reader.without_strictness()
        survey = survey_records(reader, done := read_done(self.output), find_gone(done, reader.whole_files))
        say_formats(reader.seen, reader.reading)
        return survey

    def _describe(self, facts: ModelFacts) -> dict[str, Any]:
        """All that changes what is stored."""
        from promptlight.salience.run.provenance import describe_settings

        settings = describe_settings(facts, self.asked.options, chat=self.chat)
        return settings | {"scores": self.asked.scores.value}


def _speak_on(display: Display) -> Watcher:
    """Print what there is to say about a record."""
    return lambda message: display.say(message) if message else None


def _explain_all(
    reader: PromptReader, writer: ResultsWriter, tally: Tally, notes: Notes, workers: Workers, following: Following
) -> None:
    """Explain the remaining prompts; count and store each result.

    Raises InputError for the first record that was skipped, if the reader is strict.
    """
    from promptlight.io.results.done import find_gone

    def keep(record: SetAside) -> None:
        writer.add(record)
        tally.set_aside(record)

    gone = find_gone(writer.done, reader.whole_files)
    records = _skip_done(reader, writer, tally, gone)
    for result in analyze_in_place(records, lambda prompts: workers.analyze(prompts, following.hear), keep):
        if reader.strict and isinstance(result, SetAside):
            raise InputError(result.path, result.line, result.reason, parameters=result.parameters)
        writer.add(result)  # before it is counted
        if isinstance(result, SetAside):
            following.finish(result.id)
            tally.set_aside(result)
        else:
            following.finish(result.completion.prompt.id)
            tally.explained(result)
            notes.see(result.completion)
    for id in gone & writer.done.keys():  # without it, a file that was fixed would keep what was wrong with it
        writer.forget(id)
        tally.n_gone += 1
    writer.flush()  # before the summary says that the results are stored
    tally.n_blank_lines = reader.n_blank


def _skip_done(
    reader: PromptReader, writer: ResultsWriter, tally: Tally, gone: set[str]
) -> Iterator[Prompt | SetAside]:
    """The remaining records, those that can't be used too. What is read leaves ``gone``.

    Raises InputError if a record has changed since its result was made, and with ``strict`` for a record that an
    earlier run skipped.
    """
    for record in reader:
        gone.discard(record.id)
        if _is_done(record, writer.done, tally, strict=reader.strict):
            continue
        done = writer.done.get(record.id)
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
        yield record


def _is_done(record: Prompt | SetAside, done: Mapping[str, Done], tally: Tally, *, strict: bool) -> bool:
    """Whether an earlier run settled a record; if so, count it. Raises InputError if that skipped it and ``strict``."""
    known = done.get(record.id)
    if known is None or not known.settles(record.fingerprint):
        return False
    if strict and known.error is not None:
        parameters = record.parameters if isinstance(record, SetAside) else ()
        raise InputError(record.path, record.line, known.error, parameters=parameters)
    tally.already_done(record, known.error)
    return True
