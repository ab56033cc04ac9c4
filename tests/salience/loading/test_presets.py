"""Presets are data: what asks for code, reaches out of its folder or would fill the memory is refused, with why."""

# pyright: standard

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import huggingface_hub
import kagglehub
import numpy as np
import pytest
import torch

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import check_config
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.loading.hubs import fetch_config, fetch_preset
from promptlight.salience.loading.load import load_model
from promptlight.salience.loading.presets import check_preset
from promptlight.salience.loading.vocabulary import load_tokenizer
from promptlight.salience.loading.weight_files import read_index
from promptlight.salience.text.tokenizer import Tokenizer
from tests.conftest import Command, Offline
from tests.support.presets import edit_json, save_newer_preset
from tests.support.transformers_models import VOCABULARY, build_transformers_model, save_folder

WEIGHTS = "model.weights.h5"


class Bomb:
    """A pickle of it makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (open, (str(self.mark), "w"))


@pytest.fixture
def preset(tiny_preset: Path, tmp_path: Path) -> Path:
    """A preset of one's own, which is refused by nothing yet."""
    folder = tmp_path / "preset"
    shutil.copytree(tiny_preset, folder)
    check_preset(folder, "it")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(folder))
    message = str(caught.value)
    assert message.startswith(str(folder))
    assert "\n" not in message
    return message


def test_what_keras_and_transformers_write_passes(tiny_preset: Path, demo_model: Any) -> None:
    check_preset(DEMO_FOLDER, "demo")
    check_preset(tiny_preset, "tiny")


# ---- code -----------------------------------------------------------------------------------------------------------

OBJECTS: list[dict[str, Any]] = [
    {"module": "keras.layers", "class_name": "Lambda", "config": {}, "registered_name": None},
    {"class_name": "__lambda__", "config": {"value": "4wAAAAA="}},
    {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "gAQ="}},
    {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/x"}},
    {"module": "keras", "class_name": "function", "config": "get_file", "registered_name": "get_file"},
    {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "eval"},
    {"module": "subprocess", "class_name": "GemmaPopen", "config": {}, "registered_name": None},
    {"module": "keras_hub", "class_name": "GemmaBackbone", "config": {}, "registered_name": "mine>GemmaBackbone"},
    {"module": "keras_hub", "class_name": "GemmaBackbone", "config": {}, "registered_name": "keras_hub>Lambda"},
    {"module": "keras", "class_name": "DTypePolicy", "config": {}, "registered_name": "Lambda"},
    {"module": "keras_hubris.x", "class_name": "GemmaBackbone", "config": {}, "registered_name": None},
]


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "task.json"])
@pytest.mark.parametrize("unwanted", OBJECTS, ids=lambda one: f"{one['class_name']}-{one.get('module')}")
def test_no_class_but_gemmas_is_made(preset: Path, file: str, unwanted: dict[str, Any]) -> None:
    edit_json(preset / file, lambda value: value["config"].update(dtype={"deeper": [unwanted]}))
    message = refused(preset)
    assert f"{file} asks for {unwanted['class_name']} of " in message
    assert "runs no code of a preset; use the preset as it was published" in message


def test_the_outermost_class_counts_too(preset: Path) -> None:
    edit_json(preset / "tokenizer.json", lambda value: value.update(OBJECTS[0]))
    assert "tokenizer.json asks for Lambda of keras.layers" in refused(preset)


