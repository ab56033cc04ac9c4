"""The command line as a whole, from outside: what a wrong word, a bug and a closed pipe do."""

# pyright: standard

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from promptlight.cli.app import app
from promptlight.cli.options.values import find_choices
from promptlight.cli.renamed import NEW_NAMES, rename_arguments
from tests.conftest import Command

GROUP: Any = typer.main.get_command(app)


def test_the_commands_are_these() -> None:
    assert list(GROUP.commands) == [
        "run",
        "segment",
        "list",
        "show",
        "explore",
        "compare",
        "report",
        "export",
        "why",
        "try",
        "serve",
        "summarize",
        "evaluate",
        "doctor",
        "login",
    ]


def test_the_help_has_the_commands_in_groups(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = promptlight("--help").stdout
    panels = re.findall(r"╭─ ([\w ]+) ─", shown)
    assert panels == ["Options", "Make results", "Look at results", "Ask the model again", "Measure", "Set up"]
    in_order = re.findall(r"^│ ([a-z]+)  ", shown, re.MULTILINE)
    assert in_order == list(GROUP.commands)


@pytest.mark.parametrize("name", ["", *GROUP.commands])
def test_help_names_values_in_one_piece_and_none_for_flags(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = promptlight(*filter(None, [name]), "--help").stdout
    options = shown[shown.index("─ Options") :]
    assert "<bool>" not in options
    assert "<str>" not in options
    command = GROUP.commands.get(name, GROUP)
    for option in (one for one in command.params if one.param_type_name == "option"):
        for choice in find_choices(option):
            assert re.search(rf"(?<![\w-]){re.escape(choice)}(?![\w-])", options), choice


def test_help_lists_every_command_with_its_first_sentence(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for flag in ("--help", "-h"):
        shown = promptlight(flag)
        assert (shown.exit_code, shown.stderr) == (0, "")
        for name, command in GROUP.commands.items():
            assert f" {name} " in shown.stdout
            assert command.help.split("\n")[0] in shown.stdout


@pytest.mark.parametrize("name", list(GROUP.commands))
def test_help_of_a_command_explains_each_of_its_options(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = promptlight(name, "--help")
    assert shown.exit_code == 0
    for parameter in GROUP.commands[name].params:
        assert parameter.help, parameter.name
        assert parameter.help.split("[")[0].strip()[:60] in shown.stdout
        assert parameter.param_type_name == "argument" or max(parameter.opts, key=len) in shown.stdout


def test_the_root_options_have_help() -> None:
    assert [parameter.name for parameter in GROUP.params if not parameter.help] == []


def test_version_is_the_installed_one(promptlight: Command) -> None:
    shown = promptlight("--version")
    assert (shown.exit_code, shown.stdout) == (0, f"promptlight {version('promptlight')}\n")


def test_no_command_shows_the_help_and_an_unknown_one_is_refused(promptlight: Command) -> None:
    nothing, unknown = promptlight(), promptlight("shwo")
    assert nothing.exit_code == 2
    assert "export" in nothing.stdout + nothing.stderr
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "shwo" in unknown.stderr


def test_a_bug_keeps_its_traceback(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("kagglehub.login", fail)
    with pytest.raises(ZeroDivisionError):
        promptlight("login")


@pytest.mark.parametrize("command", ["show", "export"])
def test_a_reader_that_has_seen_enough_gets_no_traceback(demo_results: Path, tmp_path: Path, command: str) -> None:
    code = (  # a pipe whose reader is gone before the first word
        "import os, sys\n"
        "reading, writing = os.pipe(); os.close(reading); os.dup2(writing, 1)\n"
        "from promptlight.cli.__main__ import main\n"
        "main()"
    )
    output = ["-o", str(tmp_path / "spans.csv")] if command == "export" else []
    arguments = [sys.executable, "-c", code, command, str(demo_results), *output]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == 1
    assert command == "show" or (tmp_path / "spans.csv").stat().st_size > 0


@pytest.mark.parametrize("arguments", [["--help"], ["show"], ["export", "-o", "spans.jsonl"]])
def test_what_needs_no_model_loads_none(demo_results: Path, tmp_path: Path, arguments: list[str]) -> None:
    heavy = {"torch", "keras", "keras_hub", "kagglehub"} | ({"pandas", "pyarrow"} if arguments == ["--help"] else set())
    code = (
        "import sys; from promptlight.cli.__main__ import main\n"
        f"try: main()\nfinally: print('loaded:', sorted({heavy} & set(sys.modules)))"
    )
    folder = [] if arguments == ["--help"] else [str(demo_results)]
    command = [sys.executable, "-c", code, arguments[0], *folder, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.endswith("loaded: []\n")
    assert len(done.stdout.splitlines()) > 1


@pytest.mark.parametrize("options", [("--samples", "0"), ("--samples=0",)])
def test_an_option_is_taken_by_its_old_name_with_a_line_that_says_so(
    promptlight: Command, options: tuple[str, ...]
) -> None:
    refused = promptlight("run", "sample_prompts", "-o", "x", *options)
    first, *rest = refused.stderr.splitlines()
    assert first == "promptlight run: --samples is called --ablations now"
    assert "--ablations: expected a whole number from 1 on, found '0'" in "".join(rest)


def test_old_names_are_options_no_more_and_new_ones_are() -> None:
    for name, renamed in NEW_NAMES.items():
        options = {option for one in GROUP.commands[name].params for option in one.opts}
        assert {f"--{new}" for new in renamed.values()} <= options
        assert not {f"--{old}" for old in renamed} & options


def test_what_is_no_option_keeps_its_name() -> None:
    assert list(rename_arguments("run", ["samples", "--", "--samples"])) == ["samples", "--", "--samples"]
    assert list(rename_arguments("show", ["--samples"])) == ["--samples"]


def test_the_help_of_run_has_six_options_first_and_then_panels_by_purpose() -> None:
    options = [one for one in GROUP.commands["run"].params if one.param_type_name == "option"]
    first = [max(one.opts, key=len) for one in options if not one.rich_help_panel]
    assert first == ["--output", "--model", "--chat", "--max-new-tokens", "--dry-run", "--method"]
    panels = list(dict.fromkeys(one.rich_help_panel for one in options if one.rich_help_panel))
    assert panels == ["Input", "Model", "Text", "Explanation", "Output", "Scale"]


LEANING = re.compile(r"(its|their|they|them|it|the same|the one|another one|as in|of them)\b|how:", re.IGNORECASE)


@pytest.mark.parametrize("name", list(GROUP.commands))
def test_a_help_text_needs_no_other_one_to_be_understood(name: str) -> None:
    for parameter in GROUP.commands[name].params:
        assert not LEANING.match(parameter.help), parameter.help
        assert parameter.help.endswith("."), parameter.help


def test_a_help_text_is_wrapped_by_the_width_alone(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (60, 100, 160):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = promptlight("run", "--help").stdout
        assert all(len(line) <= width for line in shown.splitlines())
        paragraph = shown.partition("A record that")[2].partition("\n \n")[0].partition("╭")[0]
        assert all(len(line) > width - 30 for line in paragraph.rstrip().splitlines()[:-1])


@pytest.mark.parametrize("name", list(GROUP.commands))
def test_options_stand_in_panels_that_can_be_overseen(name: str) -> None:
    panels = Counter(
        one.rich_help_panel for one in GROUP.commands[name].params if one.param_type_name == "option" and not one.hidden
    )
    assert panels.pop(None, 0) <= 6
    assert all(n_options <= 15 for n_options in panels.values())


@pytest.mark.parametrize("name", list(GROUP.commands))
def test_no_type_is_broken_inside_a_word(promptlight: Command, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [line.strip("│ ") for line in promptlight(name, "--help").stdout.splitlines()]
    assert [row for row in rows if re.search(r"<[a-z][\w|-]*(  |$)|(^|  )[|>]", row)] == []
