"""``run`` with several methods and with foils, and what ``show`` says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer
from typer.testing import CliRunner

from promptlight.cli.groups import with_groups
from promptlight.io import read_results
from promptlight.io.store import read_metadata
from promptlight.salience import Analysis
from promptlight.salience.types import Granularity, Method
from tests.conftest import Command

SOUP = {"id": "soup", "prompt": "What is in it?\n\nSuggestion: Onion soup\nAnalysis:", "target": " it has eggs in it."}
SHORT = ("--explain", "target", "--device", "cpu")


def write_prompts(folder: Path, *records: Any) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def read_all(folder: Path) -> list[Analysis]:
    return [result for result in read_results(folder) if isinstance(result, Analysis)]


def test_methods_of_one_run_lie_side_by_side_and_the_first_is_shown(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP), tmp_path / "out"
    methods = ("--method", "integrated_gradients", "--method", "smoothgrad", "--method", "grad_l2")
    options = (*methods, "--ig-steps", 4, "--smoothgrad-samples", 2, *SHORT)
    assert promptlight("run", path, "-o", out, *options).exit_code == 0
    (found,) = read_all(out)
    assert [one.method for one in found.maps] == [Method.INTEGRATED_GRADIENTS, Method.SMOOTHGRAD, Method.GRAD_L2]
    assert found.maps[1].standard_errors[Granularity.LINE].shape == found.maps[1].span_scores[Granularity.LINE].shape
    settings = read_metadata(out / "part-00000.parquet")["settings"]
    assert settings["methods"] == ["integrated_gradients", "smoothgrad", "grad_l2"]
    assert (settings["ig_steps"], settings["smoothgrad_samples"]) == (4, 2)
    shown = promptlight("show", out, "--target-by", "line", "--target", "1").stdout
    assert "score: integrated_gradients" in shown
    row, gap = found.salience.span_scores[Granularity.LINE][0], found.salience.completeness_error[Granularity.LINE][0]
    assert f"sums to {row.sum():.3g} of {row.sum() - gap:.3g}, the change of the objective" in " ".join(shown.split())
    assert "1 done before" in promptlight("run", path, "-o", out, *options).stdout
    refused = promptlight("run", path, "-o", out, *methods, "--ig-steps", 5, "--smoothgrad-samples", 2, *SHORT)
    assert refused.exit_code == 5
    assert "(ig_steps: there 4, now 5)" in refused.stderr
    assert "methods: there integrated_gradients, smoothgrad, grad_l2, now grad_l2" in (
        promptlight("run", path, "-o", out, *SHORT).stderr
    )


def test_settings_name_no_options_of_methods_that_are_not_used(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    assert "1 done before" in promptlight("run", path, "-o", out, "--ig-steps", 5, "--seed", 3, *SHORT).stdout


def test_a_foil_is_stored_and_named_in_the_question(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP, {**SOUP, "id": "own", "foil": "has=>lacks"}), tmp_path / "out"
    assert promptlight("run", path, "-o", out, "--foil", "eggs=>onions", *SHORT).exit_code == 0
    table = pq.read_table(out / "part-00000.parquet")
    assert table["foil"].to_pylist() == ["eggs=>onions", "has=>lacks"]
    assert read_metadata(out / "part-00000.parquet")["settings"]["foil"] == "eggs=>onions"
    word = ("--target-by", "word", "--target", "eggs")
    assert "Why would the model write “eggs” rather than “onions”?" in promptlight("show", out, *word).stdout
    own = promptlight("show", out, "--id", "own", "--target-by", "word", "--target", "has").stdout
    assert "Why would the model write “has” rather than “lacks”?" in own
    assert "Why would the model write “eggs”?" in promptlight("show", out, "--id", "own", *word).stdout
    refused = promptlight("run", path, "-o", out, "--foil", "auto", *SHORT)
    assert "(foil: there eggs=>onions, now auto)" in refused.stderr


def test_the_runner_up_is_named_for_a_token(promptlight: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    promptlight("run", write_prompts(tmp_path, SOUP), "-o", out, "--foil", "auto", *SHORT)
    (found,) = read_all(out)
    assert found.foil is not None
    assert found.foil.tokens[2]
    shown = promptlight("show", out, "--target-by", "token", "--target", "3").stdout
    assert f"rather than “{found.foil.tokens[2].strip()}”?" in shown
    assert "rather than the runner-up of each token?" in " ".join(promptlight("show", out).stdout.split())


def test_a_completion_without_the_target_is_set_aside_with_the_reason(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP, {**SOUP, "id": "number", "foil": 7}), tmp_path / "out"
    done = promptlight("run", path, "-o", out, "--foil", "fish=>onions", *SHORT)
    assert done.exit_code == 3
    assert "foil 'fish=>onions': expected 'fish' in the completion, found ' it has eggs in it.'" in done.stderr
    assert "expected `foil` to be text, found a number" in done.stderr
    assert None not in pq.read_table(out / "part-00000.parquet")["error"].to_pylist()


def test_a_foil_and_another_objective_are_refused(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, SOUP)
    refused = promptlight("run", path, "-o", tmp_path / "out", "--foil", "auto", "--objective", "entropy", *SHORT)
    assert refused.exit_code == 2
    assert "expected the objective logprob with a foil, found entropy" in refused.stderr


def test_a_group_of_options_is_its_options() -> None:
    @dataclass(frozen=True)
    class Group:
        size: Annotated[int, typer.Option(min=1)] = 3
        name: Annotated[str | None, typer.Option("--called")] = None

    taken: list[Any] = []

    def command(path: Annotated[str, typer.Argument()], flag: bool = False, *, group: Group) -> None:
        taken.append((path, flag, group))

    command.__annotations__["group"] = Group  # a name within a function can't be looked up
    app = typer.Typer()
    app.command()(with_groups(command))
    assert CliRunner().invoke(app, ["x", "--flag", "--size", "4", "--called", "y"]).exit_code == 0
    assert CliRunner().invoke(app, ["x"]).exit_code == 0
    assert taken == [("x", True, Group(4, "y")), ("x", False, Group())]
    assert CliRunner().invoke(app, ["x", "--size", "0"]).exit_code == 2
