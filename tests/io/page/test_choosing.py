"""What a reader chooses: several targets, other prompts, how scores are pooled and drawn; and the address keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptlight.io.page.colours import Marking
from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import Opening, write_report
from promptlight.io.results.facts import RunFacts
from promptlight.salience import Analysis
from promptlight.salience.explain.explanation import Explanation, Question, explain_spans, explain_target, find_targets
from promptlight.salience.types import Granularity, Method, Pooling
from tests.support.browser import choices, marked, open_page, rows_of
from tests.support.handmade import make_analysis, make_completion
from tests.support.span_cases import build_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Find = Callable[[str], Analysis]
WORD, LINE = Granularity.WORD, Granularity.LINE
SHARES = """([id, targetBy, sourceBy, pool, first, last]) => {
  Object.assign(state, { method: "", targetBy, sourceBy, pool, way: "direct", shown: "direct" });
  const data = record(heads.findIndex((head) => head.id === id));
  return sourcesOf(data, joinTargets(targetsOf(data), [first, last])).map(({ share }) => share);
}"""


def chosen(page: Page, place: str = "written") -> list[str]:
    return [text.strip() for text in page.locator(f"#{place} [aria-selected=true]").all_inner_texts()]


def explain_range(analysis: Analysis, question: Question, first: int, last: int) -> Explanation:
    targets = find_targets(analysis, replace(question, target=None))
    return explain_spans(analysis, question, targets[first : last + 1])


# ---- several targets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["dish-mistake", "chinese", "emoji"])
@pytest.mark.parametrize("pooling", Pooling)
@pytest.mark.parametrize("target_by", [Granularity.TOKEN, WORD, LINE, Granularity.PARAGRAPH])
def test_ranges_and_pooling_are_pythons(
    page: Page, find_named: Find, id: str, pooling: Pooling, target_by: Granularity
) -> None:
    analysis = find_named(id)
    end = len(find_targets(analysis, Question(target_by=target_by))) - 1
    for first, last in {(0, end), (end // 2, end), (end, end)}:
        for by in (Granularity.TOKEN, WORD, LINE):
            question = Question(by=by, target_by=target_by, pooling=pooling)
            expected = explain_range(analysis, question, first, last)
            found = page.evaluate(SHARES, [id, target_by, by, str(pooling), first, last])
            assert found == pytest.approx(expected.shares.tolist(), abs=5e-4)


def test_ranges_without_scores_by_token_add_spans_up(browser: Browser, tmp_path: Path) -> None:
    analysis = make_analysis(
        make_completion(["▁a", "▁b", "▁c"], ["▁so", "▁it", "▁is"]), exact=[WORD], with_tokens=False
    )
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    expected = explain_range(analysis, Question(by=WORD, target_by=WORD), 1, 2)
    found = page.evaluate(SHARES, ["1", "word", "word", "sum", 1, 2])
    assert found == pytest.approx(expected.shares.tolist(), abs=5e-4)
    assert page.locator("#target-by option").all_inner_texts() == ["words"]
    page.close()


def test_shift_chooses_several_and_the_address_keeps_them(page: Page, page_file: Path) -> None:
    page.goto(f"{page_file.as_uri()}#id=dish-mistake&explain=word&shade=word&target=3")
    words = [text.strip() for text in choices(page)]
    page.locator("#written [role=option]").nth(6).click(modifiers=["Shift"])
    assert chosen(page) == words[2:7]
    page.locator("#written [role=option]").nth(1).click(modifiers=["Shift"])  # from where it began
    assert chosen(page) == words[1:3]
    assert "target=2-3" in page.url
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == words[2:5]
    address, rows = page.url, rows_of(page, "#found table")
    page.goto("about:blank")
    page.goto(address)
    assert chosen(page) == words[2:5]
    assert rows_of(page, "#found table") == rows
    page.keyboard.press("Tab")
    page.locator("#written [role=option]").nth(4).focus()
    page.keyboard.press("ArrowLeft")
    assert chosen(page) == words[3:4]


def test_all_of_it_can_be_chosen_and_carries_over(page: Page) -> None:
    page.get_by_role("button", name="All of it").click()
    assert chosen(page) == [text.strip() for text in choices(page)]
    assert "target=all" in page.url
    assert "added up over its tokens" in page.locator("#found").inner_text()
    page.get_by_role("button", name="The next prompt").click()
    assert page.locator("#head h2").inner_text() == "dish-fixed"
    assert chosen(page) == [text.strip() for text in choices(page)]
    page.get_by_role("button", name="All of it").click()  # again: as the page opens
    assert chosen(page) == [choices(page)[-1].strip()]


def test_a_choice_carries_over_to_other_prompts_and_other_cuts(page: Page) -> None:
    assert chosen(page) == ["Recommendation: You have to try it."]  # the last line, as the page opens
    page.get_by_role("button", name="The next prompt").click()
    assert chosen(page) == ["Recommendation: Avoid."]
    page.locator("#written [role=option]").first.click()
    line = chosen(page)
    page.get_by_role("button", name="The prompt before").click()
    assert page.locator("#head h2").inner_text() == "dish-mistake"
    assert chosen(page) == line  # the same text
    page.select_option("#target-by", "word")
    assert " ".join(chosen(page)) == line[0]
    page.select_option("#target-by", "line")
    assert chosen(page) == line


def test_a_click_in_the_text_chooses_too_and_the_list_leads_to_the_text(page: Page) -> None:
    page.locator("#text .own .piece").first.click()
    assert chosen(page) == [choices(page)[0].strip()]
    source = page.locator("#found .go").first
    text = source.inner_text()
    source.click()
    assert "".join(page.locator("#text .pointed").all_inner_texts()).strip() == text


def test_in_a_comparison_lists_and_ways_lead_to_their_own_side(page: Page, page_file: Path) -> None:
    page.goto(f"{page_file.as_uri()}#id=dish-mistake&target=2&with=dish-fixed&with-target=2&way=all")
    for side, found in enumerate(("#found", "#found2")):
        page.locator(f"{found} .go").first.click()
        pointed = page.locator(".pointed").count()
        assert pointed >= 1
        assert page.locator(f'[data-side="{side}"] .pointed').count() == pointed
        page.evaluate("document.querySelectorAll('.pointed').forEach((one) => one.classList.remove('pointed'))")
        page.locator(f"{found} .ways button").first.hover()
        passed = page.locator(".passed").count()
        assert passed >= 2
        assert page.locator(f'[data-side="{side}"] .passed').count() == passed


# ---- how it is drawn ------------------------------------------------------------------------------------------------


def test_bars_and_intensity_and_pooling_are_kept(page: Page) -> None:
    page.locator(".controls summary").click()
    page.select_option("#marking", "underline")
    page.select_option("#pool", "max")
    page.locator("#intensity").fill("0.8")
    piece = page.locator("#text .piece:not(.target)").first
    assert "linear-gradient" in piece.evaluate("node => node.style.background")
    assert piece.evaluate("node => node.style.color") == ""
    address = page.url
    assert all(part in address for part in ("marking=underline", "pool=max", "intensity=0.8"))
    page.goto("about:blank")
    page.goto(address)
    assert page.locator("#pool").input_value() == "max"
    assert float(page.locator("#intensity").input_value()) == pytest.approx(0.8)
    page.get_by_label("in all").check()
    assert page.locator("#pool").is_disabled()  # only sums can be passed on
    assert page.locator("#pool").input_value() == "sum"


def test_bars_tell_signs_apart_without_colours(browser: Browser, tmp_path: Path) -> None:
    analysis = make_analysis(make_completion([*"abcdefgh"], ["▁so"]), method=Method.GRAD_DOT_INPUT)
    page = browser.new_page()
    path = tmp_path / "page.html"
    write_report(
        path,
        [ReportEntry(analysis=analysis, name="1")],
        opening=Opening(by=Granularity.TOKEN, marking=Marking.UNDERLINE),
    )
    page.goto(path.as_uri())
    explained = explain_target(analysis, Question(by=Granularity.TOKEN, target="-1"))
    signs = {span.text: bool(explained.levels[span.number] < 0) for span in explained.spans}
    assert set(signs.values()) == {True, False}
    for piece in page.locator("#text .piece:not(.target)").all():
        striped = "repeating" in piece.evaluate("node => node.style.background")
        assert striped == signs[piece.inner_text()]
    page.close()


def test_blanks_around_words_are_not_painted_and_lines_have_numbers(page: Page, find_named: Find) -> None:
    page.select_option("#source-by", "word")
    pieces = page.locator("#text .piece").all_inner_texts()
    assert pieces
    assert all(text == text.strip() for text in pieces)
    numbers = [int(text) for text in page.locator("#text .row > .number").all_inner_texts() if text]
    assert numbers == list(range(1, find_named("dish-mistake").completion.text.count("\n") + 2))
    assert page.locator("#text .begins").inner_text() == "The model wrote"


def test_long_texts_are_folded_where_little_matters(browser: Browser, tmp_path: Path) -> None:
    completion = make_completion([*["▁faint", "\n"] * 60, "▁strong", "\n"], ["▁so"])
    analysis = make_analysis(completion)
    salience = analysis.map_by()
    scores = salience.span_scores[LINE].copy()
    scores[:] = 0.001
    scores[0, -3:-1] = 1.0
    analysis = replace(analysis, maps={salience.method: replace(salience, span_scores={LINE: scores}, scores=None)})
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    (fold,) = page.locator("#text .fold").all()
    hidden = 60 - 9 - 2  # the list names nine of them; one line beside each stays
    assert page.locator("#text .row").count() < 61 - hidden + 12
    text = fold.inner_text()
    first, last = (int(word) for word in text.split() if word.isdigit())
    faint = explain_target(analysis, Question(target="-1"))
    share = sum(float(faint.shares[span.number]) for span in faint.spans if first <= span.line <= last)
    assert f"{100 * share:.1f}% together" in text
    fold.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.role") == "option"  # and not lost with the button
    assert page.locator("#text .fold").count() == 0
    assert page.locator("#text .row").count() == 62
    page.close()


# ---- the keyboard, the list and the address -------------------------------------------------------------------------


def test_few_stops_lead_through_the_page(page: Page) -> None:
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
        if seen[-1] == "intensity" or seen.count("skip") > 1:
            break
    assert seen[0] == "skip"
    assert seen.index("target-by") < 20  # the list of prompts is one stop, and so is what was written


def test_the_skip_button_leads_to_the_text(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_arrows_move_in_the_list_of_prompts(page: Page) -> None:
    page.locator("#prompts [tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#head h2").inner_text() == "dish-fixed"
    assert page.locator("#prompts li[aria-selected=true]").evaluate("node => node === document.activeElement")
    page.keyboard.press("End")
    assert page.locator("#prompts li").last.get_attribute("aria-selected") == "true"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")  # there is none
    assert page.locator("#head h2").inner_text() == "dish-mistake"


def test_labels_filter_the_list(page: Page, find_named: Find) -> None:
    label = find_named("dish-fixed").completion.prompt.label
    assert label
    page.select_option("#labels", label)
    assert page.locator("#prompts li").count() >= 1
    assert "dish-fixed" in page.locator("#prompts").inner_text()
    assert "dish-mistake" not in page.locator("#prompts").inner_text()


def test_an_unknown_prompt_in_the_address_is_said(page: Page, page_file: Path) -> None:
    page.goto(f"{page_file.as_uri()}#id=gone&with=dish-fixed")
    assert page.locator("#notice").inner_text().startswith("There is no prompt gone on this page")
    assert page.locator("#head h2").inner_text() == "dish-mistake"
    page.goto(
        f"{page_file.as_uri()}#id=dish-fixed&target=999-4&explain=nonsense&pool=toString&intensity=7&way=constructor"
    )
    assert "target=999-4, explain=nonsense" in page.locator("#notice").inner_text()
    assert page.locator("#head h2").inner_text() == "dish-fixed"
    assert page.locator("#target-by").input_value() == "line"
    assert chosen(page) == [choices(page)[-1].strip()]
    for target in ("0", "2-1", "-3", "1-x", ""):
        page.goto(f"{page_file.as_uri()}#id=dish-fixed&explain=word&target={target}")
        assert chosen(page) == [choices(page)[-1].strip()]


@pytest.mark.parametrize("opening", [Opening(id="2", by=WORD, intensity=0.9), Opening(id="2", target_by=WORD)])
def test_a_page_opens_as_asked(browser: Browser, tmp_path: Path, opening: Opening) -> None:
    analysis = make_analysis(make_completion(["▁a", "▁b"], ["▁so", "▁it", "\n", "▁is"]))
    question = Question(by=opening.by or LINE, target="so", target_by=opening.target_by)
    entries = [ReportEntry(analysis=analysis, name=name, question=question) for name in ("1", "2")]
    path = tmp_path / "page.html"
    write_report(path, entries, opening=opening)
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.locator("#head h2").inner_text() == "2"
    assert page.locator("#source-by").input_value() == str(opening.by or "line")
    assert chosen(page) == (["so"] if opening.target_by else ["so it"])
    assert float(page.locator("#intensity").input_value()) == pytest.approx(opening.intensity)
    page.get_by_role("button", name="The prompt before").click()
    assert chosen(page) == (["so"] if opening.target_by else ["so it"])
    page.close()


# ---- where results come from ----------------------------------------------------------------------------------------

FACTS = RunFacts(
    model="/home/someone/gemma.gguf",
    preset="/home/someone/gemma.gguf",
    dtype="float32",
    device="cpu",
    started="2026-11-27T18:30:05Z",
    finished="2026-11-27T19:31:00Z",
    settings={"methods": ["grad_l2"], "temperature": 0.0, "compat": None},
    versions={"torch": "2.13.0", "promptlight": "0.1.0"},
)


def test_the_footer_says_which_model_when_and_how(browser: Browser, tmp_path: Path) -> None:
    analysis = make_analysis(make_completion(["▁a"], ["▁so"]))
    entries = [ReportEntry(analysis=analysis, name=str(number), source=number) for number in range(2)]
    path = tmp_path / "page.html"
    write_report(path, entries, sources=[FACTS, None])
    page = browser.new_page(locale="en-GB")
    page.goto(path.as_uri())
    names, values = (page.locator(f"#facts {kind}").all_inner_texts() for kind in ("dt", "dd"))
    assert dict(zip(names, values, strict=True)) == {
        "Model": "gemma.gguf, float32, cpu",
        "Run": "2026-11-27 18:30 UTC – 2026-11-27 19:31 UTC",
        "Settings": 'methods ["grad_l2"]; temperature 0.0',
        "Made with": "promptlight 0.1.0, torch 2.13.0",
    }
    assert "someone" not in path.read_text(encoding="utf-8")
    page.get_by_role("button", name="The next prompt").click()
    assert page.locator("#facts dd").all_inner_texts() == ["not recorded"]
    page.close()


# ---- in print -------------------------------------------------------------------------------------------------------


def test_print_is_light_whole_and_without_controls(browser: Browser, page_file: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"{page_file.as_uri()}#id=dish-mistake&target=2")
    piece = page.locator("#text .piece:not(.target)").first
    in_dark = piece.evaluate("node => node.style.background")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert piece.evaluate("node => node.style.background") != in_dark
    for name in ("nav", ".controls", ".tools", "#skip"):
        assert not page.locator(name).first.is_visible(), name
    for name in ("#written", "#found table", "#text", "#facts", ".contract dd"):
        assert page.locator(name).first.is_visible(), name
    assert page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert piece.evaluate("node => node.style.background") == in_dark
    page.close()


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("address", ["id=dish-mistake", "id=dish-mistake&with=dish-fixed&way=all", "view=overview"])
def test_nothing_is_wider_than_the_window(browser: Browser, page_file: Path, width: int, address: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(f"{page_file.as_uri()}#{address}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if "with" not in address and "view" not in address:
        top = page.locator("#written").bounding_box()
        assert top
        assert top["y"] + top["height"] < 500  # in sight on a phone, too
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(50)
        assert page.locator("#written [aria-selected=true]").first.is_visible()
        box = page.locator("#written").bounding_box()
        assert box
        assert 0 <= box["y"] < 60  # it stays
    page.close()


def test_hostile_targets_stay_text(browser: Browser, tmp_path: Path) -> None:
    analysis = make_analysis(build_completion(["<bos>", "▁a"], ["<b>x</b>", "*so*", "[Tab]"]))
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="<i>*1*[2]</i>"))
    assert marked(page, "found") == ["<b>x</b>*so*[Tab]"]
    assert page.locator("#written b, #written i, #head i, #head b, #found b, #text kbd").count() == 0
    page.close()
