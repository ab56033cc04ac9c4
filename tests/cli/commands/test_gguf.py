"""Runs on a GGUF file: the same scores as from a folder of the same weights, and what every view says of the model."""

# pyright: standard

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType

from promptlight.io.results.reader import find_result, read_settings
from promptlight.io.results.shards import read_metadata, require_shards
from promptlight.salience.loading.load import load_model
from promptlight.salience.types import Analysis, Method
from tests.conftest import Command
from tests.support.gguf_files import set_weights, write_gguf
from tests.support.transformers_models import NEWER_FAMILIES, VOCABULARY, build_transformers_model

SENTENCE = "scores are of the quantised model (Q8_0)"


@pytest.fixture(scope="module", params=["gemma", "gemma2", "gemma3", *NEWER_FAMILIES])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file in Q8_0, and a folder of transformers with the same weights."""
    place = tmp_path_factory.mktemp(request.param)
    fewer: dict[str, Any] = {} if request.param in NEWER_FAMILIES else {"num_hidden_layers": 2}
    model = build_transformers_model(request.param, 1536, hidden_size=64, intermediate_size=96, **fewer)
    path = write_gguf(place / "tiny.gguf", model, kind=GGMLQuantizationType.Q8_0)
    set_weights(model, path)
    model.save_pretrained(place / "folder")
    shutil.copy(VOCABULARY, place / "folder" / "tokenizer.model")
    return path, place / "folder"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = build_transformers_model("gemma", 1536, hidden_size=64, intermediate_size=64, num_hidden_layers=1)
    return write_gguf(tmp_path_factory.mktemp("file") / "tiny.gguf", model, kind=GGMLQuantizationType.Q8_0)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"id": "a", "prompt": "Suggestion: Onion soup\nAnalysis:"}), encoding="utf-8")
    return path


def run(promptlight: Command, prompts: Path, out: Path, model: Path, *more: object) -> Any:
    return promptlight("run", prompts, "-o", out, "--max-new-tokens", 6, "--device", "cpu", "--model", model, *more)


@pytest.fixture
def results(promptlight: Command, prompts: Path, file: Path, tmp_path: Path) -> Path:
    assert run(promptlight, prompts, tmp_path / "out", file).exit_code == 0
    return tmp_path / "out"


def test_scores_are_those_from_a_folder_of_the_same_weights(
    promptlight: Command, pair: tuple[Path, Path], prompts: Path, tmp_path: Path
) -> None:
    def analyses() -> Iterator[Analysis]:
        for number, model in enumerate(pair):
            assert run(promptlight, prompts, tmp_path / str(number), model).exit_code == 0
            found = find_result(tmp_path / str(number))
            assert isinstance(found, Analysis)
            yield found

    of_file, of_folder = analyses()
    assert of_file.completion.text == of_folder.completion.text
    mine, theirs = ([token.id for token in one.completion.tokens] for one in (of_file, of_folder))
    assert mine == theirs
    mine, theirs = (one.maps[Method.GRAD_L2].scores for one in (of_file, of_folder))
    assert mine is not None
    assert theirs is not None
    assert np.abs(mine - theirs).max() < 1e-5 * np.abs(theirs).max()


def test_both_formats_say_the_same_of_what_is_computed(pair: tuple[Path, Path]) -> None:
    mine, theirs = (load_model(str(path)).facts for path in pair)
    states_rounded = "gemma3n" in pair[0].parent.name  # the cut-off of its gates, in float32
    assert (mine.config_hash == theirs.config_hash) != states_rounded
    assert mine.context_length == theirs.context_length
    assert (mine.quantised, theirs.quantised) == ("Q8_0", None)


def test_every_view_says_that_the_model_is_quantised(promptlight: Command, results: Path, tmp_path: Path) -> None:
    assert SENTENCE in promptlight("show", results).stdout
    assert json.loads(promptlight("show", results, "--json").stdout)["quantised"] == SENTENCE
    assert SENTENCE in promptlight("summarize", results).stdout
    assert SENTENCE in promptlight("export", results, "-o", tmp_path / "table.csv").stdout
    promptlight("report", results, "-o", tmp_path / "page.html")
    both = {"en": SENTENCE, "zh-TW": "分數來自量化後的模型（Q8_0）"}
    described = json.dumps({"quantised": both}, ensure_ascii=False, separators=(",", ":"))[1:-1]
    assert described in (tmp_path / "page.html").read_text("utf-8")


def test_a_prompt_that_is_explained_now_says_so_too(promptlight: Command, file: Path) -> None:
    shown = promptlight("show", "--prompt", "Onion soup", "--model", file, "--max-new-tokens", 3)
    assert SENTENCE in shown.stdout


def test_results_of_full_weights_say_nothing(promptlight: Command, prompts: Path, tmp_path: Path) -> None:
    assert promptlight("run", prompts, "-o", tmp_path / "out", "--max-new-tokens", 3).exit_code == 0
    assert "quantised" not in promptlight("show", tmp_path / "out").stdout
    assert json.loads(promptlight("show", tmp_path / "out", "--json").stdout)["quantised"] is None


def test_results_record_the_file(
    promptlight: Command, results: Path, file: Path, prompts: Path, tmp_path: Path
) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    settings = read_settings(results)
    assert (settings["model"], settings["quantised"], settings["file_sha256"]) == (str(file), "Q8_0", digest)
    assert read_metadata(require_shards(results)[0])["versions"]["gguf"] == version("gguf")
    said = run(promptlight, prompts, tmp_path / "other", file).stderr
    assert f"{file} in float32 (Q8_0, expanded) on cpu, sha256 {digest[:12]}" in said
    tried = run(promptlight, prompts, tmp_path / "third", file, "--dry-run", "--json").stdout
    assert json.loads(tried)["model"] == {
        "name": str(file),
        "dtype": "float32",
        "device": "cpu",
        "quantised": "Q8_0",
        "file_sha256": digest,
    }


def test_another_file_does_not_go_on_with_the_results(
    promptlight: Command, results: Path, file: Path, prompts: Path
) -> None:
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # the last bit of the last weight
        refused = run(promptlight, prompts, results, file)
        assert refused.exit_code == 5
        assert "file_sha256: there " in refused.stderr
        evaluated = promptlight("evaluate", results)
        assert evaluated.exit_code != 0
        assert "expected the model that made these results" in evaluated.stderr
    finally:
        file.write_bytes(whole)
    assert "1 done before" in run(promptlight, prompts, results, file).stdout
