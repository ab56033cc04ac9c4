"""The page follows a target back through the model's own words as Python does, and says where it can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.words import Language
from promptlight.io.page.write import Opening, write_report
from promptlight.salience import Analysis
from promptlight.salience.explain.explanation import Explanation, Question, explain_target, find_targets
from promptlight.salience.explain.span_scores import combine_rows
from promptlight.salience.explain.through import find_doubt
from promptlight.salience.explain.ways import find_ways
from promptlight.salience.types import Completion, Foil, Granularity, Method, Objective, Role, Section, Way
from tests.support.browser import choices, marked, open_page, rows_of
from tests.support.handmade import make_analysis, make_completion
from tests.support.span_cases import build_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Find = Callable[[str], Analysis]
TOKEN, WORD, LINE = Granularity.TOKEN, Granularity.WORD, Granularity.LINE
PROMPT = ["<bos>", "▁One", "▁two", ".\n", "▁Three", "▁four", "\n"]
WRITTEN = ["▁Five", "▁six", "\n", "▁Seven", "▁eight", "▁more", "\n", "▁Nine", "▁ten"]
STORED = 1e-4  # numbers on the page have 16 bits
PARTS = ("direct", "through", "total")
ANSWER = """([targetBy, sourceBy, number, id]) => {
  Object.assign(state, { method: "", targetBy, sourceBy, shown: "all" });
  const data = record(heads.findIndex((head) => head.id === id));
  const target = joinTargets(targetsOf(data), [number, number]);
  const { direct, through, total, own, stuck, clipped } = traceOf(data, target);
  const ways = describeWays(data, target)
    .map(({ share, steps }) => [share, steps.slice(0, -1).map(({ number, text }) => [number, text])]);
  const sources = sourcesOf(data, target);
  return { direct: [...direct], through: [...through], total: [...total], own, stuck, clipped, ways,
    visible: sources.map((one) => one.visible), levels: sources.map((one) => one.level),
    scores: sources.map((one) => one.score) };
}"""


def make(method: Method = Method.GRAD_L2, seed: int = 0, **changes: object) -> Analysis:
    """Two lines read, three lines written."""
    return make_analysis(make_completion(PROMPT, WRITTEN), method=method, seed=seed, **changes)  # pyright: ignore


def ask(analysis: Analysis, target: str = "-1", way: Way = Way.ALL, **question: Any) -> Explanation:
    return explain_target(analysis, Question(target=target, way=way, **question))


def with_map(analysis: Analysis, **changes: object) -> Analysis:
    (salience,) = analysis.maps.values()
    return replace(analysis, maps={salience.method: replace(salience, **changes)})  # pyright: ignore


def check_parts(found: dict[str, Any], expected: Explanation, tolerance: float) -> None:
    through = expected.through
    assert through
    for name in PARTS:
        assert np.allclose(found[name], getattr(through, name), rtol=0, atol=tolerance), name
    for name, number in (("own", through.own), ("stuck", through.stuck), ("clipped", through.chain.clipped)):
        assert found[name] == pytest.approx(number, abs=tolerance), name


def check_ways(found: Sequence[Any], expected: Explanation, tolerance: float) -> None:
    """The same ways in the same order, or another one of the same share."""
    ways = find_ways(expected)
    assert [share for share, _ in found] == pytest.approx([way.share for way in ways], abs=tolerance)
    spelled = {spell(way): way.share for way in find_ways(expected, 30)}
    for share, steps in found:
        (source, _), *stations = steps
        key = (source, *(part for station in stations for part in station))
        assert spelled[key] == pytest.approx(share, abs=tolerance)


def spell(way: Any) -> tuple[Any, ...]:
    return (way.source.number, *(part for station in way.stations for part in (station.span.number, station.word)))


# ---- its numbers are Python's ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.OCCLUSION])
@pytest.mark.parametrize("by", [TOKEN, WORD, LINE])
def test_chains_and_ways_are_pythons(page: Page, method: Method, by: Granularity) -> None:
    for seed in range(20):
        analysis = make(method, seed)
        if seed % 2:
            analysis = with_map(analysis, objective=Objective.LOSS)
        for target in ("1", "2", "-1"):
            explained = ask(analysis, target, by=by)
            found = page.evaluate(
                """([sign, row, hidden, links, special, words, bounds, sources, doubt]) => {
                  const shares = links.map((one) => takeShares(one, sign, special, doubt));
                  const chain = buildChain(takeShares(row, sign, hidden), words, shares);
                  const { direct, through, total, ...rest } = poolChain(chain, bounds);
                  const ways = findWays(chain, bounds, sources, 5)
                    .map(({ share, source, stations }) => [share, [source, ...stations.map(({ span }) => span)]]);
                  return { direct: [...direct], through: [...through], total: [...total], ...rest, ways };
                }""",
                list_inputs(explained),
            )
            check_parts(found, explained, 1e-9)
            ways = find_ways(explained)
            passed = [[way.source.number, *(station.span.number for station in way.stations)] for way in ways]
            assert [spans for _, spans in found["ways"]] == passed
            assert [share for share, _ in found["ways"]] == pytest.approx([way.share for way in ways])


def list_inputs(explained: Explanation) -> list[Any]:
    """What the browser reads from the page, without rounding; a word is a token here."""
    analysis, salience, target = explained.analysis, explained.salience, explained.targets[-1]
    completion, first = analysis.completion, analysis.completion.n_prompt_tokens
    row, _ = combine_rows(salience, completion, explained.targets, explained.target_cut)
    special = [token.role is Role.SPECIAL for token in completion.tokens]
    words = list(range(first, target.start))
    assert salience.scores is not None
    assert explained.through
    chain = explained.through.chain
    return [
        (salience.objective.direction or 0) if salience.method.is_signed else 1,
        row[: target.start].tolist(),
        special,
        [salience.scores[word - first, :word].tolist() for word in words],
        special,
        [[word, word + 1] for word in words],
        list(explained.source_cut.bounds),
        [span.number for span in explained.spans if span.role is Role.PROMPT],
        find_doubt(completion, chain.words).tolist() if salience.method.takes_spans else None,
    ]


@pytest.mark.parametrize("id", ["dish-mistake", "dish-constitution", "emoji", "chinese"])
@pytest.mark.parametrize("target_by", [WORD, LINE])
def test_stored_results_are_followed_as_explained(
    page: Page, find_named: Find, id: str, target_by: Granularity
) -> None:
    analysis = find_named(id)
    n_targets = len(find_targets(analysis, Question(target_by=target_by)))
    for number in {n_targets // 2, n_targets - 1}:
        for by in Granularity:
            found = page.evaluate(ANSWER, [target_by, by, number, id])
            expected = ask(analysis, str(number + 1), by=by, target_by=target_by)
            check_parts(found, expected, STORED)
            check_ways(found["ways"], expected, STORED)
            assert found["visible"] == expected.visible.tolist()
            assert np.allclose(found["scores"], np.where(expected.visible, expected.scores, 0), rtol=0, atol=STORED)
            assert np.allclose(found["levels"], expected.levels, rtol=0, atol=2e-3)


@pytest.mark.parametrize("method", [Method.GRAD_DOT_INPUT, Method.OCCLUSION])
def test_bytes_of_one_character_with_scores_of_both_signs(browser: Browser, tmp_path: Path, method: Method) -> None:
    apple, pear = [[f"<0x{byte:02X}>" for byte in symbol.encode()] for symbol in "🍎🍐"]
    written = ["▁Five", *apple, "\n", "▁Seven", *pear, "\n", "▁Nine", "▁ten"]
    analysis = make_analysis(build_completion([*PROMPT[:-1], *pear, "\n"], written), method=method)
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    for by in (TOKEN, LINE):
        found = page.evaluate(ANSWER, [LINE, by, 2, "1"])
        check_parts(found, ask(analysis, by=by), STORED)
        check_ways(found["ways"], ask(analysis, by=by), STORED)
    page.close()


# ---- the switch -----------------------------------------------------------------------------------------------------


def test_the_switch_shades_the_prompt_by_the_way(page: Page, find_named: Find) -> None:
    page.locator("#written [role=option]").nth(1).click()
    page.get_by_label("through the model's own words").check()
    explained = ask(find_named("dish-mistake"), "2", Way.THROUGH)
    through = explained.through
    assert through
    expected = [
        [*(f"{100 * getattr(through, part)[span.number]:.1f}%" for part in PARTS), str(span.line), span.text.strip()]
        for span in explained.strongest(4)
    ]
    assert rows_of(page, "#found table")[:4] == expected
    shaded = page.locator("#text .row:not(.own) .piece").evaluate_all("all => all.every((one) => one.style.background)")
    own = page.locator("#text .row.own .piece:not(.target)")
    assert shaded
    assert own.evaluate_all("all => all.every((one) => !one.style.background && !one.classList.contains('later'))")
    text = page.locator("#found").inner_text()
    assert f"{100 * through.own:.1f}% of its scores lie on the model's own words" in text
    assert "only writing again (promptlight why, promptlight try --each line)" in text
    page.get_by_label("directly").check()
    assert page.locator("#found .ways").count() == 0


def test_keys_switch_and_the_address_leads_back(page: Page) -> None:
    page.locator("#written [role=option]").nth(1).click()
    page.get_by_label("directly").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("through the model's own words").is_checked()
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("in all").is_checked()
    assert page.get_by_label("in all").evaluate("one => one === document.activeElement")
    assert "way=all" in page.url
    address, rows = page.url, rows_of(page, "#found table")
    page.goto("about:blank")
    page.goto(address)
    assert page.get_by_label("in all").is_checked()
    assert rows_of(page, "#found table") == rows


def test_a_page_opens_with_the_way_asked_for(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_report(path, [ReportEntry(analysis=make(), name="1")], title="Why?", opening=Opening(way=Way.THROUGH))
    page = browser.new_page()
    for address, way in (("", "through the model's own words"), ("#way=all", "in all"), ("#way=toString", "through")):
        page.goto("about:blank")
        page.goto(path.as_uri() + address)
        assert page.get_by_label(way).is_checked()
        assert marked(page, "found") == ["Nine ten"]  # the last line, which has the most words before it
    page.locator("#written [role=option]").first.click()
    assert page.get_by_label("directly").is_checked()  # nothing comes before it
    page.locator("#written [role=option]").last.click()
    assert page.get_by_label("through").is_checked()
    page.close()


FOIL = Foil(request="ten=>two", tokens=(None,) * 8 + ("▁two",))
ENTROPY = with_map(make(Method.GRAD_DOT_INPUT), objective=Objective.ENTROPY)


@pytest.mark.parametrize(
    ("analysis", "address", "reason", "all_too"),
    [
        (make(with_tokens=False), "target=3", "run the prompts with --targets token", True),
        (ENTROPY, "target=3", "raise or lower the entropy", True),
        (replace(make(), foil=FOIL), "target=3", "run the prompts without the foil", True),
        (make(), "target=1", "choose a later part of the completion", False),
        (make_analysis(make_completion(PROMPT, WRITTEN[:3])), "target=1", "is the whole completion: choose", False),
    ],
)
def test_what_cannot_be_followed_says_why(
    browser: Browser, tmp_path: Path, analysis: Analysis, address: str, reason: str, all_too: bool
) -> None:
    path = tmp_path / "page.html"
    analysis = replace(analysis, completion=name_section(analysis))
    open_page(browser, path, ReportEntry(analysis=analysis, name="1")).close()
    page = browser.new_page()
    page.goto(f"{path.as_uri()}#explain=line&way=through&{address}")
    assert reason in page.locator("#no-way").inner_text()
    assert page.get_by_label("through the model's own words").is_disabled()
    assert page.get_by_label("in all").is_disabled() is all_too
    assert page.get_by_label("directly").is_checked()
    assert len(rows_of(page, "#found table")) > 0
    assert page.locator("#found .ways").count() == 0
    page.close()


def name_section(analysis: Analysis) -> Completion:
    """The completion, with a section in the prompt, so that sections are offered."""
    prompt = replace(analysis.completion.prompt, sections=(Section(name="start", start=0, stop=4),))
    return replace(analysis.completion, prompt=prompt)


def test_a_foil_for_every_word_can_be_followed(browser: Browser, tmp_path: Path) -> None:
    analysis = replace(make(), foil=Foil(request="auto", tokens=("x",) * 9))
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    page.locator("#written [role=option]").last.click()
    assert page.get_by_label("in all").is_enabled()
    page.close()


# ---- the ways, and what the numbers are -----------------------------------------------------------------------------


def test_ways_are_drawn_and_lead_to_their_lines(page: Page, find_named: Find) -> None:
    page.locator("#written [role=option]").nth(1).click()
    page.get_by_label("in all").check()
    ways = find_ways(ask(find_named("dish-mistake"), "2"))
    buttons = page.locator("#found .ways button")
    assert buttons.count() == page.locator("#found .picture path").count() == len(ways) == 5
    first, way = buttons.first.inner_text(), ways[0]
    assert first == (
        f"{100 * way.share:.1f}%  line {way.source.line}, “{way.source.text.strip()}” → Analysis"
        f" “{way.stations[0].word}” → Recommendation"
    )
    boxes = page.locator("#found .box b").all_inner_texts()
    assert boxes[0] == f"line {min(way.source.line for way in ways)}"
    assert boxes[-2:] == ["Analysis", "explained"]
    words = page.locator("#found .box span").all_inner_texts()[-2].split(", ")
    assert words == [f"“{word}”" for word in dict.fromkeys(way.stations[0].word for way in ways)]

    def passed() -> list[str]:
        return [text.strip() for text in page.locator("#text .text .passed").all_inner_texts()]

    page.select_option("#target-by", "word")
    page.locator("#written [role=option]").last.click()
    assert buttons.first.inner_text().endswith(f" → “{choices(page)[-1].strip()}”")
    page.select_option("#target-by", "line")
    buttons.first.hover()
    assert passed()[0] == way.source.text.strip()
    assert len(passed()) == 2
    page.locator("h1").hover()
    assert passed() == []
    buttons.first.focus()
    page.keyboard.press("Enter")
    page.locator("h1").hover()
    assert passed()[0] == way.source.text.strip()
    assert buttons.first.get_attribute("aria-pressed") == "true"
    assert page.locator("#found .picture path.faint").count() == 4
    buttons.first.click()
    page.locator("h1").hover()
    assert passed() == []


def test_a_way_of_several_stations(browser: Browser, tmp_path: Path) -> None:
    analysis = make(seed=1)
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    page.locator("#written [role=option]").last.click()
    page.get_by_label("in all").check()
    texts = page.locator("#found .ways button").all_inner_texts()
    ways = find_ways(ask(analysis))
    assert [text.count("→") for text in texts] == [len(way.stations) + 1 for way in ways]
    assert max(len(way.stations) for way in ways) == 2
    lefts = page.locator("#found .box").evaluate_all("all => new Set(all.map((one) => one.style.left)).size")
    assert lefts == 4  # the prompt, two lines of the model's own, and the target
    page.close()


def test_the_contract_says_what_the_numbers_are(browser: Browser, tmp_path: Path) -> None:
    maps = {one: make(one).map_by() for one in (Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.OCCLUSION)}
    maps[Method.GRAD_DOT_INPUT] = replace(maps[Method.GRAD_DOT_INPUT], objective=Objective.MARGIN)
    entry = ReportEntry(analysis=replace(make(), maps=maps), name="1")
    page = open_page(browser, tmp_path / "page.html", entry)
    contract = page.locator("#found .contract")
    assert contract.get_attribute("open") is None
    contract.locator("summary").click()
    assert contract.locator("dt").all_inner_texts() == [
        *("Scored", "Held fixed", "A source", "Through its own words", "Not said")
    ]
    assert "the log-probability of the amber part, by Grad L2 Norm. It says how strongly" in contract.inner_text()
    assert "promptlight why, or promptlight try --each line" in contract.inner_text()
    page.select_option("#method", "grad_dot_input")
    assert contract.get_attribute("open") is not None
    assert "the logit above that of the likeliest other token of the amber part" in contract.inner_text()
    assert "A word hands its whole share on" in contract.inner_text()
    page.select_option("#method", "occlusion")
    assert "The surer the model was of one of its own words, the less it passes on" in contract.inner_text()
    contract.locator("summary").click()
    page.select_option("#method", "grad_l2")
    assert contract.get_attribute("open") is None
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert contract.locator("dd").first.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not contract.locator("dd").first.is_visible()
    page.close()


def test_only_what_raised_it_is_followed(browser: Browser, tmp_path: Path) -> None:
    analysis = make(Method.GRAD_DOT_INPUT)
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    page.locator("#written [role=option]").last.click()
    page.get_by_label("in all").check()
    through = ask(analysis).through
    assert through
    text = page.locator("#found").inner_text()
    assert f"Only scores that raise a word can be followed: {100 * through.chain.clipped:.1f}% of all are neg" in text
    assert page.locator("#text .legend .step").all_inner_texts() == ["0", "25", "50", "75", "100"]
    page.close()


def test_trust_is_in_direct_scores(browser: Browser, tmp_path: Path) -> None:
    def say(analysis: Analysis, method: Method, way: Way) -> dict[Language, str]:
        return {Language.ENGLISH: f"trust, {way}", Language.CHINESE: f"可信度，{way}"}

    entry = ReportEntry(analysis=make(), name="1", trust=say)
    page = open_page(browser, tmp_path / "page.html", entry)
    assert page.locator("#found .trust p").inner_text() == "trust, direct"
    page.locator("#written [role=option]").last.click()
    page.get_by_label("in all").check()
    assert page.locator("#found .trust p").inner_text() == "trust, all"
    page.select_option("#language", "zh-TW")
    assert page.locator("#found .trust p").inner_text() == "可信度，all"
    page.close()


# ---- two prompts ----------------------------------------------------------------------------------------------------


def test_two_prompts_are_compared_by_the_way(page: Page, page_file: Path, find_named: Find) -> None:
    page.goto(f"{page_file.as_uri()}#id=dish-mistake&explain=line&target=2&with=dish-fixed&with-target=2&way=through")
    sides = [ask(find_named(id), "2", Way.THROUGH) for id in ("dish-mistake", "dish-fixed")]
    rows = rows_of(page, "#moved table")
    assert "explained" not in {cell for row in rows for cell in row}
    shares = [
        {span.text.strip(): f"{100 * share:.1f}%" for span, share in zip(side.spans, side.shares, strict=True)}
        for side in sides
    ]
    line = "Taste-dislikes: Can't eat eggs"
    (row,) = (row for row in rows if row[4] == line)
    assert row[:2] == [shares[0][line], shares[1][line]]
    assert page.locator("#found2 .ways button").count() == 5
    assert page.locator("#moved caption").inner_text().endswith("through the model's own words")


def test_both_prompts_are_shown_directly_if_one_cannot_be_followed(browser: Browser, tmp_path: Path) -> None:
    entries = [ReportEntry(analysis=make(with_tokens=given), name=name) for given, name in ((True, "a"), (False, "b"))]
    page = open_page(browser, tmp_path / "page.html", *entries)
    page.locator("#written [role=option]").last.click()
    page.get_by_label("in all").check()
    page.select_option("#with", "1")
    assert choices(page, "written2")
    assert page.locator("#no-way").inner_text().startswith("b: There are no scores for each word")
    assert page.locator(".ways").count() == 0
    page.select_option("#with", "-1")
    assert page.get_by_label("in all").is_checked()
    page.locator("#written [role=option]").first.click()
    page.select_option("#with", "0")
    assert page.locator("#no-way").inner_text().startswith("The model wrote nothing before")  # once, for both
    page.close()
