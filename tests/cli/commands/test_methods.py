"""``run`` with several methods and with foils, and what ``show`` says of them."""

# pyright: standard

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import typer
from typer.testing import CliRunner

from promptlight.cli.options.groups import with_groups
from promptlight.io import read_results
from promptlight.io.results.shards import read_metadata
from promptlight.salience import Analysis
from promptlight.salience.ablation.scores import compute_ablation_scores
from promptlight.salience.explain.explanation import Question, explain_spans
from promptlight.salience.options.methods import AblationOptions
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Granularity, Method, SetAside
from tests.conftest import Command

if TYPE_CHECKING:
    from promptlight.salience import Model

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
    assert list(found.maps) == [Method.INTEGRATED_GRADIENTS, Method.SMOOTHGRAD, Method.GRAD_L2]
    smooth = found.maps[Method.SMOOTHGRAD]
    assert smooth.standard_errors[Granularity.LINE].shape == smooth.span_scores[Granularity.LINE].shape
    settings = read_metadata(out / "part-00000.parquet")["settings"]
    assert settings["methods"] == ["integrated_gradients", "smoothgrad", "grad_l2"]
    assert (settings["ig_steps"], settings["smoothgrad_samples"]) == (4, 2)
    shown = promptlight("show", out, "--target-by", "line", "--target", "1").stdout
    assert "score: integrated_gradients" in shown
    row, gap = found.map_by().span_scores[Granularity.LINE][0], found.map_by().completeness_error[Granularity.LINE][0]
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
    path = write_prompts(tmp_path, SOUP, {**SOUP, "id": "literal", "foil_text": "auto"})
    promptlight("run", path, "-o", out, "--foil", "auto", *SHORT)
    found, _ = read_all(out)
    assert found.foil is not None
    assert found.foil.tokens[2]
    shown = promptlight("show", out, "--id", "soup", "--target-by", "token", "--target", "3").stdout
    assert f"rather than “{found.foil.tokens[2].strip()}”?" in shown
    whole, literal = (" ".join(promptlight("show", out, "--id", id).stdout.split()) for id in ("soup", "literal"))
    assert "rather than the runner-up of each token?" in whole
    assert "rather than “auto”?" in literal


def test_a_completion_without_the_target_is_skipped_with_the_reason(promptlight: Command, tmp_path: Path) -> None:
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


# Methods that take spans away


TWO_LINES = {
    "id": "menu",
    "prompt": "Eggs are bad.\nCream is good.\nSay one: eggs are",
    "target": " bad. Cream is\ngood.",
}


def run_ablation(promptlight: Command, folder: Path, *methods: str, options: tuple[Any, ...] = ()) -> Path:
    path, out = write_prompts(folder, TWO_LINES), folder / "out"
    names = [part for method in methods for part in ("--method", method)]
    done = promptlight("run", path, "-o", out, *names, *options, *SHORT)
    assert done.exit_code == 0, done.stderr
    return out


def test_scores_of_lines_are_the_methods_own(promptlight: Command, tmp_path: Path, demo_model: Model) -> None:
    """Through pipeline and store and back: sums over a line are what the method itself says, and so are its errors."""
    out = run_ablation(promptlight, tmp_path, "grad_l2", "occlusion", "surrogate", options=("--ablations", 12))
    (found,) = read_all(out)
    lines = found.segmentations[Granularity.LINE]
    targets = describe_spans(found.completion, lines)[lines.spans_from(found.completion.n_prompt_tokens).start :]
    assert len(targets) == 2
    for method in (Method.OCCLUSION, Method.SURROGATE):
        assert found.map_by(method).sources is Granularity.LINE
        expected = compute_ablation_scores(
            demo_model.decoder,
            found.completion,
            lines,
            [(target.start, target.stop) for target in targets],
            method,
            AblationOptions(ablations=12),
        )
        for number, target in enumerate(targets):
            question = Question(by=Granularity.LINE, method=method)
            explanation = explain_spans(found, question, [target])
            np.testing.assert_allclose(explanation.scores, expected.scores[number], atol=1e-5)
            if method is Method.OCCLUSION:
                assert explanation.errors is None
            else:
                assert expected.standard_errors is not None
                assert explanation.errors is not None
                np.testing.assert_allclose(explanation.errors, expected.standard_errors[number], atol=1e-5)


