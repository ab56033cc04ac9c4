"""Loading from every place that a model can lie in, offline; and the refusals as the command line shows them."""

# pyright: standard

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from promptlight.cli.work.progress import LOADING
from promptlight.salience.decoder.generate import generate
from promptlight.salience.decoder.tensors import count_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.loading.keras._model import DEMO_CONTEXT_LENGTH
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from tests.conftest import Command, Offline, save_tiny_preset

VOCABULARY = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
PRESET = "gemma2_instruct_2b_en"
HANDLE = f"kaggle://keras/gemma2/keras/{PRESET}/2"


def logits(model: Model) -> torch.Tensor:
    ids = torch.tensor([[model.tokenizer.bos_id, *model.tokenizer.encode("Suggestion: Onion soup\nAnalysis:")]])
    with torch.no_grad():
        return model.decoder.logits(model.decoder.hidden(model.decoder.embed(ids)))


def test_the_demo_writes_text_and_knows_its_limits(demo_model: Model) -> None:
    assert (demo_model.facts.name, demo_model.facts.preset, demo_model.dtype) == ("demo", "demo", "float32")
    assert demo_model.facts.context_length == DEMO_CONTEXT_LENGTH == 512
    assert len(demo_model.tokenizer) == demo_model.decoder.embedding.shape[0]
    ids = [
        demo_model.tokenizer.bos_id,
        *demo_model.tokenizer.encode("What is in it?\n\nSuggestion: Omelette\nAnalysis:"),
    ]
    (new,) = generate(demo_model.decoder, [ids], max_new_tokens=8, context_length=512, stops=demo_model.stops)
    assert "".join(demo_model.tokenizer.pieces(list(new.ids))).strip("▁")


def test_facts_are_those_of_the_weights_that_were_loaded(demo_model: Model) -> None:
    facts = demo_model.facts
    assert (facts.device, facts.dtype) == (str(demo_model.device), "float32")
    assert facts.n_bytes == count_bytes(demo_model.decoder) + 8 * demo_model.decoder.embedding.numel()
    assert (facts.quantised, facts.versions["torch"]) == (None, version("torch"))


def test_what_a_program_has_frozen_stays_so_and_nothing_else() -> None:
    for prepare, is_frozen in ((gc.unfreeze, False), (gc.freeze, True)):
        prepare()
        load_model("demo", device="cpu")
        assert bool(gc.get_freeze_count()) is is_frozen


def test_bfloat16_is_the_same_model_to_rounding(demo_model: Model) -> None:
    half = load_model("demo", device="cpu", dtype="bfloat16")
    assert half.dtype == "bfloat16"
    assert half.facts.config_hash == demo_model.facts.config_hash
    assert torch.equal(half.decoder.embedding, demo_model.decoder.embedding.bfloat16())
    error = (logits(half).float() - logits(demo_model)).norm() / logits(demo_model).norm()
    assert 0 < error < 0.05


@pytest.mark.parametrize("handle", [PRESET, HANDLE, f"mine:{HANDLE}"])
def test_a_cached_preset_is_the_folders_model_and_asks_no_network(
    tiny_preset: Path, no_network: Offline, handle: str
) -> None:
    no_network.lay_into_cache(tiny_preset)
    cached, local = load_model(handle), load_model(str(tiny_preset))
    assert no_network.attempts == []
    assert torch.equal(logits(cached), logits(local))
    assert cached.facts.config_hash == local.facts.config_hash
    assert cached.facts.preset == handle.removeprefix("mine:")  # not where the cache happens to be
    assert cached.facts.name == ("mine" if handle.startswith("mine") else handle)
    assert cached.facts.context_length == 8192


@pytest.mark.parametrize("handle", [PRESET, f"./{PRESET}", f"mine:{PRESET}"])
def test_a_folder_with_the_name_of_a_preset_goes_first(
    tiny_preset: Path, no_network: Offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handle: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_preset, tmp_path / PRESET)
    assert torch.equal(logits(load_model(handle)), logits(load_model(str(tiny_preset))))
    assert no_network.attempts == []


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5", "assets/tokenizer/vocabulary.spm"])
def test_a_preset_that_is_half_in_the_cache_is_fetched_not_used(
    tiny_preset: Path, no_network: Offline, missing: str
) -> None:
    markers = no_network.lay_into_cache(tiny_preset)
    (markers / f"{missing}.complete").unlink()
    with pytest.raises(ModelError, match=r"no network: could not reach kaggle\.com"):
        load_model(PRESET)
    assert no_network.attempts


def test_a_cached_preset_with_weights_in_several_files_needs_each(no_network: Offline, tmp_path: Path) -> None:
    preset = save_tiny_preset(tmp_path / "sharded", max_shard_size=0.0002)
    index = json.loads((preset / "model.weights.json").read_text(encoding="utf-8"))
    shards: set[str] = {
        name for names in index["weight_map"].values() for name in ([names] if isinstance(names, str) else names)
    }
    assert len(shards) > 1
    markers = no_network.lay_into_cache(preset)
    assert torch.equal(logits(load_model(PRESET)), logits(load_model(str(preset))))
    assert no_network.attempts == []
    (markers / f"{min(shards)}.complete").unlink()
    with pytest.raises(ModelError, match="no network"):
        load_model(PRESET)


