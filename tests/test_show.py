"""``promptlight show`` and ``export``: what is stored, as text and as a table, without loading a model."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from promptlight.cli.app import app
from promptlight.cli.heatmap import build_heatmap, render_heatmap
from promptlight.io.store import find_result
from promptlight.salience import Analysis
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.types import Granularity

EXAMPLES = Path(__file__).parent.parent / "examples"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for name, limit in (("prompts", 3), ("hostile", 6)):
        arguments = ["run", str(EXAMPLES / f"{name}.jsonl"), "-o", str(folder), "--limit", str(limit)]
        assert CliRunner().invoke(app, arguments).exit_code == 0
    return folder


def show(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["show", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.stdout


def draw(results: Path, id: str, *, by: Granularity, color_system: Any, width: int = 100) -> str:
    analysis = find_result(results, id=id)
    assert isinstance(analysis, Analysis)
    console = Console(
        file=io.StringIO(), force_terminal=color_system is not None, color_system=color_system, width=width
    )
    console.print(render_heatmap(build_heatmap(analysis, by, None), console))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("by", list(Granularity))
def test_shows_prompt_target_legend_and_strongest_sources(results: Path, by: Granularity) -> None:
    shown = show(results, "--id", "dish-fixed", "--by", by)
    for part in ("dish-fixed (fewshot-fixed)", "Onion soup", "= the strongest", f"strongest {by}s", "%", "»", "«"):
        assert part in shown
    assert "\x1b" not in shown


def test_the_target_can_be_a_number_a_text_or_a_pattern(results: Path) -> None:
    by_text = show(results, "--id", "dish-fixed", "--by", "line", "-t", "Recommendation")
    assert "why “Recommendation: " in by_text
    assert show(results, "--id", "dish-fixed", "--by", "line", "-t", "2") == by_text
    assert show(results, "--id", "dish-fixed", "--by", "line", "-t", "Rec[a-z]+:") == by_text
    with pytest.raises(UsageError, match="from 1 to 2"):
        show(results, "--id", "dish-fixed", "--by", "line", "-t", "9")


def test_rows_and_ids(results: Path) -> None:
    assert show(results, "--row", "1") == show(results, "--id", "dish-fixed")
    assert show(results, "--row", "-1") == show(results, "--id", "long-word")
    with pytest.raises(OutputError, match="dish-mistake"):
        show(results, "--id", "nobody")


def test_a_record_set_aside_says_why(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["run", str(EXAMPLES / "broken.jsonl"), "-o", str(tmp_path)])
    with pytest.raises(UsageError, match=r"null-prompt was set aside.*found null"):
        show(tmp_path, "--id", "null-prompt")


@pytest.mark.parametrize("color_system", ["standard", "256", "truecolor"])
def test_colours_shade_the_same_text(results: Path, color_system: str) -> None:
    coloured = draw(results, "dish-fixed", by=Granularity.LINE, color_system=color_system)
    assert len(set(ESCAPE.findall(coloured))) >= 4  # several shades
    plain = ESCAPE.sub("", coloured)
    for line in ("Recommendation: Avoid.", "Suggestion: Onion soup", "## For example:"):
        assert line in plain


def test_without_colours_numbers_say_the_same(results: Path) -> None:
    shown = draw(results, "dish-fixed", by=Granularity.LINE, color_system=None)
    analysis = find_result(results, id="dish-fixed")
    assert isinstance(analysis, Analysis)
    heatmap = build_heatmap(analysis, Granularity.LINE, None)
    strongest = heatmap.spans[int(heatmap.levels.argmax())].text.strip()
    assert f"{strongest}¹⁰⁰" in shown


@pytest.mark.parametrize("width", [40, 80, 200])
def test_text_wraps_as_text_at_any_width(results: Path, width: int) -> None:
    shown = draw(results, "dish-constitution", by=Granularity.LINE, color_system=None, width=width)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    whole = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹»«\s]+", "", shown)
    assert "Theanalysisandrecommendationshouldbothbeclear" in whole
    assert sum(len(line.strip()) == 1 for line in lines) == 0  # no column of letters


@pytest.mark.parametrize("color_system", [None, "truecolor"])
def test_nothing_in_a_prompt_can_command_the_terminal(results: Path, color_system: str | None) -> None:
    for id in ("escapes", "markup", "emoji", "arabic", "chinese"):
        shown = ESCAPE.sub("", draw(results, id, by=Granularity.TOKEN, color_system=color_system))
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert "␛" in draw(results, "escapes", by=Granularity.TOKEN, color_system=None)
    assert "[bold red]" in draw(results, "markup", by=Granularity.LINE, color_system=None)


def test_a_text_can_be_explained_at_once() -> None:
    shown = show("--prompt", "What is in it?\n\nSuggestion: Omelette\nAnalysis:", "--max-new-tokens", "8")
    assert "Omelette" in shown
    assert "strongest words" in shown


def test_either_a_folder_or_a_prompt(results: Path) -> None:
    for arguments in ((), (results, "--prompt", "x")):
        with pytest.raises(UsageError, match="either"):
            show(*arguments)


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_export_is_a_tidy_table(results: Path, tmp_path: Path, format: str) -> None:
    path = tmp_path / f"spans.{format}"
    result = CliRunner().invoke(app, ["export", str(results), "-o", str(path), "--by", "line"])
    assert result.exit_code == 0
    read = {"parquet": pd.read_parquet, "csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True)}
    frame = read[format](path)
    assert f"{len(frame):,} rows" in result.stdout
    target = frame[(frame["id"] == "dish-fixed") & (frame["target_number"] == 2)]
    assert target["target_text"].iloc[0].startswith("Recommendation:")
    assert target["share"].sum() == pytest.approx(1, abs=1e-4)
    with pytest.raises(OutputError, match="exists already"):
        raise CliRunner().invoke(app, ["export", str(results), "-o", str(path)]).exception  # type: ignore[misc]


@pytest.mark.parametrize(
    "arguments", [["show", "--id", "dish-fixed", "--by", "sentence"], ["export", "-o", "spans.csv"], ["--help"]]
)
def test_stored_results_need_neither_torch_nor_keras(results: Path, tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys; from promptlight.cli.__main__ import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'keras', 'keras_nlp', 'transformers'} & set(sys.modules), sorted(sys.modules)"
    )
    folder = [] if arguments == ["--help"] else [str(results)]
    command = [sys.executable, "-c", code, arguments[0], *folder, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout
