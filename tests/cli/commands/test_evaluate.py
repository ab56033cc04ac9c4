"""``promptlight evaluate`` from outside: what is printed, written and kept, and who reads it afterwards."""

# pyright: standard

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
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
    EvaluationStore,
    evaluation_schema,
    read_evaluation,
)
from promptlight.io.results.reader import find_result, read_results, read_settings
from promptlight.io.results.tried import LABEL, Try
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.errors import OutputError
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.types import Analysis, SetAside
from tests.conftest import Command, save_tiny_preset
from tests.support.evaluations import assert_same_row
from tests.support.paths import EXAMPLES
from tests.support.results import state_of

QUICK = ("--random-orders", "3", "--noisy-texts", "1", "--device", "cpu")
RECOMMENDATION = ("--target-by", "line", "--target", "Recommendation")
DISH = ("--id", "dish-mistake")
METHODS = ("grad_l2", "occlusion")
BY_BOTH = [part for method in METHODS for part in ("--method", method)]
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
    arguments += BY_BOTH
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


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dishes of five lines by two methods, which are measured ten times as fast. For reading only."""
    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("short")
    records = [
        {
            "id": id,
            "prompt": f"Taste-likes: bread\nTaste-dislikes: {disliked}\nSuggestion: Quiche\nCheap: no\nAnalysis:",
        }
        for id, disliked in (("dish-mistake", "soup"), ("dish-fixed", "cheese"))
    ]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    arguments = ["run", str(folder / "prompts.jsonl"), "-o", str(folder / "results"), "--max-new-tokens", "8"]
    assert CliRunner().invoke(app, [*arguments, "--device", "cpu", *BY_BOTH]).exit_code == 0
    return folder / "results"


@pytest.fixture
def short(short_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(short_run, tmp_path / "results"))


@pytest.fixture
def results(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder / "results", tmp_path / "results"))


def test_json_has_a_row_for_each_method_of_each_prompt_with_the_target(evaluated: tuple[Path, dict[str, Any]]) -> None:
    _, found = evaluated
    assert (found["n_prompts"], found["n_skipped"]) == (2, 1)  # the headline; what was skipped is not counted
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
    assert sorted(path.name for path in folder.iterdir()) == [
        ".huggingface.yaml",
        ".lock",
        "_evaluation",
        "part-00000.parquet",
    ]
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
    trust = {record["id"]: record["methods"][0]["trust"]["direct"] for record in records}
    assert trust["headline-buys"] == ""
    said = trust["dish-mistake"]["en"]
    assert said.startswith("trust, for “Recommendation: You have to try it.”: taking away ")
    assert said.endswith(found["prompts"][0]["trust"])
    assert "「Recommendation: You have to try it.」" in trust["dish-mistake"]["zh-TW"]


def test_the_findings_come_first_and_figures_on_request(
    promptlight: Command, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "trust.csv"
    chosen = (*QUICK, "--id", "dish-mistake", "--id", "dish-fixed")
    done = promptlight("evaluate", results, *chosen, "-o", path)
    assert done.exit_code == 0
    frame = pd.read_csv(path)
    assert list(frame.columns) == evaluation_schema().names
    assert len(frame) == 4
    assert frame["target"].isna().tolist() == [True] * 4
    lines = done.stdout.splitlines()
    assert lines[:2] == ["How far can the scores for the completion be trusted?", "2 prompts"]
    own = pd.DataFrame(frame[frame["method"] == "occlusion"])
    n_ahead = (own["drop_3"] > own["random_drop_3"]).sum()
    text = " ".join(done.stdout.split())
    assert "occlusion: taking away the 3 strongest lines lowers the log-probability more than 3 lines at random" in text
    assert f"at random in {n_ahead} of 2 prompts (by {own['drop_3'].mean():.1f} on average, against " in text
    assert "2 prompts are few: this is a sign, no proof." in text
    row = next(line for line in lines if re.match(r"occlusion +[\d.-]+ ", line)).split()
    assert [float(row[1]), float(row[2])] == pytest.approx([own["drop_1"].mean(), own["drop_3"].mean()], abs=0.06)
    assert lines[-2:] == [f"saved in {results / EVALUATION}; show and report print it", f"4 rows in {path}"]
    assert "95% interval" not in done.stdout
    refused = promptlight("evaluate", results, *chosen, "-o", path)
    assert refused.exit_code == 5
    assert "exists already" in refused.stderr
    check_details(promptlight("evaluate", results, *chosen, "--details").stdout, own)


def check_details(printed: str, own: pd.DataFrame) -> None:
    lines = printed.splitlines()
    assert [line for line in lines if line.endswith(", 2 prompts")] == ["grad_l2, 2 prompts", "occlusion, 2 prompts"]
    assert sum(line.startswith("dish-mistake: 2") for line in lines) == 1
    table = lines[lines.index("occlusion, 2 prompts") :]
    row = re.split("  +", next(line for line in table if line.startswith("insertion")))
    expected = [own[name].mean() for name in ("insertion", "random_insertion", "nearest_insertion")]
    gain = (own["insertion"] - own["random_insertion"]).mean()
    assert [float(row[place]) for place in (1, 3, 6)] == pytest.approx(expected, abs=0.06)
    assert float(row[4]) == pytest.approx(gain, abs=0.06)
    low, high = map(float, row[2].split(" to "))
    assert (low, high) == pytest.approx((own["insertion"].min(), own["insertion"].max()), abs=0.06)
    assert "with a little noise: not measured" in lines


def test_of_one_prompt_nothing_is_said_twice(promptlight: Command, results: Path) -> None:
    chosen = ("evaluate", results, *QUICK, *DISH)
    found = json.loads(promptlight(*chosen, "--json").stdout)
    done = promptlight(*chosen, "--details")
    text = " ".join(done.stdout.split())
    for row in found["prompts"]:
        assert text.count(f"{row['method']}: {row['trust']}") == 1
    areas = re.findall(r"^occlusion +(\S+) ", done.stdout, re.MULTILINE)[1:]
    assert areas == [f"{found['prompts'][1]['deletion']:.2f}"]
    assert "beats random" not in text
    assert "95% interval of" not in text


def test_findings_are_drawn_into_files(promptlight: Command, results: Path, tmp_path: Path) -> None:
    svg, html = tmp_path / "trust.svg", tmp_path / "trust.html"
    done = promptlight("evaluate", results, *QUICK, *DISH, "--svg", svg, "--html", html)
    assert done.exit_code == 0
    for path in (svg, html):
        assert "beats" in path.read_text("utf-8")
        assert f"{path} (" in done.stdout
    refused = promptlight("evaluate", results, *QUICK, *DISH, "--svg", svg)
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert promptlight("evaluate", results, *QUICK, *DISH, "--svg", svg, "--overwrite").exit_code == 0


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_same_seed_gives_the_same_file(promptlight: Command, short: Path, tmp_path: Path, format: str) -> None:
    paths = [tmp_path / f"{number}.{format}" for number in range(3)]
    for path, seed in zip(paths, (4, 4, 5), strict=True):
        options = ("--id", "dish-fixed", *QUICK, "--seed", seed, "-o", path)
        assert promptlight("evaluate", short, *options).exit_code == 0
    first, second, other = map(READERS[format], paths)
    pd.testing.assert_frame_equal(first, second)
    assert first["random_deletion"].tolist() != other["random_deletion"].tolist()
    assert first["deletion"].tolist() == other["deletion"].tolist()


def test_prompts_are_added_with_the_same_settings_and_replace_all_with_others(
    promptlight: Command, short: Path
) -> None:
    def kept() -> list[str]:
        stored = read_evaluation(short)
        return [] if stored is None else sorted({row["id"] for row in stored.rows})

    assert promptlight("evaluate", short, *QUICK, "--id", "dish-mistake").exit_code == 0
    assert promptlight("evaluate", short, *QUICK, "--id", "dish-fixed").exit_code == 0
    assert kept() == ["dish-fixed", "dish-mistake"]
    assert promptlight("evaluate", short, *QUICK, "--id", "dish-fixed", "--ablate", "drop").exit_code == 0
    assert kept() == ["dish-fixed"]
    assert promptlight("evaluate", short, *QUICK, "--id", "dish-mistake", "--ablate", "drop").exit_code == 0
    assert kept() == ["dish-fixed", "dish-mistake"]
    assert (
        promptlight("evaluate", short, *QUICK, "--id", "dish-fixed", "--ablate", "drop", "--pool", "max").exit_code == 0
    )
    assert kept() == ["dish-fixed"]  # pooling changes the order of the sources


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
    path = EvaluationStore(results, {"by": "line"}).flush()
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
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "no such folder" in refused.stderr
    assert "it made these results: use --model to say where it is now" in refused.stderr
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


def test_what_was_measured_is_not_measured_again(promptlight: Command, short: Path, tmp_path: Path) -> None:
    def evaluate(*options: Any) -> tuple[str, dict[str, Any]]:
        done = promptlight("evaluate", short, *QUICK, "--json", *options)
        assert done.exit_code == 0, done.stderr
        return done.stderr.splitlines()[0] if done.stderr else "", json.loads(done.stdout)

    said, first = evaluate("--id", "dish-mistake")
    assert re.fullmatch(r"to measure: 1 prompt, \d+ passes", said)
    said, both = evaluate("--id", "dish-mistake", "--id", "dish-fixed")
    assert re.fullmatch(r"to measure: 1 prompt, \d+ passes; 1 measured before", said)
    said, again = evaluate("--id", "dish-mistake", "--id", "dish-fixed", "--model", tmp_path / "gone")  # needs no model
    assert (said, again) == ("", both)
    assert [row for row in both["prompts"] if row["id"] == "dish-mistake"] == first["prompts"]
    said, anew = evaluate("--id", "dish-mistake", "--id", "dish-fixed", "--anew")
    assert re.fullmatch(r"to measure: 2 prompts, \d+ passes", said)
    assert anew["agreements"] == both["agreements"]
    for one, other in zip(anew["prompts"], both["prompts"], strict=True):
        assert_same_row(one, other)
    for other in (("--seed", 1), ("--by", "sentence"), ("--ablate", "drop"), ("--noisy-texts", 0)):
        assert re.fullmatch(r"to measure: 1 prompt, \d+ passes", evaluate("--id", "dish-mistake", *other)[0])


def try_dish(folder: Path) -> Analysis:
    """Add a prompt that was tried, made of one of the run's."""
    before = find_result(folder, id="dish-mistake")
    assert isinstance(before, Analysis)
    how = Try(parent="dish-mistake", tried="2026-11-27T18:30:05Z")
    prompt = replace(before.completion.prompt, id="dish-mistake~1", label=LABEL, fields=how.describe(), fingerprint="x")
    made = replace(before, completion=replace(before.completion, prompt=prompt))
    with ResultsWriter(folder, read_settings(folder), {}) as writer:
        writer.add(made)
    return made


