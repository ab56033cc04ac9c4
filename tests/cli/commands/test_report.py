"""``promptlight report``: which prompts the page holds, under which names, and that no file is lost."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.conftest import Command
from tests.support.paths import EXAMPLES

ID = re.compile(r'<script type="application/json" class="record" data-id="([^"]*)"')


def ids_of(path: Path) -> list[str]:
    return ID.findall(path.read_text(encoding="utf-8"))


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
    assert "<h1>Mine &amp; yours</h1>" in path.read_text(encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_folders_stand_side_by_side_under_their_names(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(demo_results, other)
    path = tmp_path / "page.html"
    done = promptlight("report", demo_results, other, "-o", path, "--id", "dish-fixed")
    assert done.exit_code == 0
    assert ids_of(path) == [f"dish-fixed ({demo_results})", f"dish-fixed ({other})"]


def test_sections_are_named(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    sections = EXAMPLES / "sections.toml"
    done = promptlight("report", demo_results, "-o", path, "--id", "dish-fixed", "--sections", sections)
    assert done.exit_code == 0
    assert '"example 1"' in path.read_text(encoding="utf-8")


def test_the_page_opens_with_the_way(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    checked = re.compile(r'name="way" value="(\w+)" autocomplete="off" checked')
    for options, way in (([], "direct"), (["--way", "through"], "through")):
        done = promptlight("report", demo_results, "-o", path, "--id", "dish-fixed", "--overwrite", *options)
        assert done.exit_code == 0
        assert checked.findall(path.read_text(encoding="utf-8")) == [way]
