"""Models are found, read and refused as a user would expect; the hubs are tested offline, on their own caches."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import kagglehub.exceptions
import keras_nlp
import pytest
import requests
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from promptlight.salience.errors import ModelError
from promptlight.salience.handles import DEMO_FOLDER, Handle, check_folder, explain_loading_error, parse_handle
from promptlight.salience.model import load_model
from promptlight.salience.tokenizer import Tokenizer
from tests.oracles.tiny import build_backbone

VOCABULARY = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
SECRET = "planted-secret-key"


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Gemma 2 as a Keras preset."""
    folder = tmp_path_factory.mktemp("preset")
    tokenizer = keras_nlp.models.GemmaTokenizer(proto=VOCABULARY.read_bytes())
    backbone = build_backbone("gemma2", vocabulary_size=len(Tokenizer.from_file(VOCABULARY)))
    preprocessor = keras_nlp.models.GemmaCausalLMPreprocessor(tokenizer, sequence_length=64)
    keras_nlp.models.GemmaCausalLM(backbone, preprocessor).save_to_preset(str(folder))
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network, no login, empty caches; returns kagglehub's cache folder."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise socket.gaierror("Name or service not known")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def lay_into_kaggle_cache(preset: Path, cache: Path) -> None:
    """The preset as kagglehub keeps gemma2_instruct_2b_en: files, and a marker for each that is complete."""
    variant = cache / "models" / "keras" / "gemma2" / "keras" / "gemma2_instruct_2b_en"
    shutil.copytree(preset, variant / "2")
    for path in (variant / "2").rglob("*"):
        if path.is_file():
            marker = variant / ".complete" / "2" / f"{path.relative_to(variant / '2')}.complete"
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


@pytest.mark.parametrize(
    ("text", "name", "preset"),
    [
        ("gemma2_instruct_2b_en", "gemma2_instruct_2b_en", "gemma2_instruct_2b_en"),
        ("gemma2_2b_it:gemma2_instruct_2b_en", "gemma2_2b_it", "gemma2_instruct_2b_en"),
        ("kaggle://keras/gemma2/keras/x/2", "kaggle://keras/gemma2/keras/x/2", "kaggle://keras/gemma2/keras/x/2"),
        ("mine:hf://google/gemma-2-2b-it", "mine", "hf://google/gemma-2-2b-it"),
        ("demo", "demo", str(DEMO_FOLDER)),
        ("small:demo", "small", str(DEMO_FOLDER)),
        ("./folder", "./folder", "folder"),
        ("~/folder", "~/folder", str(Path("~/folder").expanduser())),
        ("C:\\folder", "C:\\folder", "C:\\folder"),
    ],
)
def test_what_a_user_may_write(text: str, name: str, preset: str) -> None:
    assert parse_handle(text) == Handle(name, preset)


def test_the_demo_model_loads_in_either_precision() -> None:
    for dtype, expected in (("auto", torch.float32), ("bfloat16", torch.bfloat16)):
        model = load_model("demo", device="cpu", dtype=dtype)
        assert {layer.gate.dtype for layer in model.decoder.layers} == {model.decoder.embedding.dtype} == {expected}
        assert not model.decoder.embedding.requires_grad
    assert model.preset == "demo"


def test_a_keras_preset_loads_from_its_folder(preset: Path) -> None:
    model = load_model(f"tiny:{preset}")
    assert (model.name, model.preset) == ("tiny", str(preset))
    assert model.decoder.embedding.shape[1] == 32


@pytest.mark.parametrize("handle", ["gemma2_instruct_2b_en", "kaggle://keras/gemma2/keras/gemma2_instruct_2b_en/2"])
def test_a_hub_preset_loads_from_the_cache_without_network(preset: Path, offline: Path, handle: str) -> None:
    lay_into_kaggle_cache(preset, offline)
    assert load_model(handle).decoder.embedding.shape[1] == 32


@pytest.mark.parametrize("handle", ["gemma2_instruct_2b_en", "hf://google/gemma-2-2b-it"])
def test_without_network_and_cache_the_error_says_so(
    offline: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, handle: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("time.sleep", lambda _: None)  # huggingface_hub tries five times
    with pytest.raises(ModelError, match="no network") as caught:
        load_model(handle)
    assert "\n" not in str(caught.value)


KAGGLE, HUGGING_FACE = Handle("g", "gemma2_instruct_2b_en"), Handle("h", "hf://google/gemma-2-2b-it")
RESPONSE: Any = requests.Response()


@pytest.mark.parametrize(
    ("handle", "error", "login", "says"),
    [
        (KAGGLE, kagglehub.exceptions.KaggleApiHTTPError("401 Client Error.\n\nNo"), False, "promptlight login"),
        (KAGGLE, FileNotFoundError("`x` is not accessible in preset directory"), False, "KAGGLE_USERNAME"),
        (KAGGLE, FileNotFoundError("`x` is not accessible in preset directory"), True, "licence not accepted"),
        (KAGGLE, kagglehub.exceptions.KaggleApiHTTPError("403 Client Error.\n\nNo"), True, "kaggle.com/models"),
        (KAGGLE, requests.ConnectionError("Max retries exceeded"), True, "no network"),
        (KAGGLE, FileNotFoundError("`config.json` doesn't exist in preset directory"), True, "no such model"),
        (HUGGING_FACE, GatedRepoError("gated", response=RESPONSE), False, "accept it on https://huggingface.co/google"),
        (HUGGING_FACE, RepositoryNotFoundError("404", response=RESPONSE), False, "hf auth login"),
        (HUGGING_FACE, LocalEntryNotFoundError("offline"), False, "no network: could not reach huggingface.co"),
        (KAGGLE, RuntimeError("something\nelse"), True, "could not be loaded (RuntimeError: something)"),
    ],
)
def test_each_failure_has_its_own_line_and_keeps_secrets(
    monkeypatch: pytest.MonkeyPatch, handle: Handle, error: Exception, login: bool, says: str
) -> None:
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    message = str(explain_loading_error(handle, error, kaggle_login=login))
    assert says in message
    assert message.startswith(handle.preset)
    assert "\n" not in message
    assert SECRET not in message


def test_names_that_are_no_model() -> None:
    with pytest.raises(ModelError, match=r"did you mean .*gemma2_instruct_2b_en"):
        load_model("gemma2_instruct_2b")
    with pytest.raises(ModelError, match="not covered; covered are Gemma 1"):
        load_model("gpt2_base_en")


def test_folders_that_are_no_preset(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        load_model(str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"has no config.json; found nothing"):
        load_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has no weights .*; found config.json"):
        check_folder(tmp_path)
    with pytest.raises(ModelError, match="is a file"):
        check_folder(tmp_path / "config.json")


def test_devices_and_dtypes_that_are_not_there() -> None:
    with pytest.raises(ModelError, match="expected a dtype"):
        load_model("demo", dtype="float8")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="--device cuda: not available here; use one of: cpu"):
            load_model("demo", device="cuda")


def test_another_keras_backend_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "promptlight.cli", "show", "--prompt", "Hello"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"KERAS_BACKEND": "jax", "HOME": str(tmp_path)}
    )
    assert done.returncode == 4
    assert (
        done.stderr == "promptlight: KERAS_BACKEND is 'jax', but promptlight needs torch: unset it or set it to torch\n"
    )
