"""The output of ``list``, a row for each prompt; here in 80 cells:

id            tokens     p  line   share  last line written
dish-mistake      21  0.99     9   20.2%  Recommendation: You have to try it.
null-prompt   skipped, broken.jsonl line 5: expected `prompt` to be text, found null; fill it
              in or remove the line
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from promptlight.cli.views.tried import describe_try, spell_try
from promptlight.cli.views.trust import describe_trust, is_beaten_by_rule
from promptlight.io.results.overview import Outline
from promptlight.io.results.tried import Try, read_try
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Method

ASIDE, HEAD, FAILED = "dim", "bold", "yellow"
GAP = "  "
WIDEST_ID, WIDEST_LABEL, WIDEST_STOP = 32, 18, 13  # cells
FOR_TRUST, FOR_STOP, FOR_SOURCE, FOR_LABEL = 72, 88, 104, 140  # cells of a terminal from which a column is shown


class Listing:
    """Draws rows in columns that fit a width in cells. ``ids`` are all that may come."""

    def __init__(self, ids: Sequence[str], width: int, *, has_trust: bool) -> None:
        widest = max([len("id"), *(cell_len(one_line(id)) for id in ids)])
        self._of_id = min(widest, WIDEST_ID, max(8, width // 4))
        self._width = width
        numbers = [("tokens", 6, ">"), ("p", 5, ">"), ("line", 4, ">"), ("share", 6, ">")]
        self._columns = [("id", self._of_id, "<"), *numbers]
        if width >= FOR_LABEL:
            self._columns.insert(1, ("label", WIDEST_LABEL, "<"))
        if width >= FOR_STOP:
            self._columns.insert(-4, ("stopped", WIDEST_STOP, "<"))
        self._has_trust = has_trust and width >= FOR_TRUST
        if self._has_trust:
            self._columns.append(("trust", 7, ">"))
        room = max(8, width - sum(width + len(GAP) for _, width, _ in self._columns))
        if width >= FOR_SOURCE:
            self._columns.append(("strongest line", room // 2 - 1, "<"))
            room -= room // 2 - 1 + len(GAP)
        self._columns.append(("last line written", room, "<"))
        self._n_prompts = self._n_set_aside = self._n_tried = 0

    @property
    def heading(self) -> Text:
        """The names of the columns."""
        return Text(self._join({name: name for name, _, _ in self._columns}).plain.rstrip(), HEAD)

    def render(self, one: Outline, figures: Mapping[str, Any] | None) -> Iterator[Text]:
        """The rows of one result; ``figures`` are those of its evaluation."""
        if one.reason is not None:
            self._n_set_aside += 1
            yield from self._render_set_aside(one)
            return
        self._n_prompts += 1
        how = _find_try(one)
        self._n_tried += how is not None
        strongest = one.strongest
        cells = {
            "id": one_line(one.id),
            "label": one_line(one.label or ""),
            "stopped": one_line(one.stop_reason.partition(' "')[0]),  # without the stop text itself
            "tokens": f"{one.n_tokens:,}",
            "p": "" if one.probability is None else f"{one.probability:.3f}",
            "line": str(strongest.line) if strongest else "",
            "share": f"{strongest.share:.1%}" if strongest else "",
            "trust": _spell_trust(figures) if figures else "",
            "strongest line": one_line(strongest.text.strip()) if strongest else "",
            "last line written": one_line(_find_last_line(one.completion)),
        }
        yield self._join(cells)
        if how:
            line = _fit(GAP + spell_try(how), max(8, self._width))
            line.rstrip()
            line.stylize(ASIDE)
            yield line

    def _render_set_aside(self, one: Outline) -> Iterator[Text]:
        """Where the record is and what is wrong with it, in full."""
        id = _fit(one_line(one.id), self._of_id)
        reason = Text(f"skipped, {one_line(_describe_place(one))}: {one_line(one.reason or '')}", FAILED)
        room = max(8, self._width - self._of_id - len(GAP))
        for number, part in enumerate(reason.wrap(Console(width=room), room)):
            part.rstrip()
            yield Text.assemble(id if number == 0 else " " * self._of_id, GAP, part)

    def render_end(self, method: Method, notes: Iterable[str]) -> Iterator[Text]:
        """Totals, what the columns mean, and the notes that aren't empty."""
        yield Text()
        aside = f"; {self._n_set_aside:,} skipped" if self._n_set_aside else ""
        tried = f", {self._n_tried:,} of them tried" if self._n_tried else ""
        yield Text(f"{self._n_prompts:,} prompt{'' if self._n_prompts == 1 else 's'}{tried}{aside}", HEAD)
        yield Text("p: probability a token, the geometric mean over the completion", ASIDE)
        yield Text(f"line, share: the strongest source of the last line written, by {method}", ASIDE)
        if self._has_trust:
            yield Text("trust: how many random orders the method's order beats; see `promptlight evaluate`", ASIDE)
            yield Text("*: a simple rule does better: the nearest first, or the prompt's last line first", ASIDE)
        yield from (Text(note, ASIDE) for note in notes if note)

    def _join(self, cells: Mapping[str, str]) -> Text:
        shown = (_fit(cells[name], width, align) for name, width, align in self._columns)
        line = Text(GAP).join(shown)
        line.rstrip()
        return line


def _spell_trust(figures: Mapping[str, Any]) -> str:
    """``19/20``: random orders that are beaten, with a star if a simple rule does better."""
    star = "*" if is_beaten_by_rule(PromptEvaluation.from_row(figures)) else ""
    return f"{figures['n_beaten']}/{figures['n_random']}{star}"


def _find_last_line(completion: str) -> str:
    """The last line with visible text, after an ellipsis if there is more before it."""
    *before, last = completion.strip().split("\n")
    return f"… {last.strip()}" if before else last.strip()


def _find_try(one: Outline) -> Try | None:
    """How a prompt came about; None if it is one of the run's own."""
    return read_try(one.label, json.loads(one.fields))


def _describe_place(one: Outline) -> str:
    """The record's file and line."""
    return f"{Path(one.path).name} line {one.line}"


def _fit(text: str, width: int, align: str = "<") -> Text:
    """A text of exactly this many cells: cut off with an ellipsis, or padded."""
    shown = Text(text)
    shown.truncate(width, overflow="ellipsis")
    padding = " " * (width - shown.cell_len)
    return Text.assemble(padding, shown) if align == ">" else Text.assemble(shown, padding)


def describe_outline(one: Outline, figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """The same as plain data, with the whole completion."""
    strongest = one.strongest
    described: dict[str, Any] = {"id": one.id, "label": one.label, "path": one.path, "line": one.line}
    if one.reason is not None:
        return described | {"set_aside": one.reason}
    return described | {
        "set_aside": None,
        "tried": describe_try(_find_try(one)),
        "completion": one.completion,
        "stop_reason": one.stop_reason,
        "n_prompt_tokens": one.n_prompt_tokens,
        "n_tokens": one.n_tokens,
        "probability_per_token": one.probability,
        "strongest": strongest and {"line": strongest.line, "text": strongest.text, "share": strongest.share},
        "trust": figures and _describe_trust(figures),
    }


def _describe_trust(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The target that was measured, the counts, and the sentences of ``show``."""
    row = PromptEvaluation.from_row(figures)
    said = {"beaten_by_rule": is_beaten_by_rule(row), "says": describe_trust(row)}
    return {name: figures[name] for name in ("target", "n_beaten", "n_random")} | said