@pytest.mark.parametrize("code", [{"auto_map": {"AutoModel": "modeling.Mine"}}, {"custom_pipelines": {"x": {}}}])
def test_code_of_a_transformers_folder_is_refused(tmp_path: Path, code: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma2"} | code), encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    message = refused(tmp_path)
    assert "config.json asks for code of its own (" in message
    assert "use the model that it was made from" in message


def test_a_vocabulary_lies_in_its_own_file(preset: Path) -> None:
    edit_json(preset / "tokenizer.json", lambda value: value["config"].update(proto="/etc/passwd"))
    assert "tokenizer.json holds a vocabulary" in refused(preset)


@pytest.mark.parametrize("name", [WEIGHTS, "model.safetensors", "assets/tokenizer/vocabulary.spm", "config.json"])
def test_a_pickle_is_not_read_whatever_it_is_called(preset: Path, tmp_path: Path, name: str) -> None:
    if name.endswith(".safetensors"):
        (preset / WEIGHTS).unlink()
        shutil.copy(preset / "assets/tokenizer/vocabulary.spm", preset / "tokenizer.model")
        sizes = {"vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        sizes |= {"num_key_value_heads": 1, "intermediate_size": 8, "head_dim": 8, "architectures": ["x"]}
        (preset / "config.json").write_text(json.dumps({"model_type": "gemma"} | sizes), encoding="utf-8")
    (preset / name).write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
    refused(preset)
    assert not (tmp_path / "mark").exists()
    (tmp_path / "mark.pkl").write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
    pickle.loads((tmp_path / "mark.pkl").read_bytes()).close()  # the bomb is one
    assert (tmp_path / "mark").exists()


WATCHED = """
import sys
from promptlight.salience.loading.keras.backbone import import_keras_nlp
from promptlight.salience.loading.load import load_model
import_keras_nlp()
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event == "pickle.find_class" else None)
load_model(sys.argv[1])
assert not seen, seen
import pickle
import re
pickle.loads(pickle.dumps(len))
assert seen  # the hook works
"""


def test_loading_unpickles_nothing(preset: Path, tmp_path: Path) -> None:
    """Neither with pickles beside the weights."""
    for name in ("pytorch_model.bin", "model.pt", "optimizer.pkl"):
        (preset / name).write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
    (preset / "modeling.py").write_text("raise SystemExit('run')", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", WATCHED, preset], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "mark").exists()


def test_weights_as_pickles_only_are_no_preset(preset: Path) -> None:
    (preset / WEIGHTS).rename(preset / "pytorch_model.bin")
    assert "pytorch_model.bin is not read, as it can hold code: save the model as safetensors" in refused(preset)


# ---- files outside --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", ["model.weights.json", "model.safetensors.index.json"])
@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("../other.safetensors", "names ../other.safetensors, which is no file of the folder"),
        ("/etc/passwd.safetensors", "which is no file of the folder"),
        ("a/b.weights.h5", "which is no file of the folder"),
        ("..\\x.safetensors", "which is no file of the folder"),
        ("pytorch_model.bin", "expected .weights.h5 or .safetensors: other formats can hold code"),
        ("", "expected .weights.h5 or .safetensors"),
    ],
)
def test_lists_of_weights_name_data_in_the_folder(preset: Path, index: str, named: str, says: str) -> None:
    (preset / index).write_text(json.dumps({"weight_map": {"a": named}}), encoding="utf-8")
    assert says in refused(preset)


def test_a_list_may_have_lists(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.json"
    path.write_text('{"weight_map": {"a": ["1.weights.h5", "2.weights.h5"], "b": "1.weights.h5"}}', encoding="utf-8")
    assert read_index(path, "it") == ["1.weights.h5", "2.weights.h5"]
    path.write_text('{"weight_map": []}', encoding="utf-8")
    with pytest.raises(ModelError, match="expected a weight_map"):
        read_index(path, "it")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", WEIGHTS, "assets/tokenizer/vocabulary.spm"])
def test_a_link_out_of_the_folder_is_refused(preset: Path, tmp_path: Path, file: str) -> None:
    outside = tmp_path / "outside"
    (preset / file).rename(outside)
    (preset / file).symlink_to(outside)
    assert f"{file} is a link to {outside}, out of the folder; put the file itself there" in refused(preset)
    (preset / file).unlink()
    outside.rename(preset / "elsewhere")
    (preset / file).symlink_to(preset / "elsewhere")
    check_preset(preset, "it")


def test_the_tokenizer_alone_is_looked_at_too(preset: Path, tmp_path: Path) -> None:
    vocabulary = preset / "assets" / "tokenizer" / "vocabulary.spm"
    vocabulary.rename(tmp_path / "outside")
    vocabulary.symlink_to(tmp_path / "outside")
    with pytest.raises(ModelError, match="is a link to"):
        load_tokenizer(str(preset))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_not_waited_for(preset: Path) -> None:
    (preset / "tokenizer.json").unlink()
    os.mkfifo(preset / "tokenizer.json")
    assert "tokenizer.json is no file" in refused(preset)
    (preset / "tokenizer.json").unlink()
    (preset / "tokenizer.json").symlink_to(preset / "tokenizer.json")
    refused(preset)


def link_group(file: Any, outside: Path) -> None:
    del file["layers"]
    file["layers"] = h5py.ExternalLink(str(outside), "/layers")


def link_softly(file: Any, outside: Path) -> None:
    file.move("layers", "others")
    file["layers"] = h5py.SoftLink("/others")


def store_outside(file: Any, outside: Path) -> None:
    file.create_dataset("more", (4,), "f4", external=[(str(outside), 0, 16)])


def map_outside(file: Any, outside: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(outside), "x", (4,))
    file.create_virtual_dataset("more", layout)


def declare_too_much(file: Any, outside: Path) -> None:
    file.create_dataset("more", (10**6, 10**6), "f4", chunks=(100, 100), compression="gzip")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (link_group, "layers lies in another file, "),
        (link_softly, "layers is a link to /others"),
        (store_outside, "more lies in another file, "),
        (map_outside, "more lies in other files"),
        (declare_too_much, "and would unpack to 400000"),
    ],
)
def test_weights_are_whole_and_as_large_as_they_say(
    preset: Path, tmp_path: Path, harm: Callable[[Any, Path], None], says: str
) -> None:
    shutil.copy(preset / WEIGHTS, tmp_path / "outside.h5")
    with h5py.File(preset / WEIGHTS, "a") as file:
        harm(file, tmp_path / "outside.h5")
    assert f"{WEIGHTS} " in (message := refused(preset))
    assert says in message


