"""Write a page for colleagues: one self-contained HTML file that opens from disk and contacts no server.

Each prompt is a separate JSON element (``record.py``), parsed when it is first shown. What the browser runs is in
``browser/``, in the order of ``SCRIPTS``: first what computes, then what draws, at last the controls.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from promptlight.io.files import writing
from promptlight.io.page._facts import Texts, describe_facts
from promptlight.io.page.colours import NEUTRAL_INTENSITY, SIGNED, UNSIGNED, Colours, Marking, list_ramps
from promptlight.io.page.overview import NOTHING, AllPrompts, describe_everything
from promptlight.io.page.record import ReportEntry, ReportRecord, to_json, to_record
from promptlight.io.page.summary import Summaries
from promptlight.io.page.words import Language, read_words, spell
from promptlight.io.results.facts import RunFacts
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Cut, Pooling, Way

BROWSER = Path(__file__).parent / "browser"
SCRIPTS = (
    *("numbers", "through", "words", "paint", "record", "text", "prompt", "compare", "ways"),
    *("summary", "attempts", "overview", "page"),
)
STYLES = ("page.css", "served.css")
SERVED_SCRIPTS = ("server", "queue", "editor", "asking", "adding", "served")  # after these, with a server behind it


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
    n_prompts = 0
    summaries = Summaries(everything.question)

    def records() -> Iterator[ReportRecord]:
        nonlocal n_prompts
        for entry in entries:
            summaries.add(n_prompts, entry)
            n_prompts += 1
            yield to_record(entry)

    def describe() -> dict[str, Any]:
        return describe_everything(everything) | summaries.describe()

    parts = render_page(records(), title=title, opening=opening, sources=sources, everything=describe)
    with writing(path, durable=True) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(parts)
    return n_prompts


def render_page(
    records: Iterable[ReportRecord],
    *,
    title: str | None = None,
    opening: Opening = Opening(),
    sources: Sequence[RunFacts | None] = (),
    everything: Callable[[], Mapping[str, Any]],
    served: bool = False,
) -> Iterator[str]:
    """The page's HTML, piece by piece; see ``write_report``.

    ``everything`` tells of all prompts together, and is called after the last record. ``served``: a server with a model
    is behind the page (``promptlight serve``), which may then talk to it, and to nothing else.
    """
    import jinja2
    from markupsafe import Markup

    known = {
        "palette": {"ramps": list_ramps(), "signed": SIGNED, "unsigned": UNSIGNED},
        "words": {language: _list_words(language, served=served) for language in Language},
        "opening": _describe_opening(opening, title),
        "sources": describe_sources(sources),
    }

    def tables() -> Iterator[tuple[str, Markup]]:  # read after the records, when everything is known
        of_all = {"everything": everything()}
        yield from ((name, Markup(to_json(table))) for name, table in (known | of_all).items())

    loader = jinja2.FileSystemLoader(BROWSER)
    template = jinja2.Environment(autoescape=True, loader=loader, undefined=jinja2.StrictUndefined).get_template(
        "page.html.j2"
    )
    values = {
        "title": printable(spell(opening.language or Language.ENGLISH, "page.title") if title is None else title),
        "language": opening.language or "",
        "style": Markup("".join((BROWSER / name).read_text("utf-8") for name in (STYLES if served else STYLES[:1]))),
        "script": Markup(_read_script(served=served)),
        "policy": Markup(describe_policy(served=served)),
        "served": served,
        "ways": [str(way) for way in Way],
        "tables": tables(),
        "records": ({"head": record.head, "data": Markup(record.data)} for record in records),
    }
    return template.generate(values)


def describe_sources(sources: Sequence[RunFacts | None]) -> list[dict[str, Texts]]:
    """The facts of each folder of results."""
    return [describe_facts(facts) for facts in sources]


def describe_policy(*, served: bool) -> str:
    """What the browser may do with the page, as a Content-Security-Policy: run this one script, and load nothing."""
    digest = base64.b64encode(hashlib.sha256(_read_script(served=served).encode()).digest()).decode()
    talks = "; connect-src 'self'" if served else ""
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'{talks};"
        " base-uri 'none'; form-action 'none'"
    )


@cache
def _read_script(*, served: bool) -> str:
    """All that the browser runs; a page without a server has no word of one."""
    names = (*SCRIPTS, *SERVED_SCRIPTS) if served else SCRIPTS
    return "".join((BROWSER / f"{name}.js").read_text("utf-8") for name in names)


def _list_words(language: Language, *, served: bool) -> Mapping[str, str]:
    words = read_words(language)
    return words if served else {key: text for key, text in words.items() if not key.startswith("serve.")}


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
