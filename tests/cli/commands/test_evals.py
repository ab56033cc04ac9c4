"""From an evaluation's log to why an answer was wrong, in the words of docs/evals.md."""

# pyright: standard

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from promptlight.io import read_results
from promptlight.salience import Analysis
from tests.conftest import Command
from tests.support.paths import DOCS, EXAMPLES, TESTS

(LOG,) = EXAMPLES.glob("samples_menu_*.jsonl")
BLOCKS = [
    [line[4:] for line in block.splitlines() if line.strip()]
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", (DOCS / "evals.md").read_text("utf-8"), re.MULTILINE)
]
COMMANDS = [shlex.split(line)[1:] for block in BLOCKS for line in block if line.startswith("promptlight ")]
SAID = [line for block in BLOCKS for line in block if not line.startswith("promptlight ")]


def test_the_page_says_what_the_commands_print(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    _, run, show = COMMANDS
    assert (EXAMPLES.parent / run[1]).samefile(LOG)
    out = tmp_path / "why"
    done = promptlight("run", LOG, *run[2:3], out, *run[4:], "--targets", "line", "--device", "cpu")
    assert done.exit_code == 0
    shown = promptlight("show", out, *show[2:], "--no-pager").stdout
    for line in SAID:
        assert line in done.stderr or line in shown, line
    (found,) = read_results(out)
    assert isinstance(found, Analysis)
    assert found.foil is not None
    contrasted = [text for text in found.foil.tokens if text is not None]
    assert (found.foil.request, "".join(contrasted)) == ("Avoid.", " Avoid.")


def test_one_command_explains_every_failure_of_an_archive(promptlight: Command, tmp_path: Path) -> None:
    logs, out = TESTS / "io" / "prompts" / "logs", tmp_path / "why"
    given = (logs / "soup.eval", logs / "choice.eval", "--explain", "output", "--foil", "gold")
    done = promptlight("run", *given, "-o", out, "--targets", "line", "--device", "cpu")
    assert done.exit_code == 3
    assert "read as Inspect log: 8 records; the log's output is explained" in done.stderr
    assert "skipped as right: 3 records" in done.stderr
    assert "expected an id of its own, found '2'" in done.stderr
    explained = [result for result in read_results(out) if isinstance(result, Analysis)]
    foils = {result.completion.prompt.id: result.foil and result.foil.request for result in explained}
    assert foils == {"2": "auto", "2_epoch_2": "auto"}


def test_segment_cuts_the_output_of_a_log(promptlight: Command) -> None:
    done = promptlight("segment", LOG, "--json")
    assert "read as lm-evaluation-harness log: 3 records" in done.stderr
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert any("You have to try it." in text for text in texts)


def test_the_right_answer_is_not_contrasted_with_itself(promptlight: Command, tmp_path: Path) -> None:
    done = promptlight("run", LOG, "-o", tmp_path / "out", "--explain", "target", "--foil", "gold")
    assert done.exit_code == 2
    assert "--foil gold: expected --explain output with it, found target, the right answer itself" in done.stderr
