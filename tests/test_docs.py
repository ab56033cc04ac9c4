"""The docs say what the code does."""

from __future__ import annotations

import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import pytest

from tests.support.generated import BLOCKS, DOCS, generate
from tests.support.pictures import PICTURES, VIEWS, draw_view, make_results, read_picture
from tests.support.real import STORY_RUN

ROOT = DOCS.parent
FOLDERS = ("cli", "salience", "io", "tests", "docs", "examples")
MORE_PAGES = (
    "README",
    "CONTRIBUTING",
    "CHANGELOG",
    "SECURITY",
    "examples/README",
    "salience/demo/README",
    "io/results/gemma_tutorial/README",
)
PAGES = sorted([*DOCS.glob("*.md"), *(ROOT / f"{name}.md" for name in MORE_PAGES)])


def name_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def list_file_names() -> set[str]:
    """The names of all files of the code, without their folders."""
    return {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")}


@pytest.mark.parametrize("page", BLOCKS)
def test_what_is_made_from_code_is_up_to_date(page: str) -> None:
    assert generate(page) == (DOCS / page).read_text(encoding="utf-8"), "run make docs"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=name_page)
def test_a_page_begins_with_a_paragraph_for_its_reader(page: Path) -> None:
    """After the title and the way to its translation come sentences, no command, table or picture."""
    title, *rest = page.read_text(encoding="utf-8").split("\n\n")
    first = next(part for part in rest if not re.fullmatch(r"\[[^]]+\]\([^)]+\)", part))
    assert title.startswith("# ")
    assert re.match(r"[^\W\d]", first), first
    if page.name.endswith(".zh-TW.md"):
        assert "你" in first
    else:
        assert re.search(r"\b(you|your)\b", first, re.IGNORECASE), first


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = [path.rstrip(".") for path in re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]+", text)]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [name for name in re.findall(r"`(\w+\.(?:py|js|css|tcss|j2))`", text) if name not in list_file_names()] == []


def test_the_walk_leads_from_the_command_to_the_formula_in_three_jumps() -> None:
    """Each step names a file and a function in it, and uses the next step's."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    steps = re.findall(r"^\d\. `([\w/]+\.py)`: `(\w+)`", text, re.MULTILINE)
    assert len(steps) == 1 + 3
    sources = [(ROOT / path).read_text(encoding="utf-8") for path, _ in steps]
    for source, (_, name) in zip(sources, steps, strict=True):
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), name
    for source, (_, name) in zip(sources, steps[1:], strict=False):
        assert re.search(rf"\b{name}\(", source), name
    formula = re.search(r"def _take_l2_norm\(.*?\n\n\n", sources[-1], re.DOTALL)
    assert formula
    assert "gradient.norm(dim=-1)" in formula[0]


def test_the_map_has_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line for line in text[text.index("| To change") :].splitlines()[2:] if line.startswith("| ")]
    rooms = [
        path.parent.relative_to(ROOT).as_posix()
        for house in FOLDERS[:3]
        for path in (ROOT / house).glob("*/__init__.py")
    ]
    assert len(rooms) > 10
    assert [room for room in rooms if not any(f"`{room}/`" in row for row in rows)] == []
    assert len(rows) <= 25


def test_the_readme_is_one_screen_and_leads_to_the_index() -> None:
    """The index leads to every page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/README.md)" in readme
    assert len(readme.splitlines()) <= 50


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    listed = re.findall(r"\]\(([\w.-]+)\)", index.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md") if page != index)


@pytest.fixture(scope="module")
def shap_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results("SHAP", tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("name", VIEWS)
def test_pictures_are_what_the_commands_draw(name: str, demo_results: Path, shap_results: Path, tmp_path: Path) -> None:
    results = shutil.copytree(demo_results, tmp_path / "results")  # `why` keeps its answer in the folder
    draw_view(name, {"RESULTS": results, "SHAP": shap_results}, tmp_path / "new.svg")
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


def test_make_real_runs_the_story_that_the_tests_run() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    options = re.search(r"^REAL_RUN := (.*)$", makefile, re.MULTILINE)
    assert options
    assert shlex.split(options[1]) == STORY_RUN[2:]
    assert f"DEMO_PROMPTS := {STORY_RUN[1]}" in makefile
