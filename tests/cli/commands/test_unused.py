"""Options that a command would ignore are refused by name; those of promptlight.toml are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.support.results import analysis, write

STORED = "on stored results"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "results", analysis("one"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "--chat", "--max-new-tokens", 5), f"--max-new-tokens, --chat: no effect {STORED}"),
        (("show", "-m", "other"), f"--model: no effect {STORED}"),
        (("show", "results", "--compat", "lit"), f"--compat: no effect {STORED}"),
        (("show", "--stop", "x", "--dtype", "auto"), f"--dtype, --stop: no effect {STORED}"),
        (("show", "-p", "Hi", "--id", "one"), "--id: no effect on a --prompt"),
        (("show", "-p", "Hi", "--row", 0), "--row: no effect on a --prompt"),
        (("show", "--json", "--svg", "x.svg"), "expected --json or a file to draw into, found both"),
        (("try", "--chat", "--replace", "a=>b"), "--chat: no effect on a stored prompt"),
        (("try", "-p", "Hi", "--id", "one", "--edit"), "--id: no effect on a --prompt"),
        (("try", "--edit", "--all"), "--all: no effect without --replace"),
        (("show", "results", "--through-by", "line"), "--through-by: no effect without --way through or --way all"),
        (("compare", "--id", "one", "--through-by", "line"), "--through-by: no effect without --way"),
        (("try", "--edit", "--through-by", "line"), "--through-by: no effect without --way"),
        (("segment", "-p", "Hi", "--template", "file.txt"), "--template: no effect on a --prompt"),
        (("summarize", "--format", "csv", "--overwrite"), "--format, --overwrite: no effect without --output FILE"),
        (("evaluate", "--overwrite"), "--overwrite: no effect without --output FILE"),
        (("evaluate", "--method", "lime", "--prompts", 3), f"--method, --prompts: no effect {STORED}"),
        (("evaluate", "--benchmark", "hops", "--id", "one", "--by", "word"), "--by, --id: no effect on a --benchmark"),
        (("evaluate", "--benchmark", "hops", "-o", "x", "--random-orders", 2), "--random-orders, --output: no effect"),
        (("evaluate", "--benchmark", "tracking", "--objective", "margin"), "--objective: no effect on the benchmark"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_refused_before_anything_is_done(
    promptlight: Command, results: Path, arguments: tuple[str, ...], says: str
) -> None:
    refused = promptlight(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert says in refused.stderr
    assert [path.name for path in results.parent.iterdir()] == ["results"]


def test_a_config_for_all_commands_refuses_nothing(promptlight: Command, results: Path) -> None:
    config = results.parent / "promptlight.toml"
    config.write_text('model = "no-such-model"\nchat = true\noverwrite = true\n', encoding="utf-8")
    for command in ("show", "summarize"):
        assert promptlight(command).exit_code == 0
