"""``promptlight evaluate`` from outside: what is printed, written and kept, and who reads it afterwards."""

# pyright: standard

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from promptlight.cli.views.trust import describe_trust
from promptlight.io.results.evaluations import (
    EVALUATION,
    METADATA_KEY,
    evaluation_schema,
    read_evaluation,
    store_evaluation,
)
from promptlight.io.results.reader import read_results, read_settings
from promptlight.salience.errors import OutputError
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.types import SetAside
from tests.conftest import Command, save_tiny_preset
from tests.support.paths import EXAMPLES

QUICK = ("--random-orders", "3", "--noisy-texts", "1", "--device", "cpu")
RECOMMENDATION = ("--target-by", "line", "--target", "Recommendation")
DISH = ("--id", "dish-mistake")
METHODS = ("grad_l2", "occlusion")
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "parquet": pd.read_parquet,
    "csv": pd.read_csv,
    "jsonl": lambda path: pd.read_json(path, lines=True),
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dishes by two methods, a headline without a recommendation, and a broken record. For reading only."""
    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("evaluated")
    records = (EXAMPLES / "prompts.jsonl").read_text("utf-8").splitlines()
    chosen = [line for line in records if json.loads(line)["id"] in ("dish-mistake", "dish-fixed", "headline-buys")]
    path = folder / "prompts.jsonl"
    path.write_text("\n".join([*chosen, '{"id": "broken"}']), encoding="utf-8")
    arguments = ["run", str(path), "-o", str(folder / "results"), "--max-new-tokens", "24", "--device", "cpu"]
    arguments += [part for method in METHODS for part in ("--method", method)]
    assert CliRunner().invoke(app, arguments).exit_code == 3
    return folder


@pytest.fixture(scope="module")
def evaluated(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A copy of it that was evaluated, and what was printed. For reading only."""
    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("evaluation") / "results"
    shutil.copytree(run_folder / "results", folder)
    done = CliRunner().invoke(app, ["evaluate", str(folder), *RECOMMENDATION, *QUICK, "--json"])
    assert done.exit_code == 0, done.output
    return folder, json.loads(done.stdout)


@pytest.fixture
def results(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder / "results", tmp_path / "results"))


def test_json_has_a_row_for_each_method_of_each_prompt_with_the_target(evaluated: tuple[Path, dict[str, Any]]) -> None:
    _, found = evaluated
    assert (found["n_prompts"], found["n_skipped"]) == (2, 1)  # the headline; what was set aside is not counted
    ids = [(row["id"], row["method"]) for row in found["prompts"]]
    assert ids == [(id, method) for id in ("dish-mistake", "dish-fixed") for method in METHODS]
    assert [one["method"] for one in found["methods"]] == list(METHODS)
    for one in found["methods"]:
        rows = [row for row in found["prompts"] if row["method"] == one["method"]]
        for figure in one["figures"]:
            own = [row[figure["name"]] for row in rows]
            gains = [row[figure["name"]] - row[f"random_{figure['name']}"] for row in rows]
            assert figure["own"]["mean"] == pytest.approx(sum(own) / 2)
            assert figure["gain"]["mean"] == pytest.approx(sum(gains) / 2)
            assert (figure["gain"]["low"], figure["gain"]["high"]) == pytest.approx((min(gains), max(gains)))
        assert one["n_random"] == 3
    assert list(found["agreements"]) == ["grad_l2 and occlusion"]
    noise = {row["method"]: row["noise_correlation"] for row in found["prompts"]}
    assert noise["occlusion"] is None
    assert noise["grad_l2"] > 0.9
    assert all(row["trust"] == describe_trust(PromptEvaluation.from_row(row)) for row in found["prompts"])


def test_the_evaluation_is_kept_with_its_settings_and_hides_from_readers_of_the_folder(
    evaluated: tuple[Path, dict[str, Any]], run_folder: Path
) -> None:
    folder, found = evaluated
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "_evaluation", "part-00000.parquet"]
    assert [path.name for path in (folder / "_evaluation").iterdir()] == ["evaluation.parquet"]
    stored = read_evaluation(folder)
    assert stored is not None
    assert stored.rows == [{name: row[name] for name in row if name != "trust"} for row in found["prompts"]]
    assert stored.settings["results"] == read_settings(folder)
    assert {name: stored.settings[name] for name in found["settings"]} == found["settings"]
    assert (found["settings"]["target"], found["settings"]["samples"]) == ("Recommendation", 3)
    pd.testing.assert_frame_equal(pd.read_parquet(folder), pd.read_parquet(run_folder / "results"))
    assert len(list(read_results(folder))) == 4
    assert sum(isinstance(one, SetAside) for one in read_results(folder)) == 1


def test_show_says_it_for_each_method_and_target(promptlight: Command, evaluated: tuple[Path, dict[str, Any]]) -> None:
    folder, found = evaluated
    trust = found["prompts"][0]["trust"]
    shown = promptlight("show", folder, *DISH, "--by", "line", *RECOMMENDATION, "--width", 100)
    assert f"trust: {trust}" in " ".join(shown.stdout.split())
    other = " ".join(promptlight("show", folder, *DISH, "--width", 100, "--matrix").stdout.split())
    assert f"trust, for “Recommendation: You have to try it.”: {trust}" in other
    assert "trust" not in promptlight("show", folder, "--id", "headline-buys").stdout


def test_the_page_says_it(promptlight: Command, evaluated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, found = evaluated
    assert promptlight("report", folder, "-o", tmp_path / "page.html").exit_code == 0
    text = (tmp_path / "page.html").read_text("utf-8")
    records = [json.loads(data) for data in re.findall(r'class="record"[^>]*>(.*?)</script>', text, re.DOTALL)]
    trust = {record["id"]: record["methods"][0]["trust"] for record in records}
    assert trust["headline-buys"] == ""
    assert trust["dish-mistake"].startswith("trust, for “Recommendation: You have to try it.”: taking away ")
    assert trust["dish-mistake"].endswith(found["prompts"][0]["trust"])
    assert "mapOf(data).trust" in text


def test_tables_and_a_file(
    promptlight: Command, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    path = tmp_path / "trust.csv"
    done = promptlight("evaluate", results, *QUICK, "--id", "dish-mistake", "--id", "headline-buys", "-o", path)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["How far can the scores for the completion be trusted?", "2 prompts"]
    frame = pd.read_csv(path)
    assert list(frame.columns) == evaluation_schema().names
    assert len(frame) == 4
    assert lines[-1] == f"4 rows in {path}"
    assert frame["target"].isna().tolist() == [True] * 4
    heads = [line for line in lines if line.endswith("2 prompts") and "," in line]
    assert heads == ["grad_l2, 2 prompts", "occlusion, 2 prompts"]
    own = frame[frame["method"] == "occlusion"]
    row = next(line for line in lines[lines.index("occlusion, 2 prompts") :] if line.startswith("insertion")).split()
    expected = [own[name].mean() for name in ("insertion", "random_insertion", "nearest_insertion")]
    gain = (own["insertion"] - own["random_insertion"]).mean()
    assert [float(row[place]) for place in (1, 5, 10)] == pytest.approx(expected, abs=0.006)
    assert float(row[6]) == pytest.approx(gain, abs=0.006)
    assert (float(row[2]), float(row[4])) == pytest.approx((own["insertion"].min(), own["insertion"].max()), abs=0.06)
    assert any(line.startswith("dish-mistake: 2") for line in lines)
    assert "with a little noise: not measured" in lines
    refused = promptlight("evaluate", results, *QUICK, "-o", path)
    assert refused.exit_code == 5
    assert "exists already" in refused.stderr


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_same_seed_gives_the_same_file(promptlight: Command, results: Path, tmp_path: Path, format: str) -> None:
    paths = [tmp_path / f"{number}.{format}" for number in range(3)]
    for path, seed in zip(paths, (4, 4, 5), strict=True):
        options = ("--id", "dish-fixed", *QUICK, "--seed", seed, "-o", path)
        assert promptlight("evaluate", results, *options).exit_code == 0
    first, second, other = map(READERS[format], paths)
    pd.testing.assert_frame_equal(first, second)
    assert first["random_deletion"].tolist() != other["random_deletion"].tolist()
    assert first["deletion"].tolist() == other["deletion"].tolist()


def test_prompts_are_added_with_the_same_settings_and_replace_all_with_others(
    promptlight: Command, results: Path
) -> None:
    def kept() -> list[str]:
        stored = read_evaluation(results)
        return [] if stored is None else sorted({row["id"] for row in stored.rows})

    assert promptlight("evaluate", results, *QUICK, "--id", "dish-mistake").exit_code == 0
    assert promptlight("evaluate", results, *QUICK, "--id", "dish-fixed").exit_code == 0
    assert kept() == ["dish-fixed", "dish-mistake"]
    assert promptlight("evaluate", results, *QUICK, "--id", "dish-fixed", "--ablate", "drop").exit_code == 0
    assert kept() == ["dish-fixed"]


def test_a_run_goes_on_beside_it_and_starts_anew_where_the_shards_are_gone(
    promptlight: Command, evaluated: tuple[Path, dict[str, Any]], run_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(evaluated[0], tmp_path / "results"))
    options = ("--max-new-tokens", 24, "--device", "cpu", *(part for name in METHODS for part in ("--method", name)))
    again = promptlight("run", run_folder / "prompts.jsonl", "-o", folder, *options)
    assert again.exit_code == 3
    assert "3 done before" in again.stdout
    (folder / "part-00000.parquet").unlink()
    with pytest.raises(OutputError, match="no results in it"):
        read_settings(folder)
    anew = promptlight("run", run_folder / "prompts.jsonl", "-o", folder, "--limit", 1, "--device", "cpu")
    assert anew.exit_code == 0
    assert read_evaluation(folder) is None  # other settings: what was measured is of other results


def test_a_damaged_evaluation_hides_nothing_else_and_is_replaced(promptlight: Command, results: Path) -> None:
    (results / EVALUATION).parent.mkdir()
    (results / EVALUATION).write_bytes(b"PAR1 not really")
    shown = promptlight("show", results, *DISH)
    assert shown.exit_code == 0
    assert "evaluation.parquet:notreadable" in "".join(shown.stdout.split())  # a long path breaks anywhere
    path = store_evaluation(results, [], {"by": "line"})
    assert json.loads(pq.read_schema(path).metadata[METADATA_KEY])["by"] == "line"
    assert read_evaluation(results) is not None


def test_a_model_that_is_gone_is_named_and_another_is_refused(
    promptlight: Command, tmp_path: Path, results: Path, tiny_preset: Path
) -> None:
    gone = save_tiny_preset(tmp_path / "gone")
    record = {"id": "a", "prompt": "Suggestion: Quiche\nTaste-likes: bread\nAnalysis:", "target": " No egg."}
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    own = tmp_path / "own"
    options = ("--explain", "target", "--device", "cpu", "--model", gone)
    assert promptlight("run", path, "-o", own, *options).exit_code == 0
    moved = gone.rename(tmp_path / "moved")
    refused = promptlight("evaluate", own, *QUICK)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (4, "", 1)
    assert "no such folder" in refused.stderr
    assert "it made these results: give its present place with --model" in refused.stderr
    assert promptlight("evaluate", own, *QUICK, "--model", moved).exit_code == 0
    other = promptlight("evaluate", results, *QUICK, "--model", tiny_preset)
    assert other.exit_code == 4
    assert "expected the model that made these results, demo, found one of another shape" in other.stderr


@pytest.mark.parametrize(
    ("options", "exit_code", "says"),
    [
        (("--target", "no such text"), 2, "expected prompts to evaluate, found none among 3 that were explained; "),
        (("--by", "verse"), 2, "found 'verse'"),
        (("--where", "source=soup"), 2, "expected results with source=soup, found none"),
        (("-o", "trust.xlsx"), 2, "expected a file ending in .parquet"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line_and_nothing_is_kept(
    promptlight: Command, results: Path, options: tuple[str, ...], exit_code: int, says: str
) -> None:
    refused = promptlight("evaluate", results, *QUICK, *options)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (exit_code, "", 1)
    assert says in refused.stderr
    assert not (results / EVALUATION).exists()


def test_an_interrupted_evaluation_keeps_what_it_has_measured(
    promptlight: Command, evaluated: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptlight.cli.work import evaluating

    folder = tmp_path / "results"
    shutil.copytree(evaluated[0], folder)
    shutil.rmtree(folder / "_evaluation")
    measure, n_calls = evaluating.evaluate_analysis, 0

    def stop_at_the_second(*arguments: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(evaluating, "evaluate_analysis", stop_at_the_second)
    stopped = promptlight("evaluate", folder, "--target", "Recommendation", "--random-orders", 3, "--device", "cpu")
    assert stopped.exit_code
    assert read_evaluation(folder)
    assert len(pd.read_parquet(folder / "_evaluation")) >= 1


def test_a_benchmark_is_a_table_or_json_and_needs_no_results(promptlight: Command) -> None:
    arguments = ("evaluate", "--benchmark", "recommendations", "--method", "grad_l2", "--prompts", 4, "--device", "cpu")
    shown = promptlight(*arguments)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "copied from?" in shown.stdout
    assert "4 prompts, seed 0" in shown.stdout
    found = json.loads(promptlight(*arguments, "--json").stdout)
    assert (found["benchmark"], found["prompts"], found["model"]) == ("recommendations", 4, "demo")
    chosen = [rate for rate in found["rates"] if (rate["objective"], rate["pooling"]) == ("logprob", "sum")]
    assert [rate["scope"] for rate in chosen] == ["candidates", "prompt", "all"]
    assert all(rate["n"] == 4 for rate in chosen)
    refused = promptlight("evaluate", "somewhere", "--benchmark", "hops")
    assert refused.exit_code == 2
    assert "either a results folder or --benchmark" in refused.stderr
