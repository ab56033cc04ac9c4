"""Prompts that were measured in different ways, on one page: it never shows the one's numbers for the other's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import write_report
from promptlight.io.results.facts import RunFacts
from promptlight.salience import Analysis
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Granularity, Method, Objective, SalienceMap
from tests.support.browser import marked, open_page, rows_of
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser

L2, DOT, LINE = Method.GRAD_L2, Method.GRAD_DOT_INPUT, Granularity.LINE
COMPLETION = make_completion(["▁a", "\n", "▁b", "\n", "▁c", "\n"], ["▁so", "▁do", "\n", "▁it", "▁is"])


def make(*methods: Method, objective: Objective = Objective.LOGPROB) -> Analysis:
    maps = {one: replace(make_analysis(COMPLETION, method=one).map_by(), objective=objective) for one in methods}
    return replace(make_analysis(COMPLETION), maps=maps)


def test_another_method_is_named_where_a_prompt_lacks_the_chosen_one(browser: Browser, tmp_path: Path) -> None:
    entries = [ReportEntry(analysis=one, name=name) for name, one in (("both", make(L2, DOT)), ("one", make(L2)))]
    page = open_page(browser, tmp_path / "page.html", *entries)
    page.select_option("#method", DOT)
    assert page.locator("#found [role=note]").count() == 0
    page.get_by_role("button", name="The next prompt").click()
    said = "This prompt has no scores by Grad · Input: these are by Grad L2 Norm."
    assert page.locator("#found [role=note]").all_inner_texts() == [said]
    assert page.locator("#method").input_value() == L2
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert page.locator("#found [role=note]").all_inner_texts() == [said]
    page.get_by_role("button", name="The prompt before").click()
    assert page.locator("#method").input_value() == DOT  # the reader's choice is kept
    page.select_option("#with", "1")
    assert page.locator("#found [role=note]").count() == 0
    assert page.locator("#found2 [role=note]").all_inner_texts() == [said]
    how = page.locator("#moved [role=note]").all_inner_texts()
    assert how == [
        "These shares were measured in different ways, and that alone can move them."
        " both: Measured by Grad · Input of its log-probability. one: Measured by Grad L2 Norm of its log-probability."
    ]
    assert page.locator("#beside .legend").count() == 2  # two hues on the one side, one on the other
    page.select_option("#method", L2)
    assert page.locator("[role=note]").count() == 0
    assert page.locator("#beside .legend").count() == 1
    page.close()


def test_other_objectives_are_named_where_two_prompts_are_compared(browser: Browser, tmp_path: Path) -> None:
    made = make(L2), make(L2, objective=Objective.ENTROPY)
    entries = [ReportEntry(analysis=one, name=name) for name, one in zip(("one", "two"), made, strict=True)]
    page = open_page(browser, tmp_path / "page.html", *entries)
    page.select_option("#with", "1")
    [said] = page.locator("#moved [role=note]").all_inner_texts()
    assert "two: Measured by Grad L2 Norm of its entropy" in said
    page.close()


def test_a_method_that_scored_other_targets_keeps_the_part_that_is_explained(browser: Browser, tmp_path: Path) -> None:
    lines = make_analysis(COMPLETION, method=DOT, exact=[LINE], with_tokens=False).map_by()
    assert isinstance(lines, SalienceMap)
    analysis = replace(make(L2), maps={**make(L2).maps, DOT: lines})
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    page.select_option("#target-by", "word")
    page.locator("#written [role=option]").nth(1).click()
    assert marked(page, "found") == ["do"]
    page.select_option("#method", DOT)
    assert marked(page, "found") == ["so do"]  # the line of that word, and not the second line
    expected = explain_target(analysis, Question(by=LINE, target="1", target_by=LINE, method=DOT))
    strongest = max(expected.shares.tolist(), key=abs)
    assert rows_of(page, "#found table")[0][0] == f"{100 * strongest:.1f}%"
    page.close()


def test_the_footer_says_of_both_folders_how_they_were_made(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    sources = [RunFacts(model=name, preset=name) for name in ("demo", "gemma3_270m")]
    write_report(
        path,
        (ReportEntry(analysis=make(L2), name=name, source=number) for number, name in enumerate(["one", "two"])),
        sources=sources,
    )
    page = browser.new_page()
    page.goto(path.as_uri())
    assert "gemma3_270m" not in page.locator("#footer").inner_text()
    page.select_option("#with", "1")
    assert page.locator("#facts .of").all_inner_texts() == ["one", "two"]
    assert all(name in page.locator("#footer").inner_text() for name in ("demo", "gemma3_270m"))
    page.close()
