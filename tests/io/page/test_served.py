"""The page with a server behind it: what it asks, what it keeps, and what it says when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from promptlight.io.page.overview import Checks, Rewritten
from promptlight.io.page.record import ReportEntry
from promptlight.salience import Prompt
from promptlight.salience.types import Turn
from tests.support.handmade import make_analysis, make_completion
from tests.support.served_page import SITE, FakeServer, make_job, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ISOLATES = str.maketrans("", "", "\u2068\u2069")
TEXT = "one\ntwo\r\nthree"
TRIED = {"note": "why not", "author": "Kim", "tried": "2026-11-27T18:30:05Z"}


def make_entry(prompt: Prompt, **options: Any) -> ReportEntry:
    completion = make_completion(["▁one", "\n", "▁two", "\n", "▁three"], ["▁so", "\n", "▁there"])
    return ReportEntry(analysis=make_analysis(replace(completion, prompt=prompt)), name=prompt.id, **options)


def make_try() -> ReportEntry:
    return make_entry(Prompt(id="a~1", text="1", label="tried", fields={"parent": "a", **TRIED}))


def take(request: dict[str, Any]) -> list[dict[str, Any]] | str:
    """A job for each request; a text that can't be used is refused."""
    if "refuse" in str(request):
        return "expected a prompt, found nonsense: write another"
    if request["kind"] == "write":
        return [make_job("k1", "write", request["parent"], f"{request['parent'] or 'new'}~1")]
    return [make_job("k1", request["kind"], request.get("id"))]


def take_second(_: dict[str, Any]) -> list[dict[str, Any]]:
    return [make_job("k2", "write", "a", "a~2")]


def take_three(_: dict[str, Any]) -> list[dict[str, Any]]:
    return [make_job(f"k{number}", "write", None, f"x~{number}") for number in range(3)]


@pytest.fixture
def served() -> FakeServer:
    return FakeServer([make_entry(Prompt(id="a", text=TEXT)), make_entry(Prompt(id="b", text="b"))], take)