def test_what_was_tried_is_left_out_and_said(
    promptlight: Command, evaluated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, found = evaluated
    copied = Path(shutil.copytree(folder, tmp_path / "results"))
    try_dish(copied)
    done = promptlight("evaluate", copied, *RECOMMENDATION, *QUICK, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, found)
    assert done.stderr == "note: left out 1 prompt that someone tried: choose them with --where source=tried\n"


def test_a_run_goes_on_beside_what_was_tried(promptlight: Command, run_folder: Path, results: Path) -> None:
    try_dish(results)
    before = state_of(results)
    done = promptlight("run", run_folder / "prompts.jsonl", "-o", results, "--max-new-tokens", "24", *BY_BOTH)
    assert "0 explained, 3 done before, 1 skipped" in done.stdout
    assert state_of(results) == before


def test_changed_patterns_of_sections_are_measured_anew(promptlight: Command, results: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / "sections.toml", tmp_path / "sections.toml"))
    chosen = ("evaluate", results, *QUICK, *DISH, "--by", "section", "--sections", path, "--json")
    assert "to measure: 1 prompt" in promptlight(*chosen).stderr
    assert promptlight(*chosen).stderr == ""
    path.write_text(path.read_text("utf-8") + "\n# changed\n", encoding="utf-8")
    assert "to measure: 1 prompt" in promptlight(*chosen).stderr


def test_a_benchmark_is_a_table_or_json_and_needs_no_results(promptlight: Command) -> None:
    arguments = ("evaluate", "--benchmark", "recommendations", "--method", "grad_l2", "--prompts", 4, "--device", "cpu")
    arguments += ("--objective", "margin")
    shown = promptlight(*arguments)
    assert shown.exit_code == 0
    assert "copied from?" in shown.stdout
    assert "4 prompts, seed 0" in shown.stdout
    found = json.loads(promptlight(*arguments, "--json").stdout)
    assert (found["benchmark"], found["prompts"], found["model"]) == ("recommendations", 4, "demo")
    chosen = [rate for rate in found["rates"] if (rate["way"], rate["pooling"]) == ("direct", "sum")]
    assert [rate["scope"] for rate in chosen] == ["candidates", "prompt", "all"]
    assert all(rate["n"] == 4 for rate in chosen)
    assert {rate["way"] for rate in found["rates"]} == {"", "direct", "through", "all"}
    assert {rate["objective"] for rate in found["rates"]} == {"", "margin"}
    refused = promptlight("evaluate", "somewhere", "--benchmark", "hops")
    assert refused.exit_code == 2
    assert "either a results folder or --benchmark" in refused.stderr
