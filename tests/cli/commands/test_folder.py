"""Which results folder the commands read: the one that is named, or else ``results`` here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.support.results import analysis, write

READING = {
    "show": (),
    "compare": ("--id", "one", "--with", "two"),
    "report": ("-o", "page.html"),
    "summarize": (),
    "export": ("-o", "table.csv"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", READING)
def test_without_a_name_it_is_results_if_that_is_here(promptlight: Command, here: Path, command: str) -> None:
    named = write(here / "results", analysis("one"), analysis("two"))
    write(here / "others", analysis("three"))
    unnamed = promptlight(command, *READING[command])
    assert (unnamed.exit_code, unnamed.stderr) == (0, "")
    for made in (*here.glob("*.html"), *here.glob("*.csv")):
        made.unlink()
    assert promptlight(command, named.name, *READING[command]) == unnamed


@pytest.mark.parametrize("command", [*READING, "try", "evaluate"])
def test_without_a_name_and_without_results_it_says_what_to_give(
    promptlight: Command, here: Path, command: str
) -> None:
    (here / "results").write_text("a file, no folder", encoding="utf-8")
    refused = promptlight(command, *READING.get(command, ()))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "found none named and no results/ here: name one" in refused.stderr
    other = {"show": "--prompt TEXT", "try": "--prompt TEXT", "evaluate": "--benchmark NAME"}.get(command)
    assert (f"or give {other}" if other else "name one;") in refused.stderr


def test_a_prompt_is_explained_even_where_results_are(promptlight: Command, here: Path) -> None:
    write(here / "results", analysis("one"))
    shown = promptlight("show", "--prompt", "Say one.", "--max-new-tokens", "2", "--device", "cpu")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("prompt\n")
