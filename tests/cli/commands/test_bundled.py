"""``gemma-tutorial`` is taken where a results folder is, and nothing is written into the package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promptlight.io.results.folders import BUNDLED
from promptlight.io.results.shards import EVALUATION_FOLDER
from tests.conftest import Command

NAME = "gemma-tutorial"
MISTAKE = ("--id", "dish-mistake", "--by", "line", "--target", "Recommendation")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", NAME, *MISTAKE),
        ("compare", NAME, "--id", "dish-mistake", "--with", "dish-fixed", "--target", "Recommendation"),
        ("compare", NAME, NAME, "--id", "dish-mistake", "--with", "dish-fixed", "--target", "Recommendation"),
        ("report", NAME, "-o", "page.html"),
        ("summarize", NAME),
        ("list", NAME),
        ("export", NAME, "--by", "line", "-o", "spans.parquet"),
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_it_is_viewed_without_a_model_from_an_empty_folder(here: Path, arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from promptlight.cli.__main__ import main\n"
        "try: main()\nfinally: print('loaded:', sorted({'torch', 'keras', 'keras_hub'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here)
    assert done.stdout.endswith("loaded: []\n")
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) > 1


def test_the_mistaken_line_is_shown_first(promptlight: Command, here: Path) -> None:
    shown = json.loads(promptlight("show", NAME, *MISTAKE, "--json").stdout)
    assert shown["sources"][0]["text"].strip() == "Recommendation: You have to try it."


def test_a_wrong_name_is_answered_with_the_right_one(promptlight: Command, here: Path) -> None:
    for arguments in (("gemma-tutoral",), ()):
        refused = promptlight("show", *arguments)
        assert refused.exit_code != 0
        assert f"{NAME} comes with promptlight" in refused.stderr


def test_a_run_makes_a_folder_of_its_own(promptlight: Command, here: Path) -> None:
    before = sorted(BUNDLED[NAME].iterdir())
    promptlight("run", "sample_prompts", "--limit", "1", "--max-new-tokens", "2", "--device", "cpu", "-o", NAME)
    assert list((here / NAME).glob("*.parquet"))
    assert sorted(BUNDLED[NAME].iterdir()) == before


@pytest.mark.parametrize("command", [("try", "--replace", "You have to try it.=>Avoid."), ("evaluate",)])
def test_what_needs_the_model_says_where_to_get_it(promptlight: Command, here: Path, command: tuple[str, ...]) -> None:
    name, *options = command
    refused = promptlight(name, NAME, *options)
    assert refused.exit_code == 4
    assert "gemma-3-270m-q4_k_m.gguf: no such file; it made these results" in refused.stderr
    assert "`make real`" in refused.stderr


def test_evaluate_keeps_nothing_in_the_package(
    promptlight: Command, here: Path, demo_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results of the demo stand in for the real model's."""
    folder = here / "package"
    shutil.copytree(demo_results, folder)
    monkeypatch.setitem(BUNDLED, "demo-tutorial", folder)
    few = ("--random-orders", "2", "--noisy-texts", "0", "--device", "cpu")
    done = promptlight("evaluate", "demo-tutorial", "--id", "dish-mistake", *few)
    assert done.exit_code == 0
    assert "not saved: these results are part of promptlight" in done.stdout
    assert not (folder / EVALUATION_FOLDER).exists()
