"""Write a page for colleagues: one self-contained HTML file that opens from disk and contacts no server.

Each prompt is a separate JSON element (``record.py``), parsed when it is first shown. What the browser runs is in
``browser/``, in the order of ``SCRIPTS``: first what computes, then what draws, at last the controls.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptlight.io.files import writing
from promptlight.io.page.colours import SIGNED, UNSIGNED, Colours
from promptlight.io.page.record import ReportEntry, to_record
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Way

BROWSER = Path(__file__).parent / "browser"
SCRIPTS = ("numbers.js", "through.js", "draw.js", "ways.js", "page.js")
WAYS = {Way.DIRECT: "directly", Way.THROUGH: "through the model's own words", Way.ALL: "in all"}
SUBTITLE = "Which parts of each prompt mattered for what the model wrote."

Ramps = Mapping[str, Mapping[str, Sequence[tuple[int, int, int]]]]


def write_report(
    path: Path,
    entries: Iterable[ReportEntry],
    *,
    title: str,
    ramps: Ramps,
    colours: Colours = Colours.SAFE,
    way: Way = Way.DIRECT,
) -> int:
    """Write the page, one prompt in memory at a time; returns the number of prompts.

    ``ramps`` has the colours from level 0 to 1 for "light" and "dark" pages, by hue. The page opens with ``colours``,
    the hues of signed scores, and ``way``, how sources reach the target; readers can choose others. The file appears
    complete or not at all. Raises OutputError if it can't be written.
    """
    import jinja2
    from markupsafe import Markup

    n_prompts = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal n_prompts
        for entry in entries:
            n_prompts += 1
            record = to_record(entry)
            yield vars(record) | {"data": Markup(record.data)}

    loader = jinja2.FileSystemLoader(BROWSER)
    template = jinja2.Environment(autoescape=True, loader=loader, undefined=jinja2.StrictUndefined).get_template(
        "page.html.j2"
    )
    script = "".join((BROWSER / name).read_text("utf-8") for name in SCRIPTS)
    values = {
        "title": printable(title),
        "subtitle": SUBTITLE,
        "style": Markup((BROWSER / "page.css").read_text("utf-8")),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),  # the only one to run
        "palette": Markup(json.dumps({"ramps": ramps, "signed": SIGNED, "unsigned": UNSIGNED})),
        "hues": SIGNED,
        "colours": colours,
        "ways": WAYS,
        "way": way,
    }
    with writing(path, durable=True) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(template.generate(values | {"records": records()}))
    return n_prompts