def test_packed_weights_are_read(preset: Path) -> None:
    with h5py.File(preset / WEIGHTS, "a") as file:
        file.create_dataset("more", data=np.zeros(2**20, "f4"), compression="gzip")
    check_preset(preset, "it")


@pytest.mark.parametrize("key", ["vocabulary_size", "num_layers", "hidden_dim"])
@pytest.mark.parametrize("file", ["config.json", "task.json"])
def test_a_configuration_does_not_fill_the_memory(preset: Path, file: str, key: str) -> None:
    def enlarge(value: Any) -> None:
        inner = value["config"] if file == "config.json" else value["config"]["backbone"]["config"]
        inner[key] = 10**9

    edit_json(preset / file, enlarge)
    assert f"{file} declares more than " in refused(preset)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{", '"x"', "null"])
def test_a_broken_configuration_is_one_line(preset: Path, text: str) -> None:
    (preset / "config.json").write_text(text, encoding="utf-8")
    assert "could not be loaded (config.json: " in refused(preset)


# ---- from a hub -----------------------------------------------------------------------------------------------------


def lay_into_hugging_face_cache(preset: Path, cache: Path) -> Path:
    """A preset as huggingface_hub keeps it: links in a snapshot, which lead to files named by their content."""
    repository = cache / "models--me--gemma"
    snapshot = repository / "snapshots" / "0123abc"
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name, encoding="utf-8")
    for number, path in enumerate(path for path in preset.rglob("*") if path.is_file()):
        blob, link = repository / "blobs" / str(number), snapshot / path.relative_to(preset)
        shutil.copy(path, blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def test_a_cached_preset_of_hugging_face_is_loaded_and_looked_at(
    preset: Path, no_network: Offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = lay_into_hugging_face_cache(preset, tmp_path / "hub")
    fetched, local = load_model("hf://me/gemma"), load_model(str(preset))
    assert torch.equal(fetched.decoder.embedding, local.decoder.embedding)
    assert fetched.facts.preset == "hf://me/gemma"
    assert len(load_tokenizer("hf://me/gemma")) == len(local.tokenizer)
    (snapshot / "tokenizer.json").unlink()
    edit_json(preset / "tokenizer.json", lambda value: value.update(OBJECTS[0]))
    shutil.copy(preset / "tokenizer.json", snapshot)
    with pytest.raises(ModelError, match=r"^hf://me/gemma: tokenizer\.json asks for Lambda of keras\.layers"):
        load_model("hf://me/gemma")


def test_a_transformers_preset_of_hugging_face_says_its_context_length(
    no_network: Offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "theirs"
    build_transformers_model("gemma2", len(Tokenizer.from_file(VOCABULARY))).save_pretrained(folder)
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    lay_into_hugging_face_cache(folder, tmp_path / "hub")
    assert load_model("hf://me/gemma").facts.context_length == 128


@pytest.mark.parametrize(
    ("config", "files"),
    [
        (
            {"registered_name": "keras_hub>GemmaBackbone"},
            ["assets/tokenizer/vocabulary.spm", "tokenizer.json", WEIGHTS],
        ),
        ({"model_type": "gemma2"}, ["tokenizer.model", "model.safetensors"]),
    ],
)
def test_only_what_is_read_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], files: list[str]
) -> None:
    fetched: list[str] = []

    def download(_: str, file: str, revision: str | None = None) -> str:
        fetched.append(file)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    (tmp_path / "config.json").write_text(json.dumps({"class_name": "GemmaBackbone"} | config), encoding="utf-8")
    assert fetch_preset("hf://me/gemma", "it") == tmp_path
    assert fetched == ["config.json", *files]
    edit_json(tmp_path / "config.json", lambda value: value.update(auto_map={"AutoModel": "x.Y"}))
    fetched.clear()
    with pytest.raises(ModelError, match=r"it: config\.json asks for code of its own"):
        fetch_preset("hf://me/gemma", "it")
    assert fetched == ["config.json"]


@pytest.mark.parametrize(
    ("handle", "revision"),
    [("hf://me/gemma@refs/pr/7", "refs/pr/7"), ("me/gemma@9e2c3f1", "9e2c3f1"), ("hf://me/gemma", None)],
)
def test_a_revision_is_asked_for_with_every_file_and_named_in_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handle: str, revision: str | None
) -> None:
    hub, asked = tmp_path / "theirs", set[tuple[str, str | None]]()
    save_folder(build_transformers_model("gemma2", len(Tokenizer.from_file(VOCABULARY))), hub)

    def download(name: str, file: str, revision: str | None = None) -> str:
        asked.add((name, revision))
        if not (hub / file).is_file():
            raise ValueError("404 Client Error. Entry Not Found")
        return str(hub / file)

    def measure(name: str, *, revision: str | None, files_metadata: bool) -> SimpleNamespace:
        asked.add((name, revision))
        return SimpleNamespace(siblings=[])

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "model_info", measure)
    facts = load_model(handle, device="cpu").facts
    assert asked == {("me/gemma", revision)}
    assert facts.preset == f"hf://me/gemma{f'@{revision}' if revision else ''}"


