"""``promptlight report``: which prompts the page holds, under which names, and that no file is lost."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command
from tests.support.paths import EXAMPLES

HEAD = re.compile(r'<script type="application/json" class="record" data-head="([^"]*)"')
OPENING = re.compile(r'<script type="application/json" id="opening">([^<]*)<')
EVERYTHING = re.compile(r'<script type="application/json" id="everything">([^<]*)<')


def ids_of(path: Path) -> list[str]:
    return [json.loads(html.unescape(head))["id"] for head in HEAD.findall(path.read_text(encoding="utf-8"))]


def opening_of(path: Path) -> dict[str, Any]:
    (opening,) = OPENING.findall(path.read_text(encoding="utf-8"))
    return json.loads(opening)


def test_what_exists_is_kept(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("mine", encoding="utf-8")
    refused = promptlight("report", demo_results, "-o", path)
    assert (refused.exit_code, path.read_text(encoding="utf-8")) == (5, "mine")
    done = promptlight(
        "report", demo_results, "-o", path, "--overwrite", "--id", "dish-fixed", "--title", "Mine & yours"
    )
    assert (done.exit_code, ids_of(path)) == (0, ["dish-fixed"])
    assert "1 prompts in" in done.stdout
    assert '<h1 id="title">Mine &amp; yours</h1>' in path.read_text(encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_folders_stand_side_by_side_under_their_names(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(demo_results, other)
    path = tmp_path / "page.html"
    done = promptlight("report", demo_results, other, "-o", path, "--id", "dish-fixed")
    assert done.exit_code == 0
    assert ids_of(path) == [f"dish-fixed ({demo_results.name})", "dish-fixed (other)"]
    assert str(demo_results.parent) not in path.read_text(encoding="utf-8")  # a path may name a person
    same = tmp_path / "deeper" / "other"
    shutil.copytree(other, same)
    done = promptlight("report", other, same, "-o", path, "--id", "dish-fixed", "--overwrite")
    assert ids_of(path) == [f"dish-fixed ({other})", f"dish-fixed ({same})"]


def test_sections_are_named(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    sections = EXAMPLES / "sections.toml"
    done = promptlight("report", demo_results, "-o", path, "--id", "dish-fixed", "--sections", sections)
    assert done.exit_code == 0
    assert '"example 1"' in path.read_text(encoding="utf-8")


def test_the_page_opens_as_asked(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert promptlight("report", demo_results, "-o", path, "--id", "dish-fixed").exit_code == 0
    assert opening_of(path) == {
        **dict.fromkeys(("id", "title", "targetBy")),
        "view": "one",
        "sourceBy": "line",
        "pool": "sum",
        "way": "direct",
        "colours": "safe",
        "marking": "highlight",
        "intensity": 0.4,
    }
    options = ["--open", "dish-fixed", "--by", "word", "--target-by", "sentence", "--pool", "max", "--overview"]
    options += ["--intensity", "0.7", "--marking", "underline", "--colours", "lit", "--lang", "zh-TW"]
    assert promptlight("report", demo_results, "-o", path, "--overwrite", *options).exit_code == 0
    assert opening_of(path) == {
        "id": "dish-fixed",
        "title": None,
        "targetBy": "sentence",
        "view": "overview",
        "sourceBy": "word",
        "pool": "max",
        "way": "direct",
        "colours": "lit",
        "marking": "underline",
        "intensity": 0.7,
    }
    assert '<html lang="zh-TW"' in path.read_text(encoding="utf-8")
    assert promptlight("report", demo_results, "-o", path, "--overwrite", "--way", "through").exit_code == 0
    assert opening_of(path)["way"] == "through"


def test_a_target_is_looked_for_in_every_prompt(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    done = promptlight("report", demo_results, "-o", path, "--target", "Recommendation")
    assert done.exit_code == 0
    assert re.search(r"\n\d+ of \d+ have no such target, and open with their last line: chinese, ", done.stdout)
    nowhere = promptlight("report", demo_results, "-o", path, "--target", "no such text", "--overwrite")
    assert nowhere.exit_code == 2
    assert "'no such text': expected text" in nowhere.stderr
    assert "Recommendation" in path.read_text(encoding="utf-8")  # the file stays as it was


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--open", "dish-fixt"], "found dish-fixt; did you mean dish-fixed?"),
        (["--open", "zzz"], "found zzz; it has dish-mistake, dish-fixed"),
        (["--by", "regex:x"], "expected a cut that readers of the page can choose"),
        (["--target-by", "lien"], "did you mean line"),
        (["--pool", "max", "--way", "all"], "only sums can be passed on"),
    ],
)
def test_what_readers_could_not_open_is_refused(
    promptlight: Command, demo_results: Path, tmp_path: Path, options: list[str], reason: str
) -> None:
    path = tmp_path / "page.html"
    refused = promptlight("report", demo_results, "-o", path, *options)
    assert refused.exit_code == 2
    assert reason in refused.stderr
    assert not path.exists()


def test_the_page_says_what_was_skipped_and_sums_up(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    listed = json.loads(promptlight("list", demo_results, "--json").stdout)["prompts"]
    assert promptlight("report", demo_results, "-o", path).exit_code == 0
    everything = everything_of(path)
    skipped = [(one["id"], one["line"], one["set_aside"]) for one in listed if one["set_aside"]]
    assert [(one["id"], one["line"], one["reason"]) for one in everything["skipped"]] == skipped
    summary = json.loads(promptlight("summarize", demo_results, "--json").stdout)
    (whole,) = (part for part in everything["summaries"] if part["label"] is None)
    assert whole["prompts"] == summary["n_prompts"]
    shared = [(one["name"], one["n_top"]) for one in summary["groups"] if one["n_prompts"] > 1]
    assert [(one["name"], one["top"]) for one in whole["groups"]] == shared[:15]

    done = promptlight("report", demo_results, "-o", path, "--overwrite", "--id", "dish-fixed", "--way", "through")
    assert done.exit_code == 0
    everything = everything_of(path)
    assert everything["skipped"] == []
    assert everything["question"] == {"target": "-1", "targetBy": "line", "by": "line", "way": "through"}


def everything_of(path: Path) -> dict[str, Any]:
    (everything,) = EVERYTHING.findall(path.read_text(encoding="utf-8"))
    return json.loads(everything)
