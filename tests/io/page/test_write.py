"""The page as a file: it holds every prompt, loads nothing, and no prompt can break out of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import write_report
from promptlight.io.results.reader import read_results
from promptlight.salience import Analysis, Prompt
from promptlight.salience.text.printable import printable
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
