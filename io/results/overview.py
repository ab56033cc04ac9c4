"""Say of each result of a folder what was written, how sure the model was, and which line mattered most for its end.

Only small columns and the scores by line are read, one shard in memory at a time. The numbers are those of
``explain_target`` for the last line of the completion, with lines as sources; the tests compare them.
"""

# pyright: standard

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from promptlight.io.places import Place
from promptlight.io.results.reader import read_columns, read_result
from promptlight.io.results.schema import name_column, read_kind
from promptlight.io.results.shards import naming, read_metadata, require_shards
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.explain.span_scores import pool_sources, share
from promptlight.salience.text.sections import count_blanks
from promptlight.salience.types import Analysis, Granularity, Method, Role, Segmentation, SetAside

COLUMNS = (
    *("id", "source", "prompt", "completion", "stop_reason", "error", "target", "fields", "path", "line"),
    *("fingerprint", "n_prompt_tokens", "line_bounds"),
    *(f"tokens.list.element.{name}" for name in ("start", "stop", "role", "log_prob")),
)
LAST_LINE = "-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Strongest:
    """The source line with the largest share, -1 to 1, for the last line of a completion."""

    line: int
    text: str
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """What is known about one result. If it was skipped, ``reason`` says why, and there is no completion."""

    id: str
    label: str | None
    path: str
    line: int
    fingerprint: str
    target: str | None  # the record's own completion
    fields: str  # the record's other fields, as JSON
    reason: str | None
    completion: str = ""
    stop_reason: str = ""
    n_prompt_tokens: int = 0
    n_tokens: int = 0  # of the completion
    probability: float | None = None  # a token: the geometric mean
    strongest: Strongest | None = None


def choose_method(folder: Place, method: Method | None) -> Method:
    """The method to show, by default the first of the run. Raises UsageError if the run did not compute it."""
    for shard in require_shards(folder):
        with contextlib.suppress(OutputError):  # a damaged shard; all have the same settings
            methods = read_kind(read_metadata(shard)["settings"]).methods
            if method is not None and method not in methods:
                raise UsageError(f"expected scores by {method}, found {', '.join(methods)}: run that method too")
            return method or methods[0]
    return method or Method.GRAD_L2


def outline_results(folder: Place, method: Method, problems: list[str]) -> Iterator[Outline]:
    """All results in the order of writing; damaged shards are added to ``problems``."""
    scores = name_column(method, Granularity.LINE)
    for shard, table in read_columns(folder, [*COLUMNS, scores], problems):
        with naming(shard):
            yield from _outline_table(shard, table, method)


def _outline_table(shard: Place, table: pa.Table, method: Method) -> Iterator[Outline]:
    """The results of one shard."""
    tokens, scores = _Tokens(table["tokens"]), _Matrices(table[name_column(method, Granularity.LINE)])
    names = ("id", "source", "path", "line", "fingerprint", "prompt", "completion", "stop_reason", "error")
    rows = table.select([*names, "target", "fields", "n_prompt_tokens", "line_bounds"]).to_pylist()
    for place, row in enumerate(rows):
        record = {
            "id": row["id"],
            "label": row["source"],
            "path": row["path"],
            "line": row["line"],
            "fingerprint": row["fingerprint"] or "",
            "target": row["target"],
            "fields": row["fields"] or "{}",
            "reason": row["error"],
        }
        if row["error"] is not None:
            yield Outline(**record)
            continue
        log_probs = tokens.log_probs(place)
        lines = _Lines(text=row["prompt"] + row["completion"], bounds=row["line_bounds"], tokens=tokens, place=place)
        if scores.has(place):
            strongest = lines.find_strongest(scores, row["n_prompt_tokens"])
        else:
            strongest = _explain_strongest(read_result(shard, place), method)
        yield Outline(
            **record,
            completion=row["completion"],
            stop_reason=row["stop_reason"],
            n_prompt_tokens=row["n_prompt_tokens"],
            n_tokens=tokens.count(place) - row["n_prompt_tokens"],
            probability=float(np.exp(log_probs.mean())) if log_probs.size else None,
            strongest=strongest,
        )


