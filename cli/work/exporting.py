"""Write stored results as one tidy table, into a file or to standard output."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from promptlight.cli.failures import name_options
from promptlight.cli.views.estimate import count
from promptlight.cli.views.facts import describe_quantised, spell_facts
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.cli.work.tried_folders import say_tried_folders
from promptlight.io.files import choose_aside
from promptlight.io.results.facts import RunFacts, read_facts
from promptlight.io.tables.formats import STANDARD_OUTPUT, TableFormat, guess_format
from promptlight.io.tables.tidy import write_tidy_table
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.explain.explanation import Question, cut_targets
from promptlight.salience.explain.span_scores import build_span_table
from promptlight.salience.explain.way_table import trace_table
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.types import Analysis, Cut, SpanTable, Way

OPTIONS = ("--target", "--through-by", "--method", "--by", "--target-by")  # of export, that help
TEXT_FORMATS = (TableFormat.CSV, TableFormat.EXCEL_CSV, TableFormat.JSONL)


def export_results(
    chosen: ChosenResults,
    question: Question,
    output: Path,
    *,
    top: int | None,
    format: TableFormat | None,
    overwrite: bool,
) -> None:
    """Write the table, and say how many rows it has: on stderr if the table goes to standard output.

    If the question's way is not direct, the table has shares by way. Raises UsageError if no prompt has the question's
    target, or none can be followed back, OutputError at the end if shards are damaged.
    """
    tables, facts = _Tables(chosen, question), read_facts(chosen.folder)
    if output == STANDARD_OUTPUT:
        n_rows = _write_to_stdout(tables, facts, question.target, top=top, format=format)
        say = sys.stderr
    else:
        format = format or guess_format(output)
        n_rows = write_tidy_table(
            output, tables, target=question.target, top=top, facts=facts, format=format, overwrite=overwrite
        )
        say = choose_aside(output)
    skipped = f"; {tables.n_skipped:,} prompts skipped (no such target)" if tables.n_skipped else ""
    where = "" if output == STANDARD_OUTPUT else f" in {one_line(str(output))}"
    print(f"{n_rows:,} rows{where}{skipped}", file=say)
    if tables.n_direct:
        print(f"without shares by way: {count(tables.n_direct, 'prompt')}; {one_line(tables.reason)}", file=say)
    origin = spell_facts(facts) if format in TEXT_FORMATS else ""  # other files say it themselves
    for note in filter(None, [describe_quantised(facts), origin]):
        print(note, file=say)
    say_tried_folders(chosen.folder)
    chosen.raise_damage()


def write_csv(chosen: ChosenResults, question: Question, output: Path) -> int:
    """Write the table as CSV, over an existing file, and say nothing; returns the number of rows."""
    tables, facts = _Tables(chosen, question), read_facts(chosen.folder)
    return write_tidy_table(
        output, tables, target=question.target, top=None, facts=facts, format=TableFormat.CSV, overwrite=True
    )


@dataclass
class _Tables:
    """Each chosen result with its table; counts the results that lack the target, and those without shares by way.

    ``reason`` says why the first of them does.
    """

    chosen: ChosenResults
    question: Question
    n_skipped: int = 0
    n_direct: int = 0
    reason: str = field(default="", init=False)

    def __iter__(self) -> Iterator[tuple[Analysis, SpanTable]]:
        question, n_found = self.question, 0
        for analysis in self.chosen:
            target_by = cut_targets(analysis, question).granularity
            table = build_span_table(
                analysis,
                targets=target_by,
                sources=question.by,
                pooling=question.pooling,
                method=question.method,
            )
            if question.target is not None and not self._has_target(analysis, table, question.target):
                continue
            n_found += 1
            yield analysis, self._follow(analysis, table, target_by)
        if self.n_skipped and not n_found:
            raise UsageError(f"expected prompts with the target {question.target!r}, found none; {self.reason}")
        if n_found and self.n_direct == n_found:
            raise UsageError(f"expected targets that can be followed back, found none; {self.reason}")

    def _has_target(self, analysis: Analysis, table: SpanTable, target: str) -> bool:
        try:
            find_target_spans(table.targets, target)
        except UsageError as error:
            self.n_skipped += 1
            self._keep_reason(analysis, error)
            return False
        return True

    def _follow(self, analysis: Analysis, table: SpanTable, target_by: Cut) -> SpanTable:
        """The table with its shares by way, if these are wanted and the targets can be followed back."""
        if self.question.way is Way.DIRECT:
            return table
        try:
            return trace_table(analysis, table, self.question, target_by)
        except UsageError as error:
            self.n_direct += 1
            self._keep_reason(analysis, error)
            return table

    def _keep_reason(self, analysis: Analysis, error: UsageError) -> None:
        id, reason = analysis.completion.prompt.id, name_options(str(error), error.parameters, OPTIONS)
        self.reason = self.reason or (reason if reason.startswith(f"{id}: ") else f"{id}: {reason}")


def _write_to_stdout(
    tables: _Tables, facts: RunFacts | None, target: str | None, *, top: int | None, format: TableFormat | None
) -> int:
    """Make the table in a temporary file, and copy its bytes.

    Raises UsageError for bytes on a terminal, OutputError where stdout is closed.
    """
    if format is None:
        raise UsageError("expected a format for standard output, found none: use --format csv or another")
    if getattr(sys.stdout, "name", None) == os.devnull:  # the entry point opens it where stdout is closed
        raise OutputError("expected a pipe or a file for the table, found stdout closed")
    if format not in TEXT_FORMATS and sys.stdout.isatty():
        raise UsageError(f"expected a pipe or a file for {format}, found a terminal: try --format csv")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{format}"
        n_rows = write_tidy_table(path, tables, target=target, top=top, facts=facts, format=format)
        sys.stdout.flush()
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return n_rows
