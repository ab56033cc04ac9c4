"""``promptlight doctor``: it sees what is there and what is wrong, and never shows a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType

from promptlight.cli.work import checks
from promptlight.salience.loading.families import FAMILIES
from promptlight.salience.loading.handles import DEMO_FOLDER
from tests.conftest import Command, unbind_logs
from tests.support.gguf_files import write_gguf
from tests.support.transformers_models import build_transformers_model

SECRET = "planted-secret-0123456789"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home: no login, no cache."""
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.delenv("LLAMA_CACHE", raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / ".kaggle"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    yield tmp_path
    unbind_logs()


def find(found: list[dict[str, str | None]], topic: str) -> dict[str, str | None]:
    (check,) = [one for one in found if one["topic"] == topic]
    return check


def test_a_bare_machine_is_told_what_is_optional(promptlight: Command) -> None:
    shown = promptlight("doctor")
    assert (shown.exit_code, shown.stderr) == (0, "")
    for part in ("Python", "torch", "Kaggle login", "Hugging Face login", "demo", "gemma2_instruct_2b_en", "GiB"):
        assert part in shown.stdout
    found = json.loads(promptlight("doctor", "--json").stdout)
    assert find(found["checks"], "Kaggle login")["found"] == "none"
    assert "promptlight login" in str(find(found["checks"], "Kaggle login")["fix"])
    assert find(found["checks"], "models on disk")["found"] == "demo"
    assert {model["model"] for model in found["models"]} == set(checks.MODELS)


def test_every_preset_that_is_covered_is_listed(promptlight: Command) -> None:
    listed = json.loads(promptlight("doctor", "--json").stdout)["presets"]
    assert listed == {family.name: list(family.presets) for family in FAMILIES}
    shown = " ".join(promptlight("doctor").stdout.split())
    for family in FAMILIES:
        assert f"{family.name} {', '.join(family.presets)}" in shown
    assert "embedding" not in shown


def test_logins_are_seen_and_never_shown(promptlight: Command, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    for arguments in (("doctor",), ("doctor", "--json")):
        shown = promptlight(*arguments)
        assert shown.stdout.count("present") == 2
        assert SECRET not in shown.stdout + shown.stderr
        assert "someone" not in shown.stdout + shown.stderr


def test_models_on_disk_that_load_are_listed_by_their_handles(promptlight: Command, home: Path) -> None:
    for folder, config in {
        "kagglehub/models/keras/gemma2/keras/gemma2_instruct_2b_en/2": (DEMO_FOLDER / "config.json").read_text("utf-8"),
        "kagglehub/models/keras/gemma5/keras/gemma5_2b/1": '{"registered_name": "x", "class_name": "Gemma5Backbone"}',
        "hub/models--google--gemma-2-2b-it/snapshots/abc": '{"model_type": "gemma2"}',
        "hub/models--me--a-tune/snapshots/abc": '{"model_type": "gemma3_text"}',
        "hub/models--google--gemma-4-draft/snapshots/abc": '{"model_type": "gemma4_assistant"}',
        "hub/models--other--broken-gemma/snapshots/abc": "{",
    }.items():
        (home / folder).mkdir(parents=True)
        (home / folder / "config.json").write_text(config, encoding="utf-8")
    (home / "hub/models--other--gemma-half/snapshots/abc").mkdir(parents=True)
    found = json.loads(promptlight("doctor", "--json").stdout)
    kaggle = "kaggle://keras/gemma2/keras/gemma2_instruct_2b_en/2"
    expected = f"demo, hf://google/gemma-2-2b-it, hf://me/a-tune, {kaggle}"
    assert find(found["checks"], "models on disk")["found"] == expected


def test_what_stops_promptlight_gives_exit_code_one(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    shown = promptlight("doctor")
    assert shown.exit_code == 1
    assert "unset KERAS_BACKEND, or set it to torch" in shown.stdout
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setattr(checks, "NEEDED", (*checks.NEEDED, "no-such-package"))
    missing = promptlight("doctor")
    assert missing.exit_code == 1
    assert "no-such-package is missing" in missing.stdout


def test_gguf_files_on_disk_are_listed_with_their_quantisation(promptlight: Command, home: Path) -> None:
    blobs = home / ".ollama" / "models" / "blobs"
    blobs.mkdir(parents=True)
    model = build_transformers_model("gemma", 1536, hidden_size=64, intermediate_size=64)
    write_gguf(blobs / "sha256-0a", model, kind=GGMLQuantizationType.Q8_0)
    (blobs / "sha256-0b").write_text("a template")
    (blobs / "sha256-0c").write_bytes(b"GGUF, but damaged")
    found = json.loads(promptlight("doctor", "--json").stdout)["checks"]
    assert find(found, "models on disk")["found"] == f"demo, {blobs}/sha256-0a (Q8_0)"
    assert str(find(found, "GGUF files")["found"]).startswith("readable, with gguf ")


def test_without_the_package_gguf_it_says_how_to_get_it(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_version(name: str) -> str:
        if name == "gguf":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(checks, "version", find_version)
    shown = promptlight("doctor", "--json")
    assert shown.exit_code == 0
    assert "promptlight[gguf]" in str(find(json.loads(shown.stdout)["checks"], "GGUF files")["fix"])
