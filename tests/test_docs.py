"""The docs say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.generated import BLOCKS, DOCS, generate
from tests.support.pictures import PICTURES, VIEWS, draw_view, make_results, read_picture

ROOT = DOCS.parent
PAGES = sorted([*DOCS.glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))])


@pytest.mark.parametrize("page", BLOCKS)
def test_what_is_made_from_code_is_up_to_date(page: str) -> None:
    assert generate(page) == (DOCS / page).read_text(encoding="utf-8"), "run make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in readme] == []


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    listed = re.findall(r"\]\(([\w.-]+)\)", index.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md") if page != index)


@pytest.fixture(scope="module")
def shap_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results("SHAP", tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("name", VIEWS)
def test_pictures_are_what_the_commands_draw(name: str, demo_results: Path, shap_results: Path, tmp_path: Path) -> None:
    draw_view(name, {"RESULTS": demo_results, "SHAP": shap_results}, tmp_path / "new.svg")
    assert read_picture(tmp_path / "new.svg") == read_picture(PICTURES / f"{name}.svg"), "run make pictures"


@pytest.mark.parametrize("name", VIEWS)
def test_the_command_before_a_picture_is_the_one_that_draws_it(name: str) -> None:
    page = (DOCS / "views.md").read_text(encoding="utf-8")
    before, found, _ = page.partition(f"pictures/{name}.svg")
    shown = [line.strip() for line in before.splitlines() if line.startswith("    promptlight ")]
    assert found
    assert not re.search(r"pictures/", before[before.rindex(shown[-1]) :]), "the picture before has this command"
    folders = {"RESULTS": "results/", "SHAP": "results-shap/"}
    parts = [folders.get(part, f'"{part}"' if " " in part else part) for part in VIEWS[name]]
    assert shown[-1] == " ".join(["promptlight", *parts]).replace(" --width 120", "")
