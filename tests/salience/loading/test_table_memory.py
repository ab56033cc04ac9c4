"""A model whose table of per-layer embeddings is most of its bytes takes little more memory than the rest of it."""

# pyright: standard

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.oracles.tiny import FULL, SLIDING
from tests.support.paths import ROOT
from tests.support.presets import save_newer_preset
from tests.support.transformers_models import build_transformers_model, save_folder

# A narrow model of as many layers goes first, so that what libraries and Keras's objects take once isn't counted.
MEASURE = """
import sys
import torch
from promptlight.salience import AnalysisOptions, Prompt, analyze
from promptlight.salience.loading.load import load_model
from tests.benchmarks.memory import peak_bytes, settle

torch.set_num_threads(1)

def explain(folder):
    model = load_model(folder, device="cpu")
    list(analyze([Prompt(id="a", text="Onion soup")], model, AnalysisOptions(max_new_tokens=3)))
    model.decoder.mean_embedding()

explain(sys.argv[1])
before = settle()
explain(sys.argv[2])
print(peak_bytes() - before)
"""


ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}  # gives freed memory back at once
N_ROWS, WIDTH, N_PIECES = 50_000, 32, 1536
KINDS = ([SLIDING] * 3 + [FULL]) * 6


def describe(family: str, width: int, feedforward_width: int, n_rows: int) -> dict[str, Any]:
    """Arguments for a model with many layers, as a layer is a small part of a real model, too."""
    common = {"layer_types": KINDS, "hidden_size_per_layer_input": WIDTH, "vocab_size_per_layer_input": n_rows}
    if family == "gemma4_e":
        own = {"num_layers": len(KINDS), "hidden_dim": width, "intermediate_dim": feedforward_width}
        own |= {"use_double_wide_mlp": False}
    else:
        own = {"num_hidden_layers": len(KINDS), "text_hidden_size": width}
        own |= {"intermediate_size": [feedforward_width] * len(KINDS)}
        own |= {"activation_sparsity_pattern": [0.95] * 10 + [0.0] * 14}
    return common | own | {"num_kv_shared_layers": 10}


def save_preset(family: str, folder: Path, width: int, feedforward_width: int, n_rows: int) -> int:
    """A preset of Keras; returns the bytes of its weights."""
    backbone = save_newer_preset(family, folder, **describe(family, width, feedforward_width, n_rows))
    return sum(variable.value.nbytes for variable in backbone.variables)


def save_transformers(family: str, folder: Path, width: int, feedforward_width: int, n_rows: int) -> int:
    """The same as a folder of transformers."""
    options = {"hidden_size": width, "intermediate_size": feedforward_width, "num_hidden_layers": len(KINDS)}
    options |= {"layer_types": KINDS, "hidden_size_per_layer_input": WIDTH, "vocab_size_per_layer_input": n_rows}
    own = {"use_double_wide_mlp": False} if family == "gemma4_e" else {"activation_sparsity_pattern": None}
    model = build_transformers_model(family, N_PIECES, num_kv_shared_layers=10, **options, **own)
    save_folder(model, folder)
    return sum(parameter.nbytes for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resets the peak of a process as only Linux can")
@pytest.mark.parametrize("save", [save_preset, save_transformers])
@pytest.mark.parametrize("family", ["gemma4_e", "gemma3n"])
def test_the_table_takes_no_memory(family: str, save: Callable[..., int], tmp_path: Path) -> None:
    save(family, tmp_path / "narrow", 32, 64, 1600)
    table = 4 * N_ROWS * len(KINDS) * WIDTH
    rest = save(family, tmp_path / "wide", 256, 1024, N_ROWS) - table
    assert table > 1.5 * rest
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "narrow"), str(tmp_path / "wide")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ALLOCATOR, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1.2 * rest
