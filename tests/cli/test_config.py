"""``promptlight.toml``: its keys are the options, the command line comes first, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlight.io.results.reader import read_settings
from tests.conftest import Command


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text('{"id": "a", "prompt": "Hello"}\n', encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str, name: str = "promptlight.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_options_come_from_the_file_and_the_command_line_comes_first(promptlight: Command, here: Path) -> None:
    write(here, 'device = "cpu"\n[run]\nmax-new-tokens = 2\nmethod = ["grad_dot_input", "grad_l2"]\n')
    assert promptlight("run", "prompts.jsonl", "-o", "one").exit_code == 0
    settings = read_settings(here / "one")
    assert (settings["max_new_tokens"], settings["methods"]) == (2, ["grad_dot_input", "grad_l2"])
    assert promptlight("run", "prompts.jsonl", "-o", "two", "--max-new-tokens", 3).exit_code == 0
    assert read_settings(here / "two")["max_new_tokens"] == 3


def test_a_byte_order_mark_is_no_part_of_the_file(promptlight: Command, here: Path) -> None:
    (here / "promptlight.toml").write_text('by = "no cut"\n', encoding="utf-8-sig")
    assert "no cut" in promptlight("segment", "prompts.jsonl").stderr


def test_a_key_may_be_an_options_old_name(promptlight: Command, here: Path) -> None:
    write(here, 'device = "cpu"\n[run]\nsamples = 16\nmethod = ["shap"]\nmax-new-tokens = 2\n')
    done = promptlight("run", "prompts.jsonl", "-o", "out", "--sources", "word")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, "promptlight run: --samples is called --ablations now")
    assert read_settings(here / "out")["samples"] == 16


def test_a_file_can_be_named_and_is_checked_as_options_are(promptlight: Command, here: Path) -> None:
    other = write(here, '[show]\nby = "token"\ntop = 1\n', "mine.toml")
    promptlight("run", "prompts.jsonl", "-o", "out", "--device", "cpu", "--max-new-tokens", 4)
    named = promptlight("--config", other, "show", "out")
    assert named.stdout == promptlight("show", "out", "--by", "token", "--top", 1).stdout
    assert named.stdout != promptlight("show", "out").stdout
    write(here, "[show]\ntop = -1\n", "mine.toml")
    assert promptlight("--config", other, "show", "out").exit_code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle = 1\n", "expected an option of a command, found 'modle'"),
        ("[run]\ntop = 3\n", "expected an option of run, found 'top'; did you mean stop? see `promptlight run --help`"),
        ("[runs]\n", "expected a command (run, segment, "),
        ("this is no TOML", "could not be read"),
    ],
)
def test_what_is_wrong_with_it_is_said(promptlight: Command, here: Path, text: str, says: str) -> None:
    write(here, text)
    shown = promptlight("show", "anything")
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert says in shown.stderr
    assert "promptlight.toml" in shown.stderr


def test_a_named_file_that_is_missing_is_an_error(promptlight: Command) -> None:
    shown = promptlight("--config", "nowhere.toml", "doctor")
    assert shown.exit_code == 2
    assert "nowhere.toml: could not be read" in shown.stderr
