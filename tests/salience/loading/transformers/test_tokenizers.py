"""Which tokenizer of a folder is read, and what is no model: adapters, pointers, quantised weights."""

# pyright: standard

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.load import load_model
from promptlight.salience.loading.vocabulary import load_tokenizer
from promptlight.salience.text.tokenizer import Tokenizer
from tests.conftest import Command, Offline
from tests.support.presets import edit_json
from tests.support.transformers_models import VOCABULARY, build_transformers_model, save_folder

SIZE = len(Tokenizer.from_file(VOCABULARY))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tokenizer.model`` and ``tokenizer.json``, and two rows more than pieces. For reading only."""
    folder = save_folder(build_transformers_model("gemma3", SIZE + 3), tmp_path_factory.mktemp("source"))
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder / "saved")
    shutil.move(folder / "saved" / "tokenizer.json", folder)
    shutil.rmtree(folder / "saved")
    return folder


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "folder"))


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(folder))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_either_tokenizer_alone_will_do(folder: Path) -> None:
    text = "What is in it?\n\nSuggestion: Crème brûlée"
    both = load_model(str(folder)).tokenizer.encode(text)
    (folder / "tokenizer.json").rename(folder / "kept")
    assert load_model(str(folder)).tokenizer.encode(text) == both
    (folder / "tokenizer.model").unlink()
    assert "expected tokenizer.model or tokenizer.json in it, found none" in refused(folder)
    (folder / "kept").rename(folder / "tokenizer.json")
    assert load_model(str(folder)).tokenizer.encode(text) == load_tokenizer(str(folder)).encode(text) == both


@pytest.mark.parametrize("file", ["added_tokens.json", "tokenizer_config.json"])
def test_added_tokens_are_read_as_transformers_reads_them(folder: Path, file: str) -> None:
    library: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.add_tokens(["<my_tag>"])
    id = library.token_to_id("<my_tag>")
    library.save(str(folder / "tokenizer.json"))
    added = (
        {"<my_tag>": id}
        if file == "added_tokens.json"
        else {"added_tokens_decoder": {str(id): {"content": "<my_tag>"}}}
    )
    (folder / file).write_text(json.dumps(added), encoding="utf-8")
    assert id in load_model(str(folder)).tokenizer.encode("a <my_tag>")
    assert id in load_tokenizer(str(folder)).encode("a <my_tag>")
    (folder / file).write_text("{}", encoding="utf-8")
    assert id not in load_tokenizer(str(folder)).encode("a <my_tag>")


def test_a_token_without_a_piece_is_shown_as_what_it_is(promptlight: Command, source: Path, tmp_path: Path) -> None:
    """A model that writes one: its row in the head is far above all others."""
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(source, tmp_path / "folder"))
    tensors = load_file(folder / "model.safetensors")
    head = tensors["model.embed_tokens.weight"].clone()
    tensors["model.norm.weight"].fill_(5.0)
    head[SIZE + 1], head[SIZE] = 20.0, -20.0
    save_file(tensors | {"lm_head.weight": head}, folder / "model.safetensors", metadata={"format": "pt"})
    shown = promptlight("show", "--prompt", "Hello", "--model", folder, "--device", "cpu", "--max-new-tokens", 6)
    assert shown.exit_code == 0
    assert f"<token {SIZE}>" in shown.stdout or f"<token {SIZE + 1}>" in shown.stdout


# ---- no models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.model", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_says_how_to_get_the_file(folder: Path, file: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n"
    (folder / file).write_text(pointer, encoding="utf-8")
    assert f"{folder}: {file} is a pointer of git-lfs, not the file: run `git lfs pull` there" == refused(folder)
    with pytest.raises(ModelError, match="git lfs pull"):
        load_tokenizer(str(folder))


@pytest.mark.parametrize("is_alone", [True, False])
def test_an_adapter_says_how_it_is_used(promptlight: Command, folder: Path, is_alone: bool) -> None:
    if is_alone:
        (folder / "model.safetensors").unlink()
        (folder / "config.json").unlink()
    base = {"peft_type": "LORA", "base_model_name_or_path": "google/gemma-2-2b-it", "r": 8}
    (folder / "adapter_config.json").write_text(json.dumps(base), encoding="utf-8")
    (folder / "adapter_model.safetensors").touch()
    shown = promptlight("show", "--prompt", "Hello", "--model", folder, "--device", "cpu")
    assert shown.exit_code == 4
    (line,) = shown.stderr.splitlines()
    assert "it is an adapter: give its base, google/gemma-2-2b-it, as the model, and it as the adapter" in line
    (folder / "adapter_config.json").write_text("[", encoding="utf-8")
    assert "it is an adapter: give its base as the model" in refused(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"quantization": {"group_size": 64, "bits": 4}}, "quantised (MLX, 4 bits)"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised (gptq)"),
        (
            {"use_bidirectional_attention": True},
            "gemma3_text with use_bidirectional_attention in config.json is not covered",
        ),
        ({"architectures": ["Gemma3TextForSequenceClassification"]}, "not a model that predicts the next token"),
        ({"architectures": ["Gemma3TextModel"]}, "not a model that predicts the next token"),
        ({"model_type": "t5gemma"}, "t5gemma is not covered: an encoder reads the prompt"),
    ],
)
def test_other_kinds_of_models_are_refused(folder: Path, change: dict[str, Any], says: str) -> None:
    edit_json(folder / "config.json", lambda config: config.update(change))
    assert says in refused(folder)


# ---- from a hub ------------------------------------------------------------------------------------------------------


def test_a_snapshot_of_a_hubs_cache_loads_by_its_handle_and_as_a_folder(
    folder: Path, no_network: Offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--me--gemma"
    snapshot = repository / "snapshots" / "0123abc"
    for part in (repository / "blobs", repository / "refs", snapshot):
        part.mkdir(parents=True)
    (repository / "refs" / "main").write_text(snapshot.name, encoding="utf-8")
    for number, path in enumerate(folder.iterdir()):
        shutil.copy(path, repository / "blobs" / str(number))
        (snapshot / path.name).symlink_to(Path("../../blobs") / str(number))
    (snapshot / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    by_handle, by_folder = load_model("hf://me/gemma"), load_model(str(snapshot))
    assert by_handle.facts.config_hash == by_folder.facts.config_hash
    (snapshot / "tokenizer.model").unlink()
    assert load_model("hf://me/gemma").tokenizer.encode("Hello") == by_folder.tokenizer.encode("Hello")


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = save_folder(build_transformers_model("gemma2", SIZE - 1), tmp_path)
    assert f"its tokenizer has {SIZE} tokens, and its embedding {SIZE - 1} rows" in refused(folder)
