"""The page in a real browser: it shows what ``explain_target`` and ``compare_explanations`` say."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from promptlight.io.page.colours import Colours
from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import Opening, write_report
from promptlight.salience import Analysis
from promptlight.salience.explain.comparison import (
    PairedSpan,
    align,
    compare_explanations,
    diff_words,
    find_partner_target,
    split_words,
)
from promptlight.salience.explain.explanation import Explanation, Question, explain_target, find_targets
from promptlight.salience.explain.span_scores import pool_sources
from promptlight.salience.types import Foil, Granularity, Method, Pooling, Segmentation, Span
from tests.support.browser import choices, marked, open_page, rows_of, shorten
from tests.support.handmade import make_analysis, make_completion
from tests.support.span_cases import build_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Find = Callable[[str], Analysis]
SHADES = ("token", "word", "sentence", "line", "paragraph", "section")


# ---- its numbers are Python's ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["dish-mistake", "dish-fixed", "emoji", "chinese"])
@pytest.mark.parametrize("target_by", ["token", "word", "line"])
def test_every_source_of_every_target_is_as_explained(page: Page, find_named: Find, id: str, target_by: str) -> None:
    analysis = find_named(id)
    targets = find_targets(analysis, Question(target_by=Granularity(target_by)))
    for number in range(0, len(targets), max(1, len(targets) // 4)):
        for by in SHADES:
            found = page.evaluate(
                """([id, targetBy, sourceBy, number]) => {
                  Object.assign(state, { method: "", targetBy, sourceBy });
                  const data = record(heads.findIndex((head) => head.id === id));
                  return sourcesOf(data, joinTargets(targetsOf(data), [number, number]));
                }""",
                [id, target_by, by, number],
            )
            question = Question(by=Granularity(by), target=str(number + 1), target_by=Granularity(target_by))
            check_sources(found, explain_target(analysis, question))


def check_sources(found: list[dict[str, Any]], expected: Explanation) -> None:
    assert len(found) == len(expected.spans)
    start = expected.targets[0].start
    earlier = expected.visible & (np.array([span.stop for span in expected.spans]) <= start)
    assert [one["visible"] for one in found] == earlier.tolist()
    sizes = {"score": np.abs(expected.scores).max(initial=0), "share": 1, "level": 1}
    for name, size in sizes.items():
        numbers = np.where(expected.visible, getattr(expected, f"{name}s"), 0)
        assert np.allclose([one[name] for one in found], numbers, rtol=0, atol=5e-4 * size), name
    if expected.by is Granularity.SECTION:
        assert [one.get("name") for one in found] == [span.section for span in expected.spans]


@pytest.mark.parametrize("by", SHADES)
def test_the_strongest_are_listed(page: Page, page_file: Path, find_named: Find, by: str) -> None:
    page.goto(f"{page_file.as_uri()}#id=dish-fixed&explain=word&shade={by}&target=2")
    question = Question(by=Granularity(by), target="2", target_by=Granularity.WORD)
    explained = explain_target(find_named("dish-fixed"), question)
    named = [(f"{span.section}: " if by == "section" and span.section else "") for span in explained.spans]
    expected = [
        [f"{100 * explained.shares[span.number]:.1f}%", named[span.number] + shorten(span.text, 160)]
        for span in explained.strongest(10)
    ]
    listed = [[row[0], row[2].replace("\n", "")] for row in rows_of(page, "#found table")]
    assert len(listed) == len(expected)
    assert sum(one == other for one, other in zip(listed, expected, strict=True)) >= len(listed) - 2  # near ties
    assert rows_of(page, "#found table")[0][1] == str(explained.strongest(1)[0].line)
    words = page.locator("#found .facts").first.inner_text().split()
    probability = explained.probability_per_token
    if 0.9995 <= probability < 1:
        assert words[3:5] == ["over", "99.9%."]
    else:
        assert float(words[3].rstrip("%.")) == pytest.approx(100 * probability, rel=6e-3)


def test_sums_partners_and_alignments_are_pythons(page: Page) -> None:
    """The computations that are left to the browser, on random texts."""
    draw = random.Random(7)
    words = ["a", "b", "a b", "a c", "c d e", "", "x", "a b c", "e"]
    sides = [[draw.choices(words, k=draw.randrange(9)) for _ in range(2)] for _ in range(600)]
    sides += [[draw.choices("abc", k=draw.randrange(30)) for _ in range(2)] for _ in range(100)]
    sides += [[[f"a{n}" for n in range(300)], [f"b{n}" for n in range(200)]]]
    found = page.evaluate("(sides) => sides.map(([left, right]) => align(left, right))", sides)
    assert [[tuple(pair) for pair in pairs] for pairs in found] == [align(*both) for both in sides]

    texts = [" ".join(both[0]) + "." for both in sides[:300]]
    pairs = list(pairwise(texts))
    diff = """(pairs) => pairs.map(([one, two]) => drawDiff(one, two).innerHTML)"""
    drawn = page.evaluate(diff, [[split_words(text) for text in pair] for pair in pairs])
    tags = {"same": "{}", "gone": "<del>{}</del>", "new": "<ins>{}</ins>"}
    assert drawn == ["".join(tags[change].format(text) for change, text in diff_words(*pair)) for pair in pairs]

    for left, right in (both for both in sides[:200] if all(both)):
        spans = [[as_span(number, text) for number, text in enumerate(side)] for side in (left, right)]
        for first in range(len(left)):
            for last in range(first, min(first + 3, len(left))):
                partner = page.evaluate("(all) => findPartner(...all)", [[first, last], left, right])
                found = find_partner_target(range(first, last + 1), *spans)
                assert partner == [found.start, found.stop - 1]


@pytest.mark.parametrize("pooling", Pooling)
def test_tokens_are_pooled_as_python_does(page: Page, pooling: Pooling) -> None:
    pooled = "([row, bounds, stop, pool]) => [...poolEarlier(row, bounds, stop, pool)]"
    draw = np.random.default_rng(3)
    for size in (1, 2, 7, 40):
        inner = np.flatnonzero(draw.random(size - 1) < 0.4) + 1
        bounds = [0, *inner.tolist(), size]
        row = draw.integers(-3, 4, size).astype(np.float32)  # with ties of both signs
        stop = int(draw.choice(bounds))
        segmentation = Segmentation(granularity=Granularity.WORD, bounds=tuple(bounds))
        expected = pool_sources(row[None], segmentation, pooling)[0] * (np.array(bounds[1:]) <= stop)
        found = page.evaluate(pooled, [row.tolist(), bounds, stop, str(pooling)])
        assert np.allclose(found, expected, rtol=1e-6)


def as_span(number: int, text: str) -> Span:
    role = make_completion([], ["▁a"]).tokens[0].role
    return Span(number=number, start=number, stop=number + 1, text=text, role=role, line=1, section=None)


# ---- one prompt -----------------------------------------------------------------------------------------------------


def test_choosing_a_line_shows_its_sources(page: Page, find_named: Find) -> None:
    question = Question(by=Granularity.LINE, target="2")
    explained = explain_target(find_named("dish-mistake"), question)
    targets = find_targets(explained.analysis, Question(by=Granularity.LINE))
    assert [text.strip() for text in choices(page)] == [span.text.strip() for span in targets]
    page.locator("#written [role=option]").nth(1).click()
    assert marked(page, "found") == [explained.target_text.strip()]
    expected = [[f"{100 * explained.shares[one.number]:.1f}%", one.text.strip()] for one in explained.strongest(3)]
    assert [[row[0], row[2]] for row in rows_of(page, "#found table")[:3]] == expected


def test_keys_move_the_target_and_the_address_leads_back(page: Page, page_file: Path) -> None:
    page.locator("#written [role=option]").first.click()
    page.keyboard.press("ArrowRight")
    chosen = page.locator("#written [aria-selected=true]")
    assert chosen.count() == 1
    assert chosen.evaluate("node => node === document.activeElement")
    page.keyboard.press("Home")
    assert "target=1" in page.url
    page.keyboard.press("End")
    assert f"target={len(choices(page))}" in page.url
    page.keyboard.press("ArrowRight")  # there is none
    page.select_option("#source-by", "word")
    address, rows = page.url, rows_of(page, "#found table")
    page.goto("about:blank")
    page.goto(address)
    assert rows_of(page, "#found table") == rows
    assert page.locator("#source-by").input_value() == "word"
    page.goto(f"{page_file.as_uri()}#id=dish-fixed&explain=word&shade=section&target=3")
    assert page.locator("#head h2").inner_text() == "dish-fixed"
    assert any("example 1: " in row[2] for row in rows_of(page, "#found table"))


def test_search_finds_prompts_and_opens_them(page: Page) -> None:
    page.fill("#search", "Quiche")
    assert page.locator("#shown").inner_text().startswith("3 of ")
    page.locator("#prompts li").nth(1).click()
    assert page.locator("#head h2").inner_text() == "dish-fixed"
    assert page.locator("#prompts [aria-selected=true]").count() == 1
    page.fill("#search", "no such text")
    assert page.locator("#shown").inner_text().startswith("0 of ")


def test_a_browser_shows_ten_thousand_tokens(browser: Browser, tmp_path: Path) -> None:
    completion = build_completion(["<bos>", *["▁word", "▁by", "▁word", ".\n"] * 2500], ["▁so", "▁be", "▁it", "."])
    entry = ReportEntry(analysis=make_analysis(completion), name="1")
    page = open_page(browser, tmp_path / "page.html", entry, entry)
    page.goto(f"{page.url.partition('#')[0]}#explain=word&shade=token&target=1")
    page.evaluate("change({ unfolded: true })")
    assert page.locator("#text .piece").count() == 10_004
    page.locator("#written [aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#written [aria-selected=true]").inner_text() == " be"
    assert len(rows_of(page, "#found table")) == 10
    page.select_option("#with", "1")
    assert "Too many parts to compare" in page.locator("#moved").inner_text()
    page.select_option("#source-by", "line")
    assert page.locator("#moved table").count() == 1
    page.close()


def test_methods_can_be_switched_and_signed_ones_have_two_colours(browser: Browser, tmp_path: Path) -> None:
    completion = build_completion(["<bos>", *["▁word", "▁by", "▁word", ".\n"] * 6], ["▁so", "▁be", "▁it", "."])
    maps = {one: make_analysis(completion, method=one).map_by() for one in (Method.GRAD_L2, Method.GRAD_DOT_INPUT)}
    analysis = replace(make_analysis(completion), maps=maps, foil=Foil(request="x", tokens=("▁no", None, None, None)))
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"), color_scheme="light")
    page.goto(f"{page.url.partition('#')[0]}#explain=word&shade=word&target=1")
    assert page.locator("#method option").all_inner_texts() == ["Grad L2 Norm", "Grad · Input"]
    assert "how strongly, not in which direction" in page.locator("#found").inner_text()
    assert not page.locator("#colours").is_visible()  # there is only one hue
    assert "rather than “▁no”?" in page.locator("#found .asked").inner_text()
    page.locator(".controls summary").click()

    def hues() -> set[bool]:  # whether red or green is the larger part, of all but pale pieces
        colours = [piece.evaluate("n => getComputedStyle(n).backgroundColor") for piece in page.locator(".piece").all()]
        parts = [[int(part) for part in re.findall(r"\d+", colour)[:3]] for colour in colours]
        return {red > green for red, green, blue in parts if red != green and min(red, green, blue) < 180}

    assert hues() == {True}  # violet
    page.select_option("#method", "grad_dot_input")
    assert hues() == {True, False}  # orange and blue
    assert "blue raised it, orange lowered it" in page.locator("#found").inner_text()
    assert "method=grad_dot_input" in page.url
    page.select_option("#colours", "lit")
    assert hues() == {True, False}  # pink and teal
    assert "teal raised it, pink lowered it" in page.locator("#found").inner_text()
    assert "colours=lit" in page.url
    address, rows = page.url, rows_of(page, "#found table")
    page.goto("about:blank")
    page.goto(address)
    assert rows_of(page, "#found table") == rows
    page.close()


def test_a_page_opens_with_the_colours_asked_for(browser: Browser, tmp_path: Path) -> None:
    analysis = make_analysis(build_completion(["<bos>", "▁a", "▁b"], ["▁so"]), method=Method.GRAD_DOT_INPUT)
    path, entry = tmp_path / "page.html", ReportEntry(analysis=analysis, name="1")
    write_report(path, [entry], title="Why?", opening=Opening(colours=Colours.LIT))
    page = browser.new_page()
    for address, raised in (("", "teal"), ("#colours=safe", "blue"), ("#colours=toString", "teal")):
        page.goto("about:blank")
        page.goto(path.as_uri() + address)
        assert f"{raised} raised it" in page.locator("#found").inner_text()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("target", "way"), [(1, "direct"), (2, "all")])
def test_every_piece_of_text_has_contrast(
    browser: Browser, page_file: Path, scheme: Any, target: int, way: str
) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{page_file.as_uri()}#id=dish-mistake&explain=line&shade=word&target={target}&with=dish-fixed&way={way}")
    page.locator("#found .contract summary").click()
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
  return [...document.querySelectorAll("h1, h2, h3, p, label, legend, td, th, dt, dd, summary, small, mark," +
      ".piece, .special, .step, .box b, .box span, .ways button")]
    .filter((node) => node.textContent.trim() && node.offsetParent)
    .map((node) => { const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), node.className + ": " + node.textContent.slice(0, 30)]; });
}"""