@pytest.mark.parametrize("handle", [PRESET, HANDLE, "kaggle://keras/gemma2/keras/x", "hf://google/gemma-2-2b-it"])
def test_without_network_and_cache_one_line_says_so(
    promptlight: Command, no_network: Offline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, handle: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    refused = promptlight("show", "--prompt", "Hello", "--model", handle)
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert refused.stderr.splitlines()[-1].startswith(f"promptlight: {handle}: no network: could not reach ")
    assert "Traceback" not in refused.stderr
    assert no_network.attempts


def test_a_transformers_folder_gives_transformers_logits(tmp_path: Path, demo_model: Model) -> None:
    import transformers

    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "vocab_size": len(demo_model.tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 64,
        "sliding_window": 8,
        "query_pre_attn_scalar": 8,
        "attn_implementation": "eager",
    }
    config = transformers.Gemma2Config(**sizes)
    theirs = transformers.Gemma2ForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path)
    shutil.copy(VOCABULARY, tmp_path / "tokenizer.model")
    ours = load_model(f"theirs:{tmp_path}")
    ids = torch.tensor([[ours.tokenizer.bos_id, *ours.tokenizer.encode("Suggestion: Onion soup\nAnalysis:")]])
    with torch.no_grad():
        expected = theirs(ids).logits
    assert expected.shape[-1] == len(ours.tokenizer)
    assert (logits(ours) - expected).abs().max() < 1e-4 < expected.std()


@pytest.mark.parametrize("damage", ["config.json", "model.weights.h5", "tokenizer.json", "assets"])
def test_a_damaged_folder_is_named_in_one_line(tiny_preset: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "gemma-401-403-404"
    shutil.copytree(tiny_preset, folder)
    if damage == "assets":
        shutil.rmtree(folder / damage)
    else:
        (folder / damage).write_bytes(b"{ damaged")
    with pytest.raises(ModelError) as caught:
        load_model(str(folder))
    message = str(caught.value)
    expected = "expected assets/tokenizer/vocabulary.spm" if damage == "assets" else "could not be loaded ("
    assert message.startswith(f"{folder}: {expected}")
    assert "\n" not in message
    assert "login" not in message
    assert "network" not in message


@pytest.mark.parametrize(
    ("handle", "says"),
    [
        ("gemma2_instruct_2b", "did you mean gemma2_instruct_2b_en"),
        ("demoo", "did you mean demo"),
        ("zzzzzz", "unknown model; expected a preset such as gemma2_instruct_2b_en"),
        ("gpt2_base_en", "this family is not covered; covered are Gemma 1 and 1.1"),
        ("llama3_8b_en", "this family is not covered; covered are Gemma 1 and 1.1"),
        ("./nowhere", "no such folder"),
        (f"./{PRESET}", "no such folder"),
        ("", "expected a model, found nothing"),
    ],
)
def test_names_that_are_no_model_are_one_line_and_leave_no_folder(
    promptlight: Command, no_network: Offline, tmp_path: Path, handle: str, says: str
) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Hello"}\n', encoding="utf-8")
    refused = promptlight("run", tmp_path / "prompts.jsonl", "-o", tmp_path / "out", "--model", handle)
    assert (refused.exit_code, refused.stdout) == (4, "")
    (line,) = (one for one in refused.stderr.splitlines() if one != LOADING)  # which a busy machine may take long for
    assert says in line
    assert not (tmp_path / "out").exists()
    assert no_network.attempts == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_refused(promptlight: Command) -> None:
    refused = promptlight("show", "--prompt", "Hello", "--device", "cuda")
    assert refused.exit_code == 4
    assert refused.stderr.startswith("promptlight: device cuda: not available here; use one of: cpu (--device)")


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_another_keras_backend_is_refused() -> None:
    code = (
        "from promptlight.salience import load_model\n"
        "try: load_model('demo')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = run_python(code, KERAS_BACKEND="jax")
    assert done.stdout.startswith("ModelError KERAS_BACKEND is 'jax', but promptlight needs torch")


def test_the_command_line_never_imports_tensorflow(tmp_path: Path) -> None:
    """A package of that name on the path stands for an installed TensorFlow."""
    for name in ("tensorflow", "tensorflow_text"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('{name} was imported')", encoding="utf-8")
    code = (
        "import sys\n"
        "sys.argv = ['promptlight', 'show', '--prompt', 'Hello', '--max-new-tokens', '2', '--device', 'cpu']\n"
        "from promptlight.cli.__main__ import main\n"
        "main()"
    )
    done = run_python(code, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout
    assert run_python("import tensorflow", PYTHONPATH=str(tmp_path)).returncode == 1  # the stand-in works


def frozen(model: Model) -> set[bool]:
    tensors: list[Any] = [model.decoder.embedding, *(layer.feed_forward.gate for layer in model.decoder.layers)]
    return {tensor.requires_grad for tensor in tensors}


def test_no_weight_asks_for_a_gradient(demo_model: Model) -> None:
    assert frozen(demo_model) == {False}
