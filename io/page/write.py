"""Write a page for colleagues: one self-contained HTML file that opens from disk and contacts no server.

Each prompt is a separate JSON element (``record.py``), parsed when it is first shown. What the browser runs is in
``browser/``, in the order of ``SCRIPTS``: first what computes, then what draws, at last the controls.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptlight.io.files import writing
from promptlight.io.page._facts import describe_facts
from promptlight.io.page.colours import NEUTRAL_INTENSITY, SIGNED, UNSIGNED, Colours, Marking, list_ramps
from promptlight.io.page.overview import NOTHING, AllPrompts, describe_everything
from promptlight.io.page.record import ReportEntry, to_json, to_record
from promptlight.io.page.summary import Summaries
from promptlight.io.page.words import Language, read_words, spell
from promptlight.io.results.facts import RunFacts
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Cut, Pooling, Way

BROWSER = Path(__file__).parent / "browser"
SCRIPTS = (
    *("numbers", "through", "words", "paint", "record", "text", "prompt", "compare", "ways"),
    *("summary", "overview", "page"),
)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How the page opens; readers can choose otherwise, and their address keeps it.

    ``id`` None is the first prompt, ``by`` and ``target_by`` None are lines. ``language`` None is the reader's own.
    ``overview``: with the table of all prompts.
    """

    id: str | None = None
    by: Cut | None = None
    target_by: Cut | None = None
    pooling: Pooling = Pooling.SUM
    way: Way = Way.DIRECT
    colours: Colours = Colours.SAFE
    marking: Marking = Marking.HIGHLIGHT
    intensity: float = NEUTRAL_INTENSITY
    language: Language | None = None
    overview: bool = False


def write_report(
    path: Path,
    entries: Iterable[ReportEntry],
    *,
    title: str | None = None,
    opening: Opening = Opening(),
    sources: Sequence[RunFacts | None] = (),
    everything: AllPrompts = NOTHING,
) -> int:
    """Write the page, one prompt in memory at a time; returns the number of prompts.

    Without a ``title`` it has one in the reader's language. ``sources`` has the facts of each folder of results;
    ``everything`` is read after the last prompt. The file appears complete or not at all. Raises OutputError if it
    can't be written.
    """
    import jinja2
    from markupsafe import Markup

    n_prompts = 0
    summaries = Summaries(everything.question)

    def records() -> Iterator[dict[str, str]]:
        nonlocal n_prompts
        for entry in entries:
            summaries.add(n_prompts, entry)
            n_prompts += 1
            record = to_record(entry)
            yield {"head": record.head, "data": Markup(record.data)}

    def tables() -> Iterator[tuple[str, Markup]]:  # read after the records, when everything is known
        of_all = {"everything": describe_everything(everything) | summaries.describe()}
        yield from ((name, Markup(to_json(table))) for name, table in (known | of_all).items())

    loader = jinja2.FileSystemLoader(BROWSER)
    template = jinja2.Environment(autoescape=True, loader=loader, undefined=jinja2.StrictUndefined).get_template(
        "page.html.j2"
    )
    script = "".join((BROWSER / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    known = {
        "palette": {"ramps": list_ramps(), "signed": SIGNED, "unsigned": UNSIGNED},
        "words": {language: read_words(language) for language in Language},
        "opening": _describe_opening(opening, title),
        "sources": [describe_facts(facts) for facts in sources],
    }
    values = {
        "title": printable(spell(opening.language or Language.ENGLISH, "page.title") if title is None else title),
        "language": opening.language or "",
        "style": Markup((BROWSER / "page.css").read_text("utf-8")),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),  # the only one to run
        "ways": [str(way) for way in Way],
        "tables": tables(),
    }
    with writing(path, durable=True) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(template.generate(values | {"records": records()}))
    return n_prompts


def _describe_opening(opening: Opening, title: str | None) -> dict[str, object]:
    """The same by the names of the browser's state."""
    return {
        "id": printable(opening.id) if opening.id is not None else None,
        "view": "overview" if opening.overview else "one",
        "title": printable(title) if title is not None else None,
        "sourceBy": opening.by,
        "targetBy": opening.target_by,
        "pool": opening.pooling,
        "way": opening.way,
        "colours": opening.colours,
        "marking": opening.marking,
        "intensity": opening.intensity,
    }