def test_weights_in_several_files_are_fetched_by_their_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def download(_: str, file: str, revision: str | None = None) -> str:
        fetched.append(file)
        if file == "model.safetensors":
            raise ValueError("404 Client Error. Entry Not Found")
        if file.endswith("index.json"):
            (tmp_path / file).write_text('{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}', "utf-8")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    (tmp_path / "config.json").write_text('{"model_type": "gemma2"}', encoding="utf-8")
    fetch_preset("hf://me/gemma", "it")
    assert fetched[-3:] == ["model.safetensors.index.json", "1.safetensors", "2.safetensors"]
    fetched.clear()
    fetch_preset("hf://me/gemma", "it")
    assert "model.safetensors" not in fetched  # known from the list


@pytest.mark.parametrize("shards", [False, True])
def test_what_a_model_needs_is_said_before_its_weights_are_fetched(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: bool
) -> None:
    hub, cache, prompts = tmp_path / "theirs", tmp_path / "cache", tmp_path / "prompts.jsonl"
    size = {"max_shard_size": "200KB"} if shards else {}
    save_folder(build_transformers_model("gemma2", len(Tokenizer.from_file(VOCABULARY))), hub, **size)
    assert shards == (hub / "model.safetensors.index.json").exists()
    cache.mkdir()
    events: list[str] = []

    def download(_: str, file: str, revision: str | None = None) -> str:
        if not (hub / file).is_file():
            raise ValueError("404 Client Error. Entry Not Found")
        if file.endswith(".safetensors") and not (cache / file).is_file():
            events.append("weights")
        return str(shutil.copy(hub / file, cache / file))

    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)] if shards else ["model.safetensors"]
    sizes = {"README.md": 2**40, "other/model.safetensors": 2**40, **dict.fromkeys(names, 5 * 2**30 // len(names))}
    files = [SimpleNamespace(rfilename=name, size=size) for name, size in sizes.items()]
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(
        huggingface_hub, "model_info", lambda _, revision, files_metadata: SimpleNamespace(siblings=files)
    )
    load_model("hf://me/gemma", device="cpu", on_fetch=events.append)
    need = re.compile(
        r"hf://me/gemma: 0\.\d+ million parameters; 5\.0 GiB to fetch; 0\.0 GiB in float32, 0\.0 GiB in bfloat16;"
        r" [\d.]+ GiB are free on CPU"
    )
    assert need.fullmatch(events[0]), events
    assert set(events[1:]) == {"weights"}
    load_model("hf://me/gemma", device="cpu", on_fetch=events.append)  # from the cache
    load_model(str(hub), device="cpu", on_fetch=events.append)
    assert sum(map(bool, map(need.fullmatch, events))) == 1
    prompts.write_text('{"prompt": "Hello"}\n', encoding="utf-8")
    arguments = ("--model", "hf://me/gemma", "--device", "cpu", "--max-new-tokens", 2)
    for command in (("run", prompts, "-o", tmp_path / "out"), ("show", "-p", "Hello")):
        for path in cache.iterdir():
            path.unlink()
        shown = promptlight(*command, *arguments)
        assert shown.exit_code == 0, shown.stderr
        assert len(need.findall(shown.stderr)) == 1
        assert not need.search(promptlight(*command, *arguments).stderr)


def test_gemma_4_runs_by_the_name_of_its_preset(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, cache = tmp_path / "theirs", tmp_path / "cache"
    save_newer_preset("gemma4_e", hub)

    def download(handle: str, file: str) -> str:
        assert handle.startswith("keras/gemma4/keras/gemma4_instruct_2b/")
        (cache / file).parent.mkdir(parents=True, exist_ok=True)
        return str(shutil.copy(hub / file, cache / file))

    monkeypatch.setattr(kagglehub, "model_download", download)
    arguments = ("show", "-p", "Hello", "--model", "gemma4_instruct_2b", "--device", "cpu", "--max-new-tokens", 2)
    first, second = promptlight(*arguments), promptlight(*arguments)
    assert (first.exit_code, first.stdout) == (0, second.stdout), first.stderr
    said = (
        "gemma4_instruct_2b: 0.175 million parameters, and a table of 0.174 million that stays in its file; 0.0 GiB in"
    )
    assert said in first.stderr
    assert "stays in its file" not in second.stderr


def test_a_hub_that_does_not_say_how_much_is_fetched_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    (tmp_path / "config.json").write_text('{"model_type": "gemma2"}', encoding="utf-8")
    for module, name in ((huggingface_hub, "hf_hub_download"), (kagglehub, "model_download")):
        monkeypatch.setattr(module, name, lambda _, file, **__: str(tmp_path / file))
    monkeypatch.setattr(huggingface_hub, "model_info", fail)
    assert fetch_config("hf://me/gemma", "it") == ({"model_type": "gemma2"}, None)
    assert fetch_config("kaggle://me/gemma/keras/x", "it")[1] is None
    monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: SimpleNamespace(siblings=None))
    assert fetch_config("hf://me/gemma", "it")[1] is None


def test_the_command_line_says_it_in_one_line(promptlight: Command, preset: Path) -> None:
    edit_json(preset / "config.json", lambda value: value["config"].update(dtype=OBJECTS[0]))
    shown = promptlight("show", "--prompt", "Hello", "--model", preset, "--device", "cpu")
    assert (shown.exit_code, shown.stdout) == (4, "")
    (line,) = shown.stderr.splitlines()
    assert line.startswith(
        f"promptlight: {preset}: config.json asks for Lambda of keras.layers, which no covered model has"
    )


def test_the_demo_and_its_family_are_known(tmp_path: Path) -> None:
    assert check_config(DEMO_FOLDER, "demo")["class_name"] == "GemmaBackbone"
