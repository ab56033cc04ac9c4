"""Where a Keras preset has its table of per-layer embeddings, which Keras never loads.

Keras would hold three copies of the table while it loads one. So the backbone is built for a table of one row, its
weights are loaded without it, and the table's rows are read from the file when a text needs them.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.row_table import StoredTable, find_h5_table
from promptlight.salience.loading.weight_files import KERAS_INDEX, KERAS_WEIGHTS, read_index

N_TABLE_ROWS = "vocab_size_per_layer_input"  # the key of a backbone's config


@dataclass(frozen=True, kw_only=True)
class KerasTable:
    """The table of a backbone class: its layer (None if a model has no table), its dataset in the weights' files, and
    the config's key for how many rows it has if the config does not say."""

    find_layer: Callable[[Any], Any]
    dataset: str
    n_rows_else: str


TABLES = {
    "Gemma4Backbone": KerasTable(
        find_layer=lambda backbone: getattr(backbone, "per_layer_token_embedding", None),
        dataset="layers/embedding/vars/0",
        n_rows_else="vocabulary_size",
    ),
    "Gemma3nBackbone": KerasTable(
        find_layer=lambda backbone: backbone.language_model.embed_tokens_per_layer.embedding,
        dataset="layers/gemma3n_multimodal_embedding_processor/language_model/embed_tokens_per_layer/embedding/vars/0",
        n_rows_else="text_vocab_size",
    ),
}


def find_table(kept: KerasTable, folder: Path, sizes: Mapping[str, Any], backbone: Any, name: str) -> StoredTable:
    """The table of a preset in its file. Raises ModelError if it is not there as config.json says."""
    n_rows = sizes.get(N_TABLE_ROWS) or sizes[kept.n_rows_else]
    shape = (n_rows, kept.find_layer(backbone).output_dim)
    return find_h5_table(_find_file(folder, kept.dataset, name), kept.dataset, shape, name)


def _find_file(folder: Path, dataset: str, name: str) -> Path:
    """The file with a dataset: the one of all weights, or one of several."""
    import h5py

    single = folder / KERAS_WEIGHTS
    paths = [single] if single.is_file() else [folder / one for one in read_index(folder / KERAS_INDEX, name)]
    for path in paths:
        with h5py.File(path, "r") as file:
            if dataset in file:
                return path
    raise ModelError(
        f"{name}: expected the per-layer embeddings in its weights as {dataset}, found none; use a preset that"
        " keras-hub saved"
    )