@pytest.fixture
def page(browser: Browser, served: FakeServer) -> Iterator[Page]:
    """The served page; an error in it fails the test."""
    context = browser.new_context(locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    served.open(page)
    yield page
    context.close()
    assert problems == []


UNNAMED = """() => [...document.querySelectorAll("button, input, select, textarea, summary")]
  .filter((node) => node.checkVisibility() && !(node.getAttribute("aria-label")
    || node.labels?.[0]?.textContent.trim() || node.textContent.trim()))
  .map((node) => node.outerHTML)"""


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.tagName")


# ---- change a prompt -------------------------------------------------------------------------------------------------


def test_a_line_is_changed_and_the_rest_stays(page: Page, served: FakeServer) -> None:
    page.get_by_role("button", name="Change line 2").click()
    assert (page.locator("#editor textarea").input_value(), focused(page)) == ("two", "TEXTAREA")
    page.keyboard.press("Control+Enter")
    assert page.locator("#edit-problem").inner_text() == "Nothing is changed yet."
    page.fill("#editor textarea", "2\n2½")
    page.get_by_role("button", name="Edit the whole prompt").click()
    assert page.locator("#editor textarea").input_value() == "one\n2\n2½\nthree"
    page.locator("#editor").get_by_label("Note").fill(" a half ")
    page.locator("#editor").get_by_label("Your name").fill("Kim")
    page.keyboard.press("Control+Enter")
    wait_until(page, "editor.job === 'k1'")
    changed = {"turn": 0, "text": "one\r\n2\r\n2½\r\nthree", "note": "a half", "author": "Kim"}
    assert served.asked == [("POST", "jobs", {"kind": "write", "parent": "a", **changed})]


def test_another_model_writes_for_the_prompt_as_it_is(page: Page, served: FakeServer) -> None:
    served.repeats = False
    page.reload()
    wait_until(page, "server.connected")
    page.click("#edit")
    page.keyboard.press("Control+Enter")
    wait_until(page, "editor.job === 'k1'")
    assert [body["text"] for _, _, body in served.asked] == ["one\ntwo\r\nthree"]


def test_the_words_appear_and_the_two_are_compared(page: Page, served: FakeServer) -> None:
    page.locator("#written [role=option]").first.click()  # this choice carries over
    write_again(page, "1")
    (job,) = served.jobs
    assert focused(page) == "progress"
    assert "place 1 in the queue, about 4 s left" in page.locator("#progress").inner_text()
    job |= {"state": "running", "text": "so it", "share": 0.5}
    wait_until(page, "document.getElementById('words-now').textContent === 'so it'")
    assert page.locator("#told").inner_text() == "The model is writing."
    served.finish(job, make_try())
    wait_until(page, "state.with === 2")
    assert page.locator("#written .id, #written2 .id").all_inner_texts() == ["a", "a~1"]
    chosen = page.locator("#written [aria-selected=true], #written2 [aria-selected=true]").all_inner_texts()
    assert chosen == ["so", "so"]
    assert page.locator("#outcome span").inner_text() == "a~1 is done."
    assert (focused(page), page.locator("#progress").is_hidden()) == ("main", True)
    assert page.locator("#prompts li b, #prompts li").all_inner_texts()[1].startswith("a~1")


def write_again(page: Page, text: str) -> None:
    page.click("#edit")
    page.fill("#editor textarea", text)
    page.click("#write")
    wait_until(page, "editor.job !== null")


def test_who_went_elsewhere_is_told_and_stays_there(page: Page, served: FakeServer) -> None:
    write_again(page, "1")
    page.locator("#prompts li").nth(1).click()
    served.finish(served.jobs[0], make_try())
    page.get_by_role("button", name="Show it").wait_for()
    assert page.locator("#head h2").inner_text() == "b"
    page.get_by_role("button", name="Show it").click()
    assert page.locator("#written .id, #written2 .id").all_inner_texts() == ["a", "a~1"]
    page.go_back()
    assert page.locator("#head h2").inner_text() == "b"


def test_each_turn_of_a_chat_is_edited_alone(browser: Browser) -> None:
    text = "user\nhi\nmodel\nyes\nuser\nwhy?\nmodel\n"
    turns = tuple(
        Turn(role=role, start=text.index(said), stop=text.index(said) + len(said))
        for role, said in (("user", "hi"), ("model", "yes"), ("user", "why?"))
    )
    served = FakeServer([make_entry(Prompt(id="chat", text=text, turns=turns))], take)
    page = browser.new_page(locale="en-GB")
    served.open(page)
    page.click("#edit")
    areas = page.locator("#editor textarea")
    assert [area.input_value() for area in areas.all()] == ["hi", "yes", "why?"]
    assert page.locator("#editor label span").all_inner_texts()[:3] == ["Turn 1: user", "Turn 2: model", "Turn 3: user"]
    areas.nth(0).fill("hello")
    areas.nth(2).fill("how?")
    page.click("#write")
    wait_until(page, "editor.job !== null")
    edited = [{"turn": 0, "text": "hello"}, {"turn": 2, "text": "how?"}]
    assert served.asked[0][2] == {"kind": "write", "parent": "chat", "turns": edited, "note": "", "author": ""}
    page.close()


# ---- nothing is lost -------------------------------------------------------------------------------------------------


def test_what_was_typed_survives_a_reload_and_a_refusal(page: Page, served: FakeServer) -> None:
    page.click("#edit")
    page.fill("#editor textarea", "refuse me")
    page.reload()
    wait_until(page, "server.connected")
    assert page.locator("#editor").is_hidden()
    assert page.locator("#edit.draft").count() == 1
    page.click("#edit")
    assert page.locator("#editor textarea").input_value() == "refuse me"
    page.click("#write")
    page.get_by_text("expected a prompt, found nonsense: write another").wait_for()
    assert page.locator("#editor textarea").input_value() == "refuse me"
    page.click("#discard")
    assert page.locator("#discard").inner_text() == "Discard your changes?"
    page.click("#discard")
    assert (page.locator("#editor").is_hidden(), focused(page)) == (True, "edit")
    assert page.evaluate("hasDrafts()") is False
    page.click("#edit")
    assert page.locator("#editor textarea").input_value() == TEXT.replace("\r\n", "\n")


def test_a_server_that_was_away_is_found_again_with_what_it_did(page: Page, served: FakeServer) -> None:
    write_again(page, "1")
    served.is_down = True
    page.get_by_text("The connection to the server is lost. Trying again…").first.wait_for()
    page.click("#edit")
    page.fill("#editor textarea", "2")
    page.click("#write")
    wait_until(page, "document.getElementById('edit-problem').textContent.includes('lost')")
    served.finish(served.jobs[0], make_try())
    served.is_down = False
    wait_until(page, "server.connected && heads.length === 3 && state.with === 2")
    assert page.locator("#connection").is_hidden()
    assert page.locator("#editor textarea").input_value() == "2"


def test_a_server_that_counts_otherwise_is_read_anew(page: Page, served: FakeServer) -> None:
    page.click("#edit")
    page.fill("#editor textarea", "kept")
    served.is_down = True
    wait_until(page, "server.connected === false")
    served.entries.insert(1, make_try())
    with page.expect_navigation():
        served.is_down = False
    wait_until(page, "server.connected && heads[1]?.id === 'a~1'")
    page.click("#edit")
    assert page.locator("#editor textarea").input_value() == "kept"


def test_a_page_without_prompts_shows_its_first_one(browser: Browser) -> None:
    served = FakeServer([], take)
    page = browser.new_page()
    served.open(page)
    page.click("#open-new")
    page.fill("#new-text", "hello")
    page.click("#new-write")
    wait_until(page, "Object.keys(mine).length === 1")
    with page.expect_navigation():
        served.finish(served.jobs[0], make_entry(Prompt(id="new~1", text="hello", label="tried")))
    wait_until(page, "server.connected && state.id === 0 && heads.length === 1")
    assert page.locator("#head h2").inner_text() == "new~1"
    page.close()


def test_a_prompt_that_changed_while_nobody_heard_is_fetched(browser: Browser, served: FakeServer) -> None:
    served.entries.append(make_try())
    page = browser.new_page()
    served.open(page)
    served.is_down = True
    wait_until(page, "server.connected === false")
    served.entries[1] = make_entry(Prompt(id="b", text="another"))
    served.version += 1
    served.is_down = False
    wait_until(page, "server.connected && server.stale.size > 0")
    page.locator("#prompts [data-number='1']").click()
    wait_until(page, "record(1).given.turns[0].text === 'another'")
    page.close()


def test_a_reload_finds_the_job_that_was_asked_for(page: Page, served: FakeServer) -> None:
    write_again(page, "1")
    served.finish(served.jobs[0], make_try())
    page.reload()
    wait_until(page, "state.with === 2")


def test_a_link_of_an_earlier_start_says_so(page: Page, served: FakeServer) -> None:
    served.token = "another"
    page.get_by_text("The server was started again, and this link is no longer valid.").wait_for()
    assert page.get_by_role("button", name="Load again").count() == 1


# ---- the queue, and what else can be asked ---------------------------------------------------------------------------


def test_everyone_sees_the_queue_and_the_keyboard_keeps_its_place(page: Page, served: FakeServer) -> None:
    served.jobs = [
        make_job("x1", "write", "a", "a~1") | {"state": "running", "share": 0.2, "author": "Ana", "note": "<i>"},
        make_job("x2", "each", "b") | {"place": 2, "left": 300.0},
        make_job("x3", "write", None, "new~1") | {"state": "failed", "error": "The prompt is too long."},
    ]
    wait_until(page, "document.querySelectorAll('#jobs li').length === 3")
    assert page.locator("#queue-summary").inner_text() == "2 in the queue, 1 failed"
    rows = [
        row.translate(str.maketrans("", "", "\u2068\u2069")).split("\n")[0]
        for row in page.locator("#jobs li").all_inner_texts()
    ]
    assert rows[0].startswith("a~1 writing, about 4 s left, Ana, “<i>”")
    assert rows[1].startswith("b: without each part place 2 in the queue, about 5 min left")
    assert rows[2].startswith("new~1 The prompt is too long.")
    page.get_by_role("button", name="Cancel: b: without each part").focus()
    served.jobs[0]["share"] = 0.9
    wait_until(page, "document.querySelector('#jobs progress').value === 0.9")
    assert page.evaluate("document.activeElement.closest('li').dataset.job") == "x2"
    page.keyboard.press("Enter")
    wait_until(page, "server.state !== null")
    page.wait_for_timeout(100)
    assert served.asked == [("DELETE", "jobs/x2", None)]
    served.jobs = []
    wait_until(page, "document.getElementById('queue').hidden")
    assert focused(page) == "main"


def test_a_failed_job_is_tried_again(page: Page, served: FakeServer) -> None:
    write_again(page, "1")
    served.jobs[0] |= {"state": "failed", "error": "Out of memory."}
    page.locator("#outcome").get_by_text("a~1 failed: Out of memory.").wait_for()
    served.answer = take_second
    page.get_by_role("button", name="Try again: a~1").click()
    wait_until(page, "server.state.jobs.length === 2")
    assert [asked[2] for asked in served.asked] == [served.asked[0][2]] * 2


def test_parts_are_taken_away_for_the_chosen_target(page: Page, served: FakeServer) -> None:
    page.locator("#written [role=option]").first.click()
    page.click("#each")
    assert "so" in page.locator("#asked-target").inner_text()
    page.locator("#each-panel select").select_option("sentence")
    page.get_by_role("button", name="Try them all").click()
    wait_until(page, "editor.job !== null")
    target = {"target": "1", "target_by": "line"}
    assert served.asked[0][2] == {"kind": "each", "id": "a", "by": "sentence", **target, "author": ""}
    parts = [(1, "one", None), (2, "<b>two", "no"), (3, "three", "")]
    rewritten = Rewritten(by="sentence", target_text="so", parts=parts)
    served.entries[0] = replace(served.entries[0], check=lambda _: Checks(rewritten=[rewritten]))  # pyright: ignore
    served.finish(served.jobs[0])
    wait_until(page, "!document.getElementById('rewritten').hidden && document.getElementById('rewritten').open")
    assert "2 of 3 sentences change the answer." in page.locator("#rewritten").inner_text()
    rows = [row.split("\t") for row in page.locator("#rewritten tbody").first.locator("tr").all_inner_texts()]
    assert rows == [["2", "<b>two", "no"], ["3", "three", "nothing"]]


def test_a_question_is_asked_otherwise(page: Page, served: FakeServer) -> None:
    page.click("#ask")
    first, second = page.locator("#ask-panel select").all()
    first.select_option("occlusion")
    second.select_option("logit")
    page.locator("#ask-panel input").fill("no")
    page.get_by_role("button", name="Measure").click()
    wait_until(page, "editor.job !== null")
    asked = {"method": "occlusion", "objective": "logit", "foil": "no"}
    assert served.asked[0][2] == {"kind": "ask", "id": "a", **asked, "author": ""}


def test_what_was_asked_otherwise_stands_below_its_prompt(page: Page, served: FakeServer) -> None:
    page.click("#ask")
    page.get_by_role("button", name="Measure").click()
    wait_until(page, "editor.job !== null")
    served.finish(served.jobs[0], replace(make_entry(Prompt(id="a", text=TEXT), source=1), name="a (lime)"))
    wait_until(page, "state.with === 2")
    listed = page.locator("#prompts li").all_inner_texts()
    assert [text.split("\n")[0] for text in listed] == ["a", "a (lime)", "b"]


def test_new_prompts_are_written_chosen_or_dropped(page: Page, served: FakeServer) -> None:
    page.click("#open-new")
    page.click("#new-write")
    assert page.locator("#new-problem").inner_text() == "The prompt is empty."
    page.fill("#new-text", "hello")
    page.check("#new-chat")
    page.locator("#new-text").press("Control+Enter")
    wait_until(page, "!document.getElementById('new').open")
    about = {"id": None, "chat": True, "note": "", "author": ""}
    assert served.asked[0][2] == {"kind": "write", "parent": None, "text": "hello", **about}
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["refuse"], "x.jsonl"));
          document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true }));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }"""
    )
    page.locator("#new-problem").get_by_text("expected a prompt, found nonsense").wait_for()
    assert served.asked[1][2] == {"kind": "file", "name": "x.jsonl", "text": "refuse", "author": ""}


def test_a_note_is_edited(browser: Browser, served: FakeServer) -> None:
    served.entries.append(make_try())
    page = browser.new_page(locale="en-GB")
    served.open(page, "#id=a~1")
    page.get_by_role("button", name="Edit the note").click()
    assert page.locator("#note-text").input_value() == "why not"
    page.fill("#note-text", "because")
    page.click("#note-save")
    wait_until(page, "!document.getElementById('note').open")
    assert served.asked == [("POST", "notes", {"id": "a~1", "note": "because", "author": "Kim"})]
    page.close()


# ---- what leaves the page --------------------------------------------------------------------------------------------


def test_the_link_leads_to_what_is_shown_and_warns(browser: Browser, served: FakeServer) -> None:
    context = browser.new_context(locale="zh-TW")
    page = context.new_page()
    served.open(page, "#id=b&target=1")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")  # as in a frame
    page.click("#copy-link")
    page.locator("#outcome input").wait_for()
    assert page.locator("#outcome input").input_value() == page.url
    assert page.url.startswith(f"{SITE}?token=secret#id=b&target=1")
    assert "任何人拿到這個連結，都能使用這個模型" in page.locator("#outcome").inner_text()
    context.close()


def test_nothing_is_wider_than_the_window_and_all_has_a_name(page: Page, served: FakeServer) -> None:
    served.jobs = [make_job("x1", "write", "a", "a~1" + "long" * 40) | {"author": "A" * 80, "note": "n" * 200}]
    wait_until(page, "!document.getElementById('queue').hidden")
    for open_next in ("#edit", "#each", "#ask", "#open-new"):
        page.click(open_next)
        assert page.evaluate(UNNAMED) == []
        for width in (390, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_file_is_kept_once_in_the_tab_not_for_each_prompt(browser: Browser, served: FakeServer) -> None:
    served.answer = take_three
    page = browser.new_page()
    served.open(page)
    page.evaluate("sendFile(new File(['a long text'], 'x.jsonl'))")
    wait_until(page, "Object.keys(mine).length === 3")
    assert "a long text" not in page.evaluate("sessionStorage.getItem(MINE)")
    page.close()


def test_a_prompt_that_was_made_in_a_folder_within_the_results_is_shown(page: Page, served: FakeServer) -> None:
    """As one is that another model wrote than that of the results."""
    page.get_by_role("button", name="Change line 2").click()
    page.locator("#editor textarea").fill("TWO")
    page.keyboard.press("Control+Enter")
    wait_until(page, "!document.getElementById('progress').hidden")
    entry = make_entry(Prompt(id="a~1", text="one\nTWO\r\nthree", label="tried", fields={"parent": "a", **TRIED}))
    served.finish(served.jobs[0], replace(entry, source=1, name="a~1 (other)"))
    wait_until(page, "document.getElementById('outcome').textContent.includes('is done')")
    wait_until(page, "state.with === 2")


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_what_was_typed_comes_back_where_nothing_came_of_it(page: Page, served: FakeServer, end: str) -> None:
    page.get_by_role("button", name="Change line 2").click()
    page.locator("#editor textarea").fill("TWO")
    page.keyboard.press("Control+Enter")
    wait_until(page, "!document.getElementById('progress').hidden")
    served.jobs[0] |= {"state": end, "error": "too long"}
    wait_until(page, "document.getElementById('progress').hidden")
    page.click("#edit")
    assert page.locator("#editor textarea").input_value() == "one\nTWO\nthree"
    page.evaluate("giveBack({ kind: 'write', parent: null, text: 'all new', id: 'n', chat: true, note: '' })")
    page.click("#open-new")
    assert [page.locator(f"#new-{name}").input_value() for name in ("text", "id")] == ["all new", "n"]
