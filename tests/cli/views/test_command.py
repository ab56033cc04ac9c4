"""The commands that are printed work as printed, with and without an activated environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from promptlight.cli.views.command import name_command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an environment that has the command."""
    command = tmp_path / ".venv" / "bin" / "promptlight"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n", encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "typed", "named"),
    [
        ("{here}/.venv/bin", "{here}/.venv/bin/promptlight", "promptlight"),  # found by its name
        ("/nowhere", ".venv/bin/promptlight", ".venv/bin/promptlight"),
        ("{here}/other", ".venv/bin/promptlight", ".venv/bin/promptlight"),  # another one is found
        ("/nowhere", "{here}/.venv/lib/promptlight/__main__.py", "promptlight"),
    ],
)
def test_a_command_is_named_as_it_can_be_typed(
    here: Path, monkeypatch: pytest.MonkeyPatch, path: str, typed: str, named: str
) -> None:
    other = here / "other" / "promptlight"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n", encoding="utf-8")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", path.format(here=here) + os.pathsep + "/nowhere")
    monkeypatch.setattr(sys, "argv", [typed.format(here=here)])
    assert name_command() == named
