"""A stranger's path: what README says to type works as typed, in this order.

``test_installed.py`` does it from a wheel.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.support.paths import EXAMPLES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TYPED = [shlex.split(line, comments=True) for line in re.findall(r"^    (\S.*)$", README, re.MULTILINE)]
NEEDS_MORE = {"--model": "a real model", "explore": "a terminal", "serve": "a browser"}


def test_what_is_typed_works(promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(EXAMPLES)
    done: dict[str, str] = {}
    for command, *arguments in TYPED:
        if command == "promptlight" and not NEEDS_MORE.keys() & set(arguments):
            outcome = promptlight(*arguments)
            assert outcome.exit_code == 0, (arguments, outcome.stderr)
            done[" ".join(arguments[:2])] = outcome.stdout
    assert list(done) == [
        *("show gemma-tutorial", "compare gemma-tutorial", "run examples/prompts.jsonl"),
        *("list", "show results/", "why results/", "try results/", "report results/"),
    ]
    assert "Look first at line 9 of the prompt, “Recommendation: You have to try it.”" in done["show gemma-tutorial"]
    assert "{+Avoid+}" in done["compare gemma-tutorial"]
    assert "Avoid." in done["why results/"]
    assert "{+Avoid+}" in done["try results/"]
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_command_is_found_before_it_is_typed() -> None:
    """Either .venv is activated, or uv puts the command on the PATH."""
    before = TYPED[: next(number for number, words in enumerate(TYPED) if words[0] == "promptlight")]
    assert before == [
        ["make", "setup", "&&", "source", ".venv/bin/activate"],
        ["uv", "tool", "install", "--constraints", "constraints.txt", "--overrides", "overrides.txt", "."],
    ]
    assert all((ROOT / name).is_file() for name in ("constraints.txt", "overrides.txt"))


def test_every_target_of_make_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= set(targets)
    assert "make test" in README  # which CI runs


def test_the_demo_ends_with_what_to_do_next_as_it_works_without_activating() -> None:
    said = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    *_, look, share = re.findall(r"echo \"([^\"]*)\"", said)
    assert ".venv/bin/promptlight explore results/" in look
    assert ".venv/bin/promptlight report results/ -o report.html" in share