@pytest.mark.parametrize("id", ["chinese", "arabic", "emoji", "escapes", "markup", "long-word"])
def test_hostile_prompts_are_text(page: Page, page_file: Path, find_named: Find, id: str) -> None:
    page.goto(f"{page_file.as_uri()}#id={id}&shade=token&explain=word")
    shown = page.locator("#text .text").text_content() or ""
    words = [word for word in find_named(id).completion.prompt.text.split() if word.isprintable()]
    assert words
    assert all(word in shown for word in words)
    assert page.locator("#text .text script, #text .text b, #text .text a").count() == 0


# ---- two prompts ----------------------------------------------------------------------------------------------------


def test_two_prompts_are_compared(page: Page) -> None:
    page.locator("#written [role=option]").nth(1).click()
    page.select_option("#with", "1")
    moved = page.locator("#moved")
    assert moved.locator("ins").all_inner_texts() == ["Avoid"]
    assert "".join(moved.locator("del").all_inner_texts()) == "You have to try it"
    first = rows_of(page, "#moved table")[0]
    assert first[4] == "Recommendation: You have to try it.\n→ Recommendation: Avoid."
    assert first[2].startswith("+")
    assert "with=dish-fixed" in page.url


def test_the_second_target_follows_the_first(browser: Browser, tmp_path: Path) -> None:
    sides = [["▁so", "▁try", "▁it", "▁now"], ["▁so", "▁do", "▁try"]]
    entries = [
        ReportEntry(analysis=make_analysis(make_completion(["▁a", "▁b"], written)), name=str(number))
        for number, written in enumerate(sides)
    ]
    page = open_page(browser, tmp_path / "page.html", *entries)
    page.select_option("#target-by", "word")
    page.select_option("#with", "1")
    seen: list[tuple[str, list[str], bool]] = []
    for number in range(4):
        page.locator("#written [role=option]").nth(number).click()
        warned = page.locator("#moved .differ").count() == 1
        seen.append((marked(page, "found2")[0], marked(page, "moved"), warned))
    assert seen == [
        ("so", ["so", "so"], False),
        ("try", ["try", "try"], False),  # the same text, though it is the third there
        ("try", ["it", "try"], True),  # else the same number
        ("try", ["now", "try"], True),  # else the last
    ]
    page.locator("#written2 [role=option]").nth(1).click()
    assert marked(page, "moved") == ["now", "do"]
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert marked(page, "moved") == ["now", "do"]
    page.locator("#written [role=option]").nth(0).click()
    assert marked(page, "moved") == ["so", "so"]
    page.close()


