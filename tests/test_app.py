"""The command line as a whole: help, version, login."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from promptlight.cli.app import app

COMMANDS = ("run", "show", "export", "login")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(command: str) -> None:
    group = typer.main.get_command(app)
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    parameters = group.commands[command].params  # type: ignore[attr-defined]
    assert all(parameter.help for parameter in parameters), command
    assert group.commands[command].help  # type: ignore[attr-defined]


def test_help_lists_all_commands() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(f" {command} " in shown for command in COMMANDS)


def test_version_is_the_packages() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("promptlight 0.")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['promptlight', '--help']\n"
        "from promptlight.cli.__main__ import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'keras', 'pandas', 'pyarrow', 'kagglehub'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_login_hands_over_to_kagglehub(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr("kagglehub.login", lambda: called.append(True))
    assert CliRunner().invoke(app, ["login"]).exit_code == 0
    assert called == [True]
