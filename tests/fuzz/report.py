"""The report page: any texts give the same markup, and can be parsed back from it."""

# pyright: standard

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import strategies as st

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import write_report
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Foil, Prompt, Section
from tests.fuzz.surface import HALVES, TEXTS, WHOLE_TEXTS, Surface, split_texts
from tests.support.handmade import make_analysis
from tests.support.span_cases import build_completion

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
NOT_SHOWN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
RECORD = re.compile(r'(<script type="application/json" class="record" data-head=")([^"]*)(">)([^<]*)(</script>)')
OPENING = re.compile(r'(<script type="application/json" id="opening">)([^<]*)(</script>)')


@dataclass(frozen=True)
class Texts:
    """All texts of a page that come from outside."""

    prompt: str = ""
    completion: str = ""
    id: str = ""
    label: str = ""
    title: str = ""
    other: str = ""  # a section's name, a foil's token, the sentences about trust


class Island(HTMLParser):
    """The findings of an HTML parser: tags, the records' attributes and data, the title and the heading."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.texts: dict[int, str] = {}  # by the number of their start tag; text after an end tag is left out
        self.is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self.is_open = True

    def handle_endtag(self, tag: str) -> None:
        self.is_open = False

    def handle_data(self, data: str) -> None:
        place = len(self.tags) - 1
        if self.is_open:
            self.texts[place] = self.texts.get(place, "") + data


def write_page(texts: Texts) -> str:
    """Write a page and decode it as a browser does, with all line ends alike."""
    sections = (Section(name=texts.other, start=0, stop=len(texts.prompt)),) if texts.prompt else ()
    completion = build_completion(["<bos>", *texts.prompt], [*texts.completion, "<eos>"], texts.prompt)
    prompt = Prompt(id=texts.id, text=texts.prompt, label=texts.label or None, sections=sections)
    analysis = make_analysis(replace(completion, prompt=prompt))
    tokens = (texts.other, *[None] * len(texts.completion))
    analysis = replace(analysis, foil=Foil(request="auto", tokens=tokens))
    entry = ReportEntry(analysis=analysis, name=texts.id, trust=lambda *_: texts.other)
    path = Path(FOLDER.name) / "page.html"
    assert write_report(path, [entry], title=texts.title) == 1
    return re.sub(r"\r\n?", "\n", path.read_bytes().decode("utf-8"))


@cache
def plain_tags() -> list[str]:
    return parse(write_page(Texts("a", "b", "c", "d", "e", "f"))).tags


@cache
def plain_skeleton() -> str:
    return take_texts_out(write_page(Texts("a", "b", "c", "d", "e", "f")))


def parse(page: str) -> Island:
    island = Island()
    island.feed(page)
    island.close()
    return island


def take_texts_out(page: str) -> str:
    page = re.sub(r"(<title>)([^<]*)(</title>)", r"\1\3", page, count=1)
    page = re.sub(r'(<h1 id="title">)([^<]*)(</h1>)', r"\1\3", page, count=1)
    return OPENING.sub(r"\1\3", RECORD.sub(r"\1\3\5", page))


def check(texts: Texts) -> None:
    texts = replace(
        texts, prompt=texts.prompt.replace("\u2581", " "), completion=texts.completion.replace("\u2581", " ")
    )
    page = write_page(texts)
    assert take_texts_out(page) == plain_skeleton()
    assert "\0" not in page  # parsers replace it
    island = parse(page)
    assert island.tags == plain_tags()
    place = next(number for number, found in enumerate(island.attributes) if found.get("class") == "record")
    attributes, data = island.attributes[place], json.loads(island.texts[place])
    head = json.loads(attributes["data-head"] or "")
    assert head["id"] == data["id"] == printable(texts.id)
    assert head["label"] == data["label"] == printable(texts.label)
    assert head["written"] == printable(texts.completion.strip().split("\n")[-1].strip())
    for name in ("title", "h1"):
        assert island.texts.get(island.tags.index(name), "") == printable(texts.title)
    assert "".join(data["texts"][1:-1]) == printable(texts.prompt + texts.completion)
    assert "".join(data["words"]) == printable(texts.completion)
    foils = [target[4] for target in data["targets"]["token"] if len(target) > 4]
    assert foils == ([printable(texts.other)] if texts.completion and texts.other else [])
    assert data["methods"][0]["trust"]["direct"] == printable(texts.other)
    names = data["cuts"]["section"]["names"].values()
    shown = [*attributes.values(), head["written"], *data["texts"], *data["words"], *foils, *names]
    assert not any(NOT_SHOWN.search(text or "") for text in shown)


def from_bytes(data: bytes) -> Texts:
    prompt, completion, *others = split_texts(data, 6)
    prompt, completion = (HALVES.sub("\ufffd", text) for text in (prompt, completion))  # no reader accepts these
    return Texts(prompt, completion, *others)


SEEDS = (
    b"a </script><script>alert(1)</script>\xff<!-- & \" '\xffid\xfflabel\xfftitle\xffname",
    "x\u2028y\u202ez\0".encode() + b"\xff\xed\xa0\x80\xff]]>\xff\r\n\xff</title>\xff&amp;",
)
SURFACE = Surface(
    found=(
        Texts(
            title="\udce9", id="\udce9", other="\udce9"
        ),  # from a file name in another encoding: UTF-8 can't encode it
        Texts("a", "b", id="\0\r\u202e", label="\u202e", other="\u202e"),  # browsers acted on these, or lost them
    ),
    cases=st.builds(Texts, WHOLE_TEXTS, WHOLE_TEXTS, TEXTS, TEXTS, TEXTS, TEXTS),
    from_bytes=from_bytes,
    check=check,
    seeds=SEEDS,
)
