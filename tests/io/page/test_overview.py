"""The table of all prompts, and the summary above it, say what ``list`` and ``summarize`` say."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptlight.cli.work.report_entries import ReportEntries
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.page.overview import AllPrompts, Checks, Tried, Verdict
from promptlight.io.page.record import ReportEntry
from promptlight.io.page.summary import Summaries
from promptlight.io.page.words import Language, spell
from promptlight.io.page.write import Opening, write_report
from promptlight.io.results.overview import Outline, outline_results
from promptlight.salience.explain.explanation import Question
from promptlight.salience.explain.summary import GroupQuestion, summarize_shares
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Granularity, Method, Prompt, SetAside, SetAsideCode, Way
from tests.support.browser import shorten
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ENGLISH, CHINESE = Language.ENGLISH, Language.CHINESE
ANY = Question()
LISTED = "#rows tr:not([hidden])"


@pytest.fixture(scope="session")
def everything_file(demo_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``report --overview`` writes of everything stored."""
    path = tmp_path_factory.mktemp("overview") / "report.html"
    entries = ReportEntries([ChosenResults(demo_results, ids=None, where=None, sections=None)], Question(), None)
    write_report(path, entries, opening=Opening(overview=True), everything=entries.everything)
    return path


@pytest.fixture
def open_overview(browser: Browser) -> Iterator[Any]:
    """Opens a page in a language; an error in it fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    problems: list[str] = []

    def open(path: Path, language: Language = ENGLISH) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{path.as_uri()}#view=overview&lang={language}")
        return page

    yield open
    context.close()
    assert problems == []


def ids_in(page: Page) -> list[str]:
    return page.locator(f"{LISTED} td[data-column=id] .go").all_inner_texts()


def column_of(page: Page, name: str) -> list[str]:
    return page.locator(f"{LISTED} td[data-column={name}]").all_inner_texts()


# ---- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", Language)
def test_a_row_says_what_list_says(
    open_overview: Any, everything_file: Path, demo_results: Path, language: Language
) -> None:
    page = open_overview(everything_file, language)
    listed = [one for one in outline_results(demo_results, Method.GRAD_L2, []) if one.reason is None]
    assert ids_in(page) == [printable(one.id) for one in listed]
    written = page.locator(f"{LISTED} .wrote").all_inner_texts()
    last = [printable(one.completion.strip().split("\n")[-1].strip()) for one in listed]
    assert written == [line or spell(language, "prompt.empty-short") for line in last]
    found = column_of(page, "strongest")
    assert found == [spell_strongest(one, language) for one in listed]
    ended = {"token limit": spell(language, "overview.ended.token-limit")}
    cut_off = page.locator(f"{LISTED} td[data-column=written]").all_inner_texts()
    assert [ended["token limit"] in text for text in cut_off] == [one.stop_reason in ended for one in listed]
    shown = [float(text.strip(">%")) / 100 for text in column_of(page, "probability")]
    assert shown == pytest.approx([one.probability for one in listed if one.probability is not None], abs=6e-4)
    assert page.evaluate("records.filter(Boolean).length") == 1  # that of the prompt that is open


def spell_strongest(one: Outline, language: Language) -> str:
    if one.strongest is None:
        return spell(language, "overview.nothing")
    where = spell(language, "overview.line", line=one.strongest.line) + spell(language, "overview.reads")
    quoted = spell(language, "quote", text=shorten(one.strongest.text, 100))
    return f"{one.strongest.share:.1%} {where}{quoted}"


def test_headings_sort_by_their_column(open_overview: Any, everything_file: Path) -> None:
    page = open_overview(everything_file)
    as_stored, heading = ids_in(page), page.locator("th[data-column=strongest]")
    shares = dict(zip(as_stored, (text.partition("%")[0] for text in column_of(page, "strongest")), strict=True))

    def sort() -> list[float]:
        page.get_by_role("button", name="what mattered most").click()
        return [float(shares[id]) for id in ids_in(page) if shares[id] != "nothing to explain"]

    assert heading.get_attribute("aria-sort") == "none"
    down = sort()
    assert (down, heading.get_attribute("aria-sort")) == (sorted(down, reverse=True), "descending")
    address, order = page.url, ids_in(page)
    assert [shares[id] for id in order][len(down) :] == ["nothing to explain"] * (len(order) - len(down))
    up = sort()
    assert (up, heading.get_attribute("aria-sort")) == (sorted(down), "ascending")
    sort()
    assert (ids_in(page), heading.get_attribute("aria-sort")) == (as_stored, "none")
    page.goto("about:blank")
    page.goto(address)
    assert ids_in(page) == order


def test_search_and_label_choose_rows(open_overview: Any, everything_file: Path) -> None:
    page = open_overview(everything_file, CHINESE)
    every = ids_in(page)
    page.fill("#search", "Quiche")
    assert ids_in(page) == [id for id in every if id.startswith("dish-")]
    page.fill("#search", "no such text")
    assert ids_in(page) == []
    assert page.locator("#none").inner_text() == "沒有符合的提示。"
    page.fill("#search", "")
    page.select_option("#labels", "fewshot-fixed")
    assert ids_in(page) == ["dish-fixed"]
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert (ids_in(page), page.locator("#labels").input_value()) == (["dish-fixed"], "fewshot-fixed")


def test_a_row_opens_its_prompt(open_overview: Any, everything_file: Path) -> None:
    page = open_overview(everything_file)
    page.get_by_role("button", name="dish-fixed").press("Enter")
    assert page.locator("#head h2").inner_text() == "dish-fixed"
    page.get_by_role("button", name="All prompts").click()
    page.locator(f"{LISTED} td[data-column=probability]").first.click()
    assert page.locator("#head h2").inner_text() == "dish-mistake"


@pytest.mark.parametrize(
    ("language", "more", "less"), [(ENGLISH, "all 2 lines", "last line only"), (CHINESE, "看全部 2 行", "只看最後一行")]
)
def test_the_whole_completion_is_a_click_away(
    open_overview: Any, everything_file: Path, language: Language, more: str, less: str
) -> None:
    page = open_overview(everything_file, language)
    row = page.locator(LISTED).first
    row.get_by_role("button", name=more).click()
    assert row.locator(".wrote").inner_text().endswith("\nRecommendation: You have to try it.")
    row.get_by_role("button", name=less).click()
    assert row.locator(".wrote").inner_text() == "Recommendation: You have to try it."


def test_what_was_skipped_stands_below(open_overview: Any, everything_file: Path, demo_results: Path) -> None:
    page = open_overview(everything_file)
    rows = [row.locator("td").all_inner_texts() for row in page.locator(".skipped tbody tr").all()]
    skipped = [one for one in outline_results(demo_results, Method.GRAD_L2, []) if one.reason is not None]
    assert rows == [[one.id, f"broken.jsonl, line {one.line}", one.reason] for one in skipped]
    assert page.locator(".skipped h3").inner_text() == f"Not on this page: {len(rows)} records that were skipped"
    assert page.locator("#shown").inner_text().endswith(f"prompts, {len(rows)} skipped")


# ---- what was measured and tried, of prompts by hand -----------------------------------------------------------------

VERDICT = Verdict(n_beaten=19, n_random=20, chance="clearly", is_beaten_by_rule=False)
LINES = ((["<bos>", "▁a", "\n", "▁b", "\n"], ["▁so", "\n", "▁yes"]), (["<bos>", "▁c", "\n", "▁b", "\n"], ["▁no"]))


def entries_by_hand(*checks: Checks, question: Question = ANY, label: str | None = None) -> list[ReportEntry]:
    found = []
    for number, check in enumerate(checks):
        prompt = Prompt(id=str(number), text="".join(LINES[number % 2][0][1:]).replace("▁", " "), label=label)
        analysis = make_analysis(make_completion(*LINES[number % 2], prompt=prompt), seed=number)
        found.append(
            ReportEntry(analysis=analysis, name=str(number), question=question, check=lambda _, one=check: one)
        )
    return found


@pytest.mark.parametrize(
    ("language", "verdicts", "tried"),
    [
        (
            ENGLISH,
            ["✓ better than chance\n19/20", "✗ no better than chance\n9/20*", "– too few parts to tell\n4/4", ""],
            ["lines 9, 26\nof 22 lines tried", "none of 6 lines tried", "“egg”\nof 5 words tried", ""],
        ),
        (
            CHINESE,
            ["✓ 優於隨機\n19/20", "✗ 與隨機無異\n9/20*", "– 部分太少，無從判斷\n4/4", ""],
            ["第 9、26 行\n以行為單位試了 22 處", "以行為單位試了 6 處，都不會", "「egg」\n以詞為單位試了 5 處", ""],
        ),
    ],
)
def test_what_was_checked_is_said(
    open_overview: Any, tmp_path: Path, language: Language, verdicts: list[str], tried: list[str]
) -> None:
    checks = [
        Checks(verdict=VERDICT, tried=Tried(by="line", n_parts=22, changing=[(26, "more"), (9, "nine\n")])),
        Checks(
            verdict=replace(VERDICT, n_beaten=9, chance="not", is_beaten_by_rule=True, target_text=""),
            tried=Tried(by="line", n_parts=6, changing=[]),
        ),
        Checks(
            verdict=replace(VERDICT, n_beaten=4, n_random=4, chance="few", target_text="yes"),
            tried=Tried(by="word", n_parts=5, changing=[(3, " egg")]),
        ),
        Checks(),
    ]
    write_report(tmp_path / "page.html", entries_by_hand(*checks))
    page = open_overview(tmp_path / "page.html", language)
    assert column_of(page, "verdict") == verdicts
    assert column_of(page, "tried") == tried
    titles = [span.get_attribute("title") or "" for span in page.locator(".verdict").all()]
    of = [None, spell(language, "summary.target.whole"), spell(language, "quote", text="yes")]
    for title, target in zip(titles, of, strict=True):
        said = spell(language, "overview.measured", target=target)
        assert (said in title) is (target is not None)
    assert [spell(language, "overview.rule") in title for title in titles] == [False, True, False]
    assert spell(language, "overview.notes.rule") in page.locator(".notes").inner_text()
    page.locator("th[data-column=verdict] button").click()
    assert ids_in(page) == ["2", "0", "1", "3"]  # 4 of 4, 19 of 20, 9 of 20, nothing


def test_columns_without_a_value_are_left_out(open_overview: Any, tmp_path: Path) -> None:
    write_report(tmp_path / "page.html", entries_by_hand(Checks(), Checks()))
    page = open_overview(tmp_path / "page.html")
    assert page.locator("th[data-column]").all_inner_texts() == [
        "prompt",
        "what the model wrote",
        "what mattered most for its last line",
        "probability",
    ]
    assert page.locator("#across").is_hidden()
    assert page.locator(".skipped").count() == 0


@pytest.mark.parametrize(
    ("language", "of", "missing"),
    [(ENGLISH, "for “yes”", "it has no such part"), (CHINESE, "針對「yes」", "沒有要解釋的部分")],
)
def test_a_target_that_was_asked_for_is_named(
    open_overview: Any, tmp_path: Path, language: Language, of: str, missing: str
) -> None:
    entries = entries_by_hand(Checks(), Checks(), question=Question(target="yes"))
    write_report(tmp_path / "page.html", entries)
    page = open_overview(tmp_path / "page.html", language)
    first, second = column_of(page, "strongest")
    assert (first.endswith(f"\n{of}"), second) == (True, missing)
    assert page.locator("th[data-column=strongest]").inner_text() == spell(language, "overview.strongest")


# ---- the summary -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", Language)
def test_the_summary_is_that_of_summarize(
    open_overview: Any, everything_file: Path, demo_results: Path, language: Language
) -> None:
    found = summarize_shares(ChosenResults(demo_results, ids=None, where=None, sections=None), GroupQuestion())
    shared = [group for group in found.groups if group.n_prompts > 1][:15]
    page = open_overview(everything_file, language)
    page.get_by_role("button", name=spell(language, "summary.all", count=len(shared))).click()
    assert [row.locator("td").all_inner_texts() for row in page.locator(".summary tbody tr").all()] == [
        [
            f"{group.mean_share:.1%}",
            spell(language, "summary.of", low=f"{100 * (group.share_low or 0):.1f}", high=f"{group.share_high:.1%}"),
            str(group.n_prompts),
            str(group.n_top),
            f"{shorten(group.name, 160)}\n"
            + spell(
                language, "summary.words", words=spell(language, "join").join(map(printable, group.top_words))
            ).rstrip(),
        ]
        for group in shared
    ]
    asked = page.locator(".summary p").first.inner_text()
    assert str(found.n_prompts) in asked
    assert spell(language, "summary.target.whole") in asked


def test_a_source_of_the_summary_chooses_its_prompts(open_overview: Any, everything_file: Path) -> None:
    page = open_overview(everything_file)
    page.get_by_role("button", name="Taste-dislikes: Can't eat eggs").click()
    assert ids_in(page) == ["dish-mistake", "dish-fixed", "dish-constitution"]
    assert page.locator("#having").inner_text().startswith("Only prompts with “Taste-dislikes: Can't eat eggs”.")
    assert page.evaluate("document.activeElement.textContent") == "Taste-dislikes: Can't eat eggs"
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert ids_in(page) == ["dish-mistake", "dish-fixed", "dish-constitution"]
    page.locator("#having button").click()
    assert len(ids_in(page)) > 3
    assert page.locator("#having").inner_text() == ""


def test_a_bar_is_as_long_as_its_share(open_overview: Any, everything_file: Path) -> None:
    page = open_overview(everything_file)
    drawn = (
        "(numbers) => [...drawBar(...numbers).children].map((one) => `${one.className} ${one.getAttribute('style')}`)"
    )
    assert page.evaluate(drawn, [0.2, 0.1, 0.3, 0.4]) == ["part width: 50.0%", "range left: 25.0%; width: 50.0%"]
    lowers = ["part lowers width: 50.0%", "range left: 25.0%; width: 50.0%"]
    assert page.evaluate(drawn, [-0.2, -0.3, -0.1, 0.4]) == lowers


def test_each_folder_and_label_has_a_summary() -> None:
    summaries = Summaries(GroupQuestion(by=Granularity.LINE, target="-1", target_by=Granularity.LINE))
    one = entries_by_hand(*[Checks()] * 2, label="one")
    other = [replace(entry, source=1) for entry in entries_by_hand(*[Checks()] * 4)]
    for number, entry in enumerate([*one, *other]):
        summaries.add(number, entry)
    described = summaries.describe()
    assert described["question"] == {"target": "-1", "targetBy": "line", "by": "line", "way": "direct"}
    found = [(part["source"], part["label"], part["prompts"]) for part in described["summaries"]]
    assert found == [(0, None, 2), (0, "one", 2), (1, None, 4)]
    for part, entries in zip(described["summaries"], (one, one, other), strict=True):
        expected = summarize_shares(
            (entry.analysis for entry in entries), GroupQuestion(target="-1", target_by=Granularity.LINE)
        )
        names = [group.name for group in expected.groups if group.n_prompts > 1]
        assert [group["name"] for group in part["groups"]] == names
        assert part["once"] == len(expected.groups) - len(names)
    assert described["summaries"][2]["groups"][0]["in"] == [2, 3, 4, 5]


def test_without_a_shared_source_there_is_no_summary() -> None:
    (entry,) = entries_by_hand(Checks())
    summaries = Summaries(GroupQuestion())
    summaries.add(0, entry)
    assert summaries.describe()["summaries"] == []
    no_way = Summaries(GroupQuestion(by=Granularity.SECTION))
    no_way.add(0, entry)
    assert no_way.describe()["summaries"] == []


def test_prompts_without_the_target_are_counted(open_overview: Any, tmp_path: Path) -> None:
    everything = AllPrompts(
        question=GroupQuestion(target="yes", way=Way.DIRECT),
        folders=["results"],
        skipped=[SetAside(id="<b>", path="/x/y.jsonl", line=None, code=SetAsideCode.UNUSABLE, reason="<i>")],
        problems=["part-00000.parquet: not readable"],
    )
    write_report(tmp_path / "page.html", entries_by_hand(*[Checks()] * 4), everything=everything)
    page = open_overview(tmp_path / "page.html", CHINESE)
    asked = page.locator(".summary p").first.inner_text()
    assert asked == "2 則提示中，對「yes」影響最大的行。另有 2 則提示沒有這個部分，未列入。"
    rows = [row.locator("td").all_inner_texts() for row in page.locator(".skipped tbody tr").all()]
    assert rows == [["<b>", "y.jsonl", "<i>"], ["", "", "part-00000.parquet: not readable"]]


def test_the_footer_names_all_folders_that_are_shown(open_overview: Any, demo_results: Path, tmp_path: Path) -> None:
    folders = [ChosenResults(demo_results, ids=["dish-fixed"], where=None, sections=None) for _ in range(2)]
    entries = ReportEntries(folders, Question(), None)
    path = tmp_path / "page.html"
    write_report(path, entries, sources=entries.sources, everything=entries.everything)
    page = open_overview(path)
    named = page.locator("#facts .of")
    assert named.all_inner_texts() == [str(demo_results)] * 2
    page.locator("#rows .go").first.click()
    assert named.count() == 0
    page.select_option("#with", "1")
    assert named.all_inner_texts() == [f"dish-fixed ({demo_results})"] * 2


def test_the_same_text_in_two_folders_is_two_sources(open_overview: Any, tmp_path: Path) -> None:
    one = entries_by_hand(*[Checks()] * 2)
    other = [replace(entry, name=f"other {entry.name}", source=1) for entry in one]
    everything = AllPrompts(question=GroupQuestion(), folders=["one", "other"])
    write_report(tmp_path / "page.html", [*one, *other], everything=everything)
    page = open_overview(tmp_path / "page.html")
    source = page.get_by_role("button", name="b", exact=True).nth(1)
    source.click()
    assert ids_in(page) == ["other 0", "other 1"]
    assert source.evaluate("node => node === document.activeElement")
