"""``try`` and ``explore`` explain as the folder's own run did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import Device, Dtype
from promptlight.cli.work.live_model import build_live_model
from promptlight.salience.errors import UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run import pipeline
from promptlight.salience.types import Analysis, Explain, Method, Prompt, SetAside
from tests.conftest import Command

SOUP = {"id": "soup", "prompt": "What is in it?\n\nSuggestion: Onion soup\nAnalysis:", "target": " it has eggs."}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[AnalysisOptions]:
    """The options of every call of ``analyze``."""
    seen: list[AnalysisOptions] = []
    analyze = pipeline.analyze

    def watch(
        prompts: Iterable[Prompt], model: Any, options: AnalysisOptions, **more: Any
    ) -> Iterator[Analysis | SetAside]:
        seen.append(options)
        return analyze(prompts, model, options, **more)

    monkeypatch.setattr(pipeline, "analyze", watch)
    return seen


@pytest.mark.parametrize(
    "options",
    [
        ("--method", "occlusion", "--sources", "word"),
        ("--method", "integrated_gradients", "--ig-steps", 3, "--ig-baseline", "zero"),
        ("--method", "smoothgrad", "--smoothgrad-samples", 2, "--method", "grad_l2", "--seed", 5),
        ("--method", "shap", "--ablations", 16, "--ablate", "pad", "--shapley", "orders", "--seed", 7),
        ("--foil", "auto"),
        ("--objective", "margin"),
        ("--compat", "lit"),
        ("--targets", "line", "--store", "line,section"),
        ("--temperature", 0.7, "--top-k", 5, "--seed", 3),
        ("--explain", "target"),
        ("--stop", r"\n", "--stop", "eggs"),
    ],
    ids=lambda options: " ".join(map(str, options[:2])),
)
def test_a_prompt_is_tried_with_the_options_of_its_folders_run(
    promptlight: Command, tmp_path: Path, asked: list[AnalysisOptions], options: tuple[object, ...]
) -> None:
    prompts, folder = tmp_path / "soup.jsonl", tmp_path / "out"
    prompts.write_text(json.dumps(SOUP), encoding="utf-8")
    cpu = ("--device", "cpu")
    assert promptlight("run", prompts, "-o", folder, "--max-new-tokens", 4, *options, *cpu).exit_code == 0
    assert promptlight("try", folder, "--replace", "soup=>stew", *cpu).exit_code == 0
    run, tried = asked
    wanted = replace(run, explain=Explain.RESPONSE)  # the model answers anew: that is what is tried
    assert tried.describe() == wanted.describe()


def test_what_is_chosen_anew_takes_the_place_of_what_is_stored() -> None:
    stored = AnalysisOptions(methods=(Method.SHAP, Method.GRAD_L2), max_new_tokens=9, stop=("a",))
    settings = {"model": "here", "dtype": "bfloat16", **stored.describe()}
    live = build_live_model(
        settings,
        Rerun(model="there", device=Device.CPU, dtype=Dtype.FLOAT32, max_new_tokens=3, stop=["b"]),
        Method.SMOOTHGRAD,
    )
    assert (live.model, live.device, live.dtype) == ("there", "cpu", "float32")
    assert live.options == replace(stored, methods=(Method.SMOOTHGRAD,), max_new_tokens=3, stop=("b",))
    kept = build_live_model(settings, Rerun())
    assert (kept.model, kept.dtype, kept.options) == ("here", "bfloat16", stored)


def test_a_text_is_explained_as_run_does_by_default() -> None:
    live = build_live_model({}, Rerun())
    assert (live.model, live.dtype, live.options) == ("demo", "auto", AnalysisOptions())


def test_a_choice_that_does_not_go_with_the_rest_is_refused() -> None:
    settings = AnalysisOptions(foil="auto").describe()
    with pytest.raises(UsageError, match="no foil for occlusion"):
        build_live_model(settings, Rerun(), Method.OCCLUSION)
