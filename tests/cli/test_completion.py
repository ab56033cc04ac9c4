"""What a shell offers after Tab, asked as bash asks it."""

# pyright: standard

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptlight.cli.options.completion import MODELS
from promptlight.salience.loading.model_size import MODELS as KNOWN_MODELS
from promptlight.salience.types import Granularity
from tests.support.results import analysis, set_aside, write
from tests.support.source_code import modules_loaded_by


@pytest.fixture
def here(tmp_path: Path) -> Path:
    write(tmp_path / "results", analysis("one"), set_aside("two"), analysis("three"))
    write(tmp_path / "deep" / "others", analysis("four"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no folder")
    return tmp_path


def complete(here: Path, line: str) -> list[str]:
    """What bash is offered at the end of a line."""
    words = line.split(" ")
    asked = {"_PROMPTLIGHT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    code = "from promptlight.cli.app import app; app(prog_name='promptlight')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=os.environ | asked, capture_output=True, encoding="utf-8"
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("promptlight show results --id ", ["one", "two", "three"]),
        ("promptlight show --id t", ["two", "three"]),
        ("promptlight compare deep/others --with ", ["four"]),
        ("promptlight explore gemma-tutorial --id dish-m", ["dish-mistake"]),
        ("promptlight report results deep/others -o x --id ", ["one", "two", "three", "four"]),
        ("promptlight why results --id o", ["one"]),
        ("promptlight show nowhere --id ", []),
        ("promptlight show ", ["deep/", "empty/", "results", "gemma-tutorial"]),
        ("promptlight show de", ["deep/"]),
        ("promptlight list deep/", ["deep/others"]),
        ("promptlight export results --by ", [*Granularity, "regex:"]),
        ("promptlight show --target-by s", ["sentence", "section"]),
        ("promptlight run x.jsonl --model d", ["demo"]),
        ("promptlight list --where ", ["note=", "n=", "id=", "source="]),
        ("promptlight list --where source=", ["source=menu"]),
        ("promptlight list nowhere --where source=", []),
        ("promptlight run ", ["deep/", "empty/", "notes.txt", "results/", "sample_prompts"]),
        ("promptlight segment no", ["notes.txt"]),
        ("promptlight run x.jsonl --store line,w", ["line,word"]),
        ("promptlight run x.jsonl --method gr", ["grad_l2", "grad_dot_input"]),
        ("promptlight show gemma-tutorial --target ", ["Recommendation"]),
        ("promptlight why gemma-tutorial --id dish-fixed --target R", ["Recommendation"]),
        ("promptlight show nowhere --target ", []),
    ],
)
def test_what_is_offered(here: Path, line: str, expected: list[str]) -> None:
    assert complete(here, line) == expected


def test_the_models_are_those_that_doctor_lists() -> None:
    assert set(MODELS) == {"demo", *KNOWN_MODELS}


def test_it_loads_no_torch(here: Path) -> None:
    code = """if True:
        from types import SimpleNamespace
        from promptlight.cli.options.completion import complete_condition, complete_folder, complete_id, complete_model
        here = SimpleNamespace(params={}, args=[])
        assert complete_id(here, "") == ["one", "two", "three"]
        complete_condition(here, ""), complete_folder(""), complete_model("")"""
    assert not modules_loaded_by(code, here) & {"torch", "keras"}