def test_each_command_shows_the_method_that_it_is_asked_for(promptlight: Command, tmp_path: Path) -> None:
    options = ("--ablations", 16, "--ablate", "pad", "--targets", "line", "--store", "line")
    out = run_ablation(promptlight, tmp_path, "grad_l2", "occlusion", "shap", options=options)
    settings = read_metadata(out / "part-00000.parquet")["settings"]
    assert (settings["samples"], settings["ablate"], settings["sources"]) == (16, "pad", "line")
    first = promptlight("show", out, "--by", "line").stdout
    assert "score: grad_l2" in first
    shown = promptlight("show", out, "--by", "line", "--target", "2", "--method", "shap").stdout
    assert "score: shap" in shown
    assert "below 0 lowers the target" in shown
    assert "±: the score's standard error" in shown
    words = promptlight("show", out, "--by", "word", "--target", "1", "--target-by", "line", "--method", "occlusion")
    assert "occlusion removed whole lines" in " ".join(words.stdout.split())
    missing = promptlight("show", out, "--method", "lime")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "expected scores by lime, found grad_l2, occlusion, shap" in missing.stderr
    table = tmp_path / "spans.csv"
    assert promptlight("export", out, "-o", table, "--by", "line", "--method", "occlusion").exit_code == 0
    assert set(pd.read_csv(table)["method"]) == {"occlusion"}
    compared = promptlight("compare", out, "--id", "menu", "--method", "shap", "--other-method", "occlusion")
    assert compared.exit_code == 0
    assert "The model wrote the same" in compared.stdout
    assert promptlight("summarize", out, "--by", "line", "--method", "shap").exit_code == 0
    page = tmp_path / "page.html"
    assert promptlight("report", out, "-o", page).exit_code == 0
    record = json.loads(re.findall(r'class="record"[^>]*>(.*?)</script>', page.read_text("utf-8"), re.DOTALL)[0])
    assert [one["name"] for one in record["methods"]] == ["grad_l2", "occlusion", "shap"]
    assert [one["signed"] for one in record["methods"]] == [False, True, True]


def test_too_few_ablations_set_a_prompt_aside(promptlight: Command, tmp_path: Path) -> None:
    long = {"id": "long", "prompt": "".join(f"Line {n}.\n" for n in range(12)), "target": "End."}
    path = write_prompts(tmp_path, long, TWO_LINES)
    done = promptlight("run", path, "-o", tmp_path / "out", "--method", "shap", "--ablations", 20, *SHORT)
    assert done.exit_code == 3
    aside, kept = read_results(tmp_path / "out")
    assert isinstance(aside, SetAside)
    assert "ablations" in aside.reason
    assert "ask for more" in aside.reason
    assert isinstance(kept, Analysis)


def test_what_ablation_cannot_do_is_refused_at_once(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, TWO_LINES)
    for options, says in (
        (("--objective", "kl"), "expected another objective than kl for occlusion"),
        (("--foil", "auto"), "expected no foil for occlusion"),
        (("--ablations", "0"), "--ablations"),
    ):
        done = promptlight("run", path, "-o", tmp_path / "out", "--method", "occlusion", *options, *SHORT)
        assert done.exit_code == 2
        assert says in done.stderr


def test_a_text_can_be_shown_by_any_method(promptlight: Command) -> None:
    shown = promptlight("show", "--prompt", "A\nB\nC", "--by", "line", "--method", "occlusion", "--max-new-tokens", 2)
    assert shown.exit_code == 0
    assert "score: occlusion" in shown.stdout
