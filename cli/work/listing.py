"""List a results folder: read an outline of each result, and print it as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from promptlight.cli.options.picture import Picture
from promptlight.cli.views.facts import describe_origin, describe_quantised, spell_facts
from promptlight.cli.views.listing import FAILED, Listing, describe_outline
from promptlight.cli.views.output import FILE_WIDTH, View
from promptlight.cli.views.palette import Look
from promptlight.cli.work.tried_folders import say_tried_folders
from promptlight.io.places import Place
from promptlight.io.prompts.selection import parse_condition, select_by_values, values_of
from promptlight.io.results.evaluations import read_evaluation
from promptlight.io.results.facts import read_facts
from promptlight.io.results.overview import Outline, choose_method, outline_results
from promptlight.io.results.reader import list_ids
from promptlight.salience.errors import OutputError
from promptlight.salience.text.printable import one_line, printable_json
from promptlight.salience.types import Method

TITLE = "promptlight list"


def list_folder(
    folder: Place,
    picture: Picture,
    *,
    where: Sequence[str],
    method: Method | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Print a line for each prompt, or one JSON object, or draw the lines into files.

    Raises OutputError at the end if shards are damaged.
    """
    conditions = [parse_condition(condition) for condition in where]
    chosen, trust, problems = choose_method(folder, method), StoredFigures(folder), list[str]()
    found = islice(_select(outline_results(folder, chosen, problems), conditions), limit)
    if as_json:
        prompts = [describe_outline(one, trust.find(one, chosen)) for one in found]
        facts = describe_origin(read_facts(folder))
        print(printable_json({"method": chosen.value, "facts": facts, "prompts": prompts}))
    elif picture.files:
        rows = Group(*_render(folder, chosen, found, trust, picture.width or FILE_WIDTH))
        picture.draw(View(paint=lambda console, look: rows, describe=dict, signed=False, title=TITLE), as_json=False)
    else:
        console = Console(highlight=False, width=picture.width)
        for row in _render(folder, chosen, found, trust, console.width):
            console.print(row)
    say_tried_folders(folder)
    if problems:
        raise OutputError(f"{'; '.join(problems)}; all other results were read")


def view_folder(folder: Place) -> View:
    """The same to draw elsewhere, with what is damaged in the last lines."""
    chosen, trust = choose_method(folder, None), StoredFigures(folder)

    def paint(console: Console, look: Look) -> RenderableType:
        problems: list[str] = []
        rows = list(_render(folder, chosen, outline_results(folder, chosen, problems), trust, console.width))
        return Group(*rows, *(Text(one_line(problem), FAILED) for problem in problems))

    return View(paint=paint, describe=dict, signed=False, title=TITLE)


def _render(
    folder: Place, method: Method, found: Iterable[Outline], trust: StoredFigures, width: int
) -> Iterator[Text]:
    """A heading, the rows of each result, and what the columns mean."""
    listing = Listing(list_ids(folder), width, has_trust=trust.there)
    yield listing.heading
    for one in found:
        yield from listing.render(one, trust.find(one, method))
    facts = read_facts(folder)
    yield from listing.render_end(method, [describe_quantised(facts), spell_facts(facts)])


def _select(outlines: Iterator[Outline], conditions: Sequence[tuple[str, str]]) -> Iterator[Outline]:
    """The results that match all conditions, those that were skipped too, as far as their fields are known."""
    if not conditions:
        return outlines
    pairs = ((one, values_of(one.id, one.label, one.target, json.loads(one.fields))) for one in outlines)
    return select_by_values(pairs, (), conditions)


class StoredFigures:
    """How many random orders a method's order beats, as an evaluation that is stored with the results says."""

    def __init__(self, folder: Place) -> None:
        self._evaluation = read_evaluation(folder)

    @property
    def there(self) -> bool:
        """Whether there is an evaluation."""
        return self._evaluation is not None

    def find(self, one: Outline, method: Method) -> Mapping[str, Any] | None:
        """The evaluation's row for a prompt; None if it was not measured."""
        return self._evaluation and self._evaluation.find(one.id, method, one.fingerprint)
