"""The docs say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.generated import BLOCKS, DOCS, generate

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