def test_a_prompt_without_such_targets_says_so(browser: Browser, tmp_path: Path) -> None:
    completion = make_completion(["▁a"], ["▁so", "▁it"])
    rich, poor = (make_analysis(completion), make_analysis(completion, exact=[Granularity.LINE], with_tokens=False))
    entries = [ReportEntry(analysis=one, name=name) for name, one in (("rich", rich), ("poor", poor))]
    page = open_page(browser, tmp_path / "page.html", *entries)
    page.select_option("#target-by", "word")
    page.select_option("#with", "1")
    assert "There are no scores by words here." in page.locator("#found2").inner_text()
    assert page.locator("#moved table").count() == 0
    page.close()


@pytest.mark.parametrize("by", SHADES)
@pytest.mark.parametrize(
    ("one", "two", "targets"),
    [
        ("dish-mistake", "dish-fixed", "22"),
        ("dish-mistake", "dish-fixed", "21"),
        ("dish-fixed", "dish-constitution", "12"),
        ("dish-fixed", "chinese", "11"),  # which has no sections
    ],
)
def test_the_page_compares_as_the_terminal_does(
    page: Page, page_file: Path, find_named: Find, one: str, two: str, targets: str, by: str
) -> None:
    page.goto(
        f"{page_file.as_uri()}#id={one}&explain=line&shade={by}&target={targets[0]}&with={two}&with-target={targets[1]}"
    )
    sides = [
        explain_target(find_named(id), Question(by=Granularity(by), target=target, target_by=Granularity.LINE))
        for id, target in zip((one, two), targets, strict=True)
    ]
    assert page.locator("#source-by").input_value() == by
    assert marked(page, "moved") == [shorten(side.target_text, 80) for side in sides]
    paired = sorted(compare_explanations(*sides), key=lambda pair: -abs(pair.moved))
    rows = rows_of(page, "#moved table")
    assert len(rows) == min(10, len(paired))
    left = [read_pair(pair) for pair in paired]
    for row, pair in zip(rows, paired, strict=False):
        assert float(row[2].rstrip("%")) == pytest.approx(100 * pair.moved, abs=0.051)
        same = next(found for found in left if found[2] == row[4] and shares_agree(found[:2], row[:2]))
        left.remove(same)


def read_pair(pair: PairedSpan) -> tuple[Any, Any, str]:
    """A pair's shares as the page shows them, and its text."""
    shares = [
        "not there" if span is None else "explained" if share is None else share
        for span, share in ((pair.before, pair.share_before), (pair.after, pair.share_after))
    ]
    texts = [shorten(span.text, 160) for span in (pair.before, pair.after) if span]
    return shares[0], shares[1], "\n→ ".join(dict.fromkeys(texts))


def shares_agree(expected: tuple[Any, ...], found: list[str]) -> bool:
    return all(
        one == other if isinstance(one, str) else other.endswith("%") and abs(100 * one - float(other[:-1])) < 0.06
        for one, other in zip(expected, found, strict=True)
    )
