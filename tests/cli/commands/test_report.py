"""``promptlight report``: the page in a real browser, and that no prompt can break out of it."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from promptlight.io import find_result, read_results
from promptlight.io.page.colours import list_ramps
from promptlight.io.page.write import ReportEntry, encode_rows, to_record, write_report
from promptlight.io.prompts.sections import read_section_patterns
from promptlight.salience import Analysis, Prompt
from promptlight.salience.explain.comparison import compare_explanations
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.explain.span_scores import build_span_table, find_segmentation, share
from promptlight.salience.text.printable import printable
from promptlight.salience.text.sections import name_sections
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Foil, Granularity, Method, Role
from tests.conftest import Command
from tests.support.handmade import make_analysis
from tests.support.paths import EXAMPLES
from tests.support.span_cases import build_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGE_LIMIT = 300_000  # bytes, without the prompts
RECORD = re.compile(r'<script type="application/json" class="record"[^>]*>(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def page_file(demo_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from typer.testing import CliRunner

    from promptlight.cli.app import app

    path = tmp_path_factory.mktemp("report") / "report.html"
    arguments = ["report", demo_results, "-o", path, "--sections", EXAMPLES / "sections.toml"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "prompts in" in result.output
    return path


def as_entry(analysis: Analysis) -> ReportEntry:
    sections = describe_spans(analysis.completion, find_segmentation(analysis, Granularity.SECTION))
    return ReportEntry(analysis=analysis, sections=sections, name=analysis.completion.prompt.id)


def records_of(path: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(data) for data in RECORD.findall(path.read_text(encoding="utf-8"))]
    return {record["id"]: record for record in found}


# ---- what the file holds --------------------------------------------------------------------------------------------


def test_it_holds_every_prompt_and_loads_nothing(page_file: Path, demo_results: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    expected = [one.completion.prompt.id for one in read_results(demo_results) if isinstance(one, Analysis)]
    assert list(records_of(page_file)) == expected
    assert len(RECORD.sub("", text).encode()) < PAGE_LIMIT
    assert not re.findall(r"(?:src|href)\s*=|url\(|import\s|fetch\(|https?://", RECORD.sub("", text))


def test_scores_come_back_to_four_digits(demo_results: Path, page_file: Path) -> None:
    analysis = find_result(demo_results)
    assert isinstance(analysis, Analysis)
    matrix = records_of(page_file)["dish-mistake"]["methods"][0]["scores"]["line"]
    values = np.frombuffer(base64.b64decode(matrix["data"]), "<i2")
    place = 0
    for row, length, largest in zip(
        analysis.map_by().span_scores[Granularity.LINE], matrix["lengths"], matrix["largest"], strict=True
    ):
        decoded = values[place : place + length] / 32767 * largest
        assert np.abs(decoded - row[:length]).max() <= 2e-5 * row.max()
        assert not row[length:].any()
        place += length
    assert place == len(values)


def test_rows_of_zeros_and_no_rows_are_encoded() -> None:
    assert encode_rows(np.zeros((1, 3), np.float32), [2])["largest"] == [0.0]
    assert encode_rows(np.zeros((0, 3), np.float32), [])["data"] == ""


def test_no_prompt_is_a_tag(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><!-- & \" ' {{ 7*7 }} \x1b[31m\u202e"
    completion = build_completion(["<bos>", hostile], [hostile])
    prompt = Prompt(id=hostile, text=hostile, label=hostile)
    analysis = make_analysis(replace(completion, prompt=prompt))
    path = tmp_path / "page.html"
    assert write_report(path, [as_entry(analysis)], title=hostile, ramps=list_ramps()) == 1
    text = path.read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert text.count("<script") == text.count("</script>") == 3  # the record, the colours, and the page's own
    (record,) = records_of(path).values()
    assert record["id"] == printable(hostile)
    shown = "".join(token[0] for token in record["tokens"])
    assert shown.count(hostile[:30]) == 2
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_what_exists_is_kept(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("mine", encoding="utf-8")
    refused = promptlight("report", demo_results, "-o", path)
    assert (refused.exit_code, path.read_text(encoding="utf-8")) == (5, "mine")
    done = promptlight(
        "report", demo_results, "-o", path, "--overwrite", "--id", "dish-fixed", "--title", "Mine & yours"
    )
    assert (done.exit_code, list(records_of(path))) == (0, ["dish-fixed"])
    assert "<h1>Mine &amp; yours</h1>" in path.read_text(encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_folders_stand_side_by_side_under_their_names(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(demo_results, other)
    path = tmp_path / "page.html"
    done = promptlight("report", demo_results, other, "-o", path, "--id", "dish-fixed")
    assert done.exit_code == 0
    assert list(records_of(path)) == [f"dish-fixed ({demo_results})", f"dish-fixed ({other})"]


def test_ten_thousand_tokens_fit(tmp_path: Path) -> None:
    completion = build_completion(["<bos>", *["▁word"] * 10_000], ["▁so", "."])
    analysis = make_analysis(completion)
    record = to_record(as_entry(analysis))
    assert len(record.data) < 700_000


# ---- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install your system's package")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    """The page as it opens; an error in it, or a request to anywhere, fails the test."""
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith("file:") else None)
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(page_file.as_uri())
    yield page
    context.close()
    assert problems == []


def choices(page: Page, view: str = "view") -> list[str]:
    return page.locator(f"#{view} [role=option]").all_inner_texts()


def listed(page: Page) -> list[list[str]]:
    rows = page.locator("#view table tr").all()[1:]
    return [row.locator("td").all_inner_texts() for row in rows]


def test_choosing_a_line_shows_its_sources(page: Page, demo_results: Path) -> None:
    analysis = find_result(demo_results, id="dish-mistake")
    assert isinstance(analysis, Analysis)
    table = build_span_table(analysis, targets=Granularity.LINE, sources=Granularity.LINE)
    assert [text.strip() for text in choices(page)] == [span.text.strip() for span in table.targets]
    page.locator("#view [role=option]").nth(1).click()
    assert "You have to try it" in page.locator("#view mark").inner_text()
    visible = np.array(
        [span.role is not Role.SPECIAL and span.stop <= table.targets[1].start for span in table.sources]
    )
    shares = share(table.scores[1], visible)
    strongest = np.argsort(-shares)[:3]
    expected = [[f"{100 * shares[n]:.1f}%", table.sources[n].text.strip()] for n in strongest]
    assert [[row[0], row[2]] for row in listed(page)[:3]] == expected


def test_keys_move_the_target_and_the_address_leads_back(page: Page, page_file: Path) -> None:
    page.locator("#view [role=option]").first.focus()
    page.keyboard.press("ArrowRight")
    chosen = page.locator("#view [aria-selected=true]")
    assert chosen.count() == 1
    assert chosen.evaluate("node => node === document.activeElement")
    page.keyboard.press("Home")
    page.keyboard.press("End")
    page.select_option("#source-by", "word")
    address, rows = page.url, listed(page)
    page.goto("about:blank")
    page.goto(address)
    assert listed(page) == rows
    assert page.locator("#source-by").input_value() == "word"
    page.goto(f"{page_file.as_uri()}#id=dish-fixed&explain=word&shade=section&target=3")
    assert page.locator("#view h2").inner_text() == "dish-fixed"
    assert any("example 1: " in row[2] for row in listed(page))


def test_search_finds_prompts_and_opens_them(page: Page) -> None:
    page.fill("#search", "Quiche")
    assert page.locator("#found").inner_text().startswith("3 of ")
    page.locator("nav button").nth(1).click()
    assert page.locator("#view h2").inner_text() == "dish-fixed"
    assert page.locator("nav [aria-current]").count() == 1
    page.fill("#search", "no such text")
    assert page.locator("#found").inner_text().startswith("0 of ")


def test_two_prompts_are_compared(page: Page) -> None:
    page.locator("#view [role=option]").nth(1).click()
    page.select_option("#with", "1")
    page.locator("#other [role=option]").nth(1).click()
    moved = page.locator("#moved")
    assert moved.locator("ins").all_inner_texts() == ["Avoid"]
    assert "".join(moved.locator("del").all_inner_texts()) == "You have to try it"
    first = moved.locator("tr").nth(1).locator("td").all_inner_texts()
    assert first[3] == "Recommendation: You have to try it.\n→ Recommendation: Avoid."
    assert first[2].startswith("+")
    assert "with=dish-fixed" in page.url


@pytest.mark.parametrize("by", ["word", "line", "section"])
@pytest.mark.parametrize(("one", "two"), [("dish-mistake", "dish-fixed"), ("dish-fixed", "dish-constitution")])
def test_the_page_compares_as_the_terminal_does(
    page: Page, page_file: Path, demo_results: Path, one: str, two: str, by: str
) -> None:
    page.goto(f"{page_file.as_uri()}#id={one}&explain=line&shade={by}&target=2&with={two}&with-target=2")
    rows = [row.locator("td").all_inner_texts() for row in page.locator("#moved tr").all()[1:]]
    patterns = read_section_patterns(EXAMPLES / "sections.toml")
    question = Question(by=Granularity(by), target="2", target_by=Granularity.LINE)
    sides: list[Explanation] = []
    for id in (one, two):
        analysis = find_result(demo_results, id=id)
        assert isinstance(analysis, Analysis)
        sides.append(explain_target(name_sections(analysis, patterns), question))
    paired = sorted(compare_explanations(*sides), key=lambda pair: -abs(pair.moved))
    expected = [f"{100 * pair.moved:+.1f}" for pair in paired[: len(rows)]]
    moves = [float(row[2].rstrip("%")) for row in rows]
    assert moves == pytest.approx([float(move) for move in expected], abs=0.11)  # the page has four digits of a score
    first = paired[0]
    texts = [span.text.strip() for span in (first.before, first.after) if span]
    assert rows[0][3].split("\n")[0].startswith(texts[0].split("\n")[0][:40])


def test_a_browser_shows_ten_thousand_tokens(browser: Browser, tmp_path: Path) -> None:
    completion = build_completion(["<bos>", *["▁word", "▁by", "▁word", ".\n"] * 2500], ["▁so", "▁be", "▁it", "."])
    analysis = make_analysis(completion)
    path, page = tmp_path / "page.html", browser.new_page()
    write_report(path, [as_entry(analysis)] * 2, title="Long", ramps=list_ramps())
    page.goto(f"{path.as_uri()}#explain=word&shade=token")
    assert page.locator("#view .piece").count() == 10_004
    page.locator("#view [aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#view [aria-selected=true]").inner_text() == " be"
    assert len(listed(page)) == 10
    page.select_option("#with", "1")
    assert "Too many parts to compare" in page.locator("#moved").inner_text()
    page.select_option("#source-by", "line")
    assert page.locator("#moved table").count() == 1
    page.close()


def test_methods_can_be_switched_and_signed_ones_have_two_colours(browser: Browser, tmp_path: Path) -> None:
    completion = build_completion(["<bos>", *["▁word", "▁by", "▁word", ".\n"] * 6], ["▁so", "▁be", "▁it", "."])
    maps = {one: make_analysis(completion, method=one).map_by() for one in (Method.GRAD_L2, Method.GRAD_DOT_INPUT)}
    analysis = replace(make_analysis(completion), maps=maps, foil=Foil(request="x", tokens=("▁no", None, None, None)))
    path, page = tmp_path / "page.html", browser.new_page(color_scheme="light")
    write_report(path, [as_entry(analysis)], title="Two", ramps=list_ramps())
    page.goto(f"{path.as_uri()}#explain=word&shade=word&target=1")
    assert page.locator("#method option").all_inner_texts() == ["Grad L2 Norm", "Grad · Input"]
    assert "how strongly, not in which direction" in page.locator("#view").inner_text()
    assert "rather than" in page.locator("#view .asked").inner_text()

    def hues() -> set[bool]:  # whether red or green is the larger part, of all but pale pieces
        colours = [piece.evaluate("n => getComputedStyle(n).backgroundColor") for piece in page.locator(".piece").all()]
        parts = [[int(part) for part in re.findall(r"\d+", colour)[:3]] for colour in colours]
        return {red > green for red, green, blue in parts if red != green and min(red, green, blue) < 180}

    assert hues() == {True}  # violet
    page.select_option("#method", "grad_dot_input")
    assert hues() == {True, False}  # pink and teal
    assert "teal raised it, pink lowered it" in page.locator("#view").inner_text()
    assert "method=grad_dot_input" in page.url
    rows = listed(page)
    page.goto("about:blank")
    page.goto(f"{path.as_uri()}#explain=word&shade=word&target=1&method=grad_dot_input")
    assert listed(page) == rows
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_piece_of_text_has_contrast(browser: Browser, page_file: Path, scheme: Any) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{page_file.as_uri()}#id=dish-mistake&explain=line&shade=word&target=1")
    ratios = page.evaluate(CONTRASTS)
    assert len(ratios) > 100
    assert min(ratio for ratio, _ in ratios) >= 4.5, min(ratios)
    page.close()


CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = parse(colour).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (node) => { for (let at = node; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor; const parts = parse(colour);
    if (parts.length < 4 || parts[3] > 0) return colour; } return getComputedStyle(document.body).backgroundColor; };
  return [...document.querySelectorAll("h1, h2, p, label, td, th, summary, small, .piece, .special, .step, mark")]
    .filter((node) => node.textContent.trim() && node.offsetParent)
    .map((node) => { const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), node.className + ": " + node.textContent.slice(0, 30)]; });
}"""


@pytest.mark.parametrize("id", ["chinese", "arabic", "emoji", "escapes", "markup", "long-word"])
def test_hostile_prompts_are_text(page: Page, page_file: Path, demo_results: Path, id: str) -> None:
    analysis = find_result(demo_results, id=id)
    assert isinstance(analysis, Analysis)
    page.goto(f"{page_file.as_uri()}#id={id}&shade=token&explain=word")
    shown = page.locator("#view .text").text_content() or ""
    words = [word for word in analysis.completion.prompt.text.split() if word.isprintable()]
    assert words
    assert all(word in shown for word in words)
    assert page.locator("#view .text script, #view .text b, #view .text a").count() == 0
