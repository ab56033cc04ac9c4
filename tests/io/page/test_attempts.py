"""Prompts that were tried stand below the prompt that was changed, and say who tried what, and when."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlight.io.page.overview import AllPrompts
from promptlight.io.page.record import ReportEntry, to_record
from promptlight.io.page.write import write_report
from promptlight.salience import Analysis
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ISOLATES = str.maketrans("", "", "\u2068\u2069")


def make_try(id: str, parent: str | None, note: str = "", author: str = "") -> Analysis:
    completion = make_completion(["▁a"], ["▁so"])
    fields = {"parent": parent, "note": note, "author": author, "tried": "2026-11-27T18:30:05Z"}
    return make_analysis(replace(completion, prompt=replace(completion.prompt, id=id, label="tried", fields=fields)))


def make_plain(id: str) -> Analysis:
    completion = make_completion(["▁a"], ["▁so"])
    return make_analysis(replace(completion, prompt=replace(completion.prompt, id=id)))


def open_all(browser: Browser, path: Path, *analyses: Analysis) -> Page:
    write_report(path, [ReportEntry(analysis=one, name=one.completion.prompt.id) for one in analyses])
    page = browser.new_page(locale="en-GB", timezone_id="UTC")
    page.goto(path.as_uri())
    return page


def listed(page: Page) -> list[list[str]]:
    return [text.translate(ISOLATES).split("\n") for text in page.locator("#prompts li").all_inner_texts()]


def test_a_record_says_how_it_came_about() -> None:
    analysis = make_try("b", "a", "half\x1b", "Kim")
    head = json.loads(to_record(ReportEntry(analysis=analysis, name="b (results)", source=1)).head)
    assert head["attempt"] == {
        "parent": "a (results)",
        "of": "a",
        "note": "half␛",
        "author": "Kim",
        "made": "2026-11-27T18:30:05Z",
    }
    assert "attempt" not in json.loads(to_record(ReportEntry(analysis=make_plain("a"), name="a")).head)


def test_each_is_below_its_parent(browser: Browser, tmp_path: Path) -> None:
    page = open_all(
        browser,
        tmp_path / "page.html",
        make_plain("a"),
        make_plain("b"),
        make_try("a~1~1", "a~1", author="Kim"),
        make_try("a~1", "a", "without the mistake", "Ana"),
        make_try("new", None),
        make_try("orphan", "gone"),
        make_try("loop", "loop2"),
        make_try("loop2", "loop"),
    )
    rows = listed(page)
    assert [row[0] for row in rows] == ["a", "a~1", "a~1~1", "b", "new", "orphan", "loop", "loop2"]
    assert rows[1][2] == "“without the mistake”, Ana, 27 Nov 2026, 18:30"
    assert rows[2][2] == "Kim, 27 Nov 2026, 18:30"
    depths = page.evaluate("orderPrompts().map(([, depth]) => depth)")
    assert depths == [0, 1, 2, 0, 0, 0, 0, 1]
    page.keyboard.press("Tab")
    page.locator("#head .step").last.click()  # on to the try, as the list has it
    assert page.locator("#head h2").inner_text() == "a~1"
    said = page.locator("#head .attempt").inner_text().translate(ISOLATES)
    assert said.startswith("“without the mistake”, Ana, changed from a, 27 Nov 2026, 18:30")
    page.get_by_role("button", name="Compare with a", exact=True).click()
    assert page.locator("#written .id, #written2 .id").all_inner_texts() == ["a", "a~1"]
    page.locator("#prompts [data-number='3']").click()  # the one compared with: it stands alone
    assert page.locator("#written2").is_hidden()
    page.close()


def test_what_another_model_wrote_is_below_its_parent_too(browser: Browser, tmp_path: Path) -> None:
    sources = {"a (b) (results)": 0, "a (results)": 0, "a~1 (other)": 1, "a~1~1 (other)": 1}
    analyses = [make_plain("a (b)"), make_plain("a"), make_try("a~1", "a"), make_try("a~1~1", "a~1")]
    entries = [
        ReportEntry(analysis=analysis, name=name, source=source)
        for analysis, (name, source) in zip(analyses, sources.items(), strict=True)
    ]
    write_report(tmp_path / "page.html", entries, everything=AllPrompts(folders=["results", "other"]))
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert [row[0] for row in listed(page)] == ["a (b) (results)", "a (results)", "a~1 (other)", "a~1~1 (other)"]
    page.locator("#prompts [data-number='2']").click()
    page.get_by_role("button", name="Compare with a (results)").click()
    assert page.locator("#written .id, #written2 .id").all_inner_texts() == ["a (results)", "a~1 (other)"]
    page.close()


def test_notes_are_found_and_in_the_table(browser: Browser, tmp_path: Path) -> None:
    page = open_all(browser, tmp_path / "page.html", make_plain("a"), make_try("a~1", "a", "<b>mistake</b>"))
    page.fill("#search", "<B>MIS")
    assert [row[0] for row in listed(page)] == ["a~1"]
    page.get_by_role("button", name="All prompts").click()
    (row,) = page.locator("#rows tr:visible").all_inner_texts()
    assert "“<b>mistake</b>”, changed from a, 27 Nov 2026, 18:30" in row.translate(ISOLATES)
    page.close()


def test_the_parent_may_be_in_the_folder_around(browser: Browser, tmp_path: Path) -> None:
    """As where another model wrote the changed prompt."""
    path = tmp_path / "page.html"
    entries = [
        ReportEntry(analysis=make_plain("a"), name="a"),
        ReportEntry(analysis=make_plain("b"), name="b"),
        ReportEntry(analysis=make_try("a~1", "a"), name="a~1 (other)", source=1),
        ReportEntry(analysis=make_try("c", "gone"), name="c (other)", source=1),
    ]
    write_report(path, entries)
    page = browser.new_page(locale="en-GB", timezone_id="UTC")
    page.goto(path.as_uri())
    assert [row[0] for row in listed(page)] == ["a", "a~1 (other)", "b", "c (other)"]
    for name, said in (("a~1 (other)", "changed from a, 27"), ("c (other)", "changed from gone, 27")):
        page.locator("#prompts li").filter(has_text=name).click()
        assert page.locator("#head .attempt").inner_text().translate(ISOLATES).startswith(said)
        assert page.get_by_role("button", name="Compare with a", exact=True).count() == said.count("from a")
    page.close()
