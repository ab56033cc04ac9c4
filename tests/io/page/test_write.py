"""The page as a file: it holds every prompt, loads nothing, and no prompt can break out of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from promptlight.io.page.record import ReportEntry, to_record
from promptlight.io.page.write import describe_policy, render_page, write_report
from promptlight.io.results.reader import read_results
from promptlight.salience import Analysis, Prompt
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Turn
from tests.support.handmade import make_analysis
from tests.support.span_cases import build_completion

PAGE_LIMIT = 300_000  # bytes, without the prompts
RECORD = re.compile(r'<script type="application/json" class="record"[^>]*>(.*?)</script>', re.DOTALL)


def records_of(path: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(data) for data in RECORD.findall(path.read_text(encoding="utf-8"))]
    return {record["id"]: record for record in found}


def test_it_holds_every_prompt_and_loads_nothing(page_file: Path, demo_results: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    expected = [one.completion.prompt.id for one in read_results(demo_results) if isinstance(one, Analysis)]
    assert list(records_of(page_file)) == expected
    assert len(RECORD.sub("", text).encode()) < PAGE_LIMIT
    assert not re.findall(r"(?:src|href)\s*=|url\(|import\s|fetch\(|https?://", RECORD.sub("", text))


def test_no_prompt_is_a_tag(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><!-- & \" ' {{ 7*7 }} \x1b[31m\u202e"
    completion = build_completion(["<bos>", hostile], [hostile])
    prompt = Prompt(id=hostile, text=hostile, label=hostile)
    analysis = make_analysis(replace(completion, prompt=prompt))
    path = tmp_path / "page.html"
    entry = ReportEntry(analysis=analysis, name=hostile)
    assert write_report(path, [entry], title=hostile) == 1
    text = path.read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert text.count("<script") == text.count("</script>") == 7  # the record, five tables, and the page's own
    (record,) = records_of(path).values()
    assert record["id"] == printable(hostile)
    shown = "".join(record["texts"])
    assert shown.count(hostile[:30]) == 2
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown + "".join(record["words"]))


def test_a_served_page_may_talk_to_its_server_alone(page_file: Path) -> None:
    static = page_file.read_text(encoding="utf-8")
    served = "".join(render_page([], everything=dict, served=True))
    for text, is_served in ((static, False), (served, True)):
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = describe_policy(served=is_served)
        assert f'content="{policy}"' in text
        assert f"script-src 'sha256-{digest}'" in policy
        assert ("connect-src 'self'" in policy, " data-served>" in text) == (is_served, is_served)


def test_a_served_record_has_the_prompt_as_it_was_given() -> None:
    said = "one\n\x1btwo"
    completion = build_completion(["<bos>", f"user\n{said}\nmodel\n"], ["yes"])
    turn = Turn(role="user", start=5, stop=5 + len(said))
    for turns, text, role, line in (((), f"user\n{said}\nmodel\n", "", 1), ((turn,), said, "user", 2)):
        prompt = Prompt(id="a", text=f"user\n{said}\nmodel\n", turns=turns)
        entry = ReportEntry(analysis=make_analysis(replace(completion, prompt=prompt)), name="all/a")
        given = json.loads(to_record(entry, served=True).data)["given"]
        assert given == {"id": "a", "turns": [{"role": role, "line": line, "text": text}]}
        assert "given" not in json.loads(to_record(entry).data)