class _Tokens:
    """The tokens of a shard's results: where their texts begin and end, what they are, how likely they were."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        lists = column.combine_chunks()
        self._offsets, values = lists.offsets.to_numpy(), lists.values
        roles = pc.call_function("index_in", [values.field("role")], pc.SetLookupOptions(pa.array(list(Role))))
        self._roles = roles.to_numpy(zero_copy_only=False)
        self._starts, self._stops = (values.field(name).to_numpy(zero_copy_only=False) for name in ("start", "stop"))
        self._log_probs = values.field("log_prob").to_numpy(zero_copy_only=False)  # NaN where there is none

    def _of(self, place: int) -> slice:
        return slice(self._offsets[place], self._offsets[place + 1])

    def count(self, place: int) -> int:
        """The number of tokens of a result."""
        return int(self._offsets[place + 1] - self._offsets[place])

    def log_probs(self, place: int) -> np.ndarray:
        """The log-probabilities of a result's tokens that have one."""
        found = self._log_probs[self._of(place)]
        return found[~np.isnan(found)]

    def roles(self, place: int) -> np.ndarray:
        """The place of each token's role among the roles."""
        return self._roles[self._of(place)]

    def span(self, place: int, start: int, stop: int) -> tuple[int, int]:
        """The characters of tokens ``start`` to ``stop``."""
        first = self._offsets[place]
        return int(self._starts[first + start]), int(self._stops[first + stop - 1])


class _Matrices:
    """The ragged score matrices of a shard's results."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        matrices = column.combine_chunks()
        self._there = matrices.is_valid().to_numpy(zero_copy_only=False)
        self._matrices, rows = matrices.offsets.to_numpy(), matrices.values
        self._rows, self._scores = rows.offsets.to_numpy(), rows.values.to_numpy(zero_copy_only=False)

    def has(self, place: int) -> bool:
        """Whether a result has this matrix."""
        return bool(self._there[place])

    def row(self, place: int, number: int, width: int) -> np.ndarray:
        """One row of a result's matrix, [1, width], with zeros at its end."""
        at = self._matrices[place] + number
        found = self._scores[self._rows[at] : self._rows[at + 1]]
        return np.pad(found, (0, width - found.size))[None]


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """A result's text, cut into lines."""

    text: str
    bounds: Sequence[int]
    tokens: _Tokens
    place: int

    def find_strongest(self, scores: _Matrices, n_prompt_tokens: int) -> Strongest | None:
        """The source line with the largest share for the last line written; None if nothing was written."""
        cut = Segmentation(granularity=Granularity.LINE, bounds=tuple(self.bounds))
        roles = np.maximum.reduceat(self.tokens.roles(self.place), self.bounds[:-1])
        written = np.flatnonzero(roles == list(Role).index(Role.COMPLETION))
        if not written.size:
            return None
        target = int(written[-1])
        row = scores.row(self.place, target - cut.spans_from(n_prompt_tokens).start, self.bounds[-1])
        visible = roles != list(Role).index(Role.SPECIAL)
        visible[target] = False
        shares = share(pool_sources(row, cut)[0], visible)
        source = int(np.argmax(np.abs(shares)))
        return self._describe(source, float(shares[source])) if shares[source] else None

    def _describe(self, source: int, its_share: float) -> Strongest:
        start, stop = self.tokens.span(self.place, *self.bounds[source : source + 2])
        text = self.text[start:stop]
        blanks = count_blanks(text)
        seen = start + (blanks if blanks < len(text) else 0)
        return Strongest(line=self.text.count("\n", 0, seen) + 1, text=text, share=its_share)


def _explain_strongest(result: Analysis | SetAside, method: Method) -> Strongest | None:
    """The same for results without scores by line, from the finest scores that they have."""
    assert isinstance(result, Analysis)
    try:
        explanation = explain_target(result, Question(target=LAST_LINE, method=method))
    except UsageError:  # nothing was written
        return None
    return next(
        (
            Strongest(line=span.line, text=span.text, share=float(explanation.shares[span.number]))
            for span in explanation.strongest(1)
        ),
        None,
    )
