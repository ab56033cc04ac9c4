"""Settings that a process needs before it loads torch and Keras, for the command and for a cluster's workers."""

from __future__ import annotations

import sys
import warnings

# The download bars of the model hubs would break up our own. And torch's threads spin while they wait: next to another
# busy program, that made a run forty times slower.
VARIABLES = {"TQDM_DISABLE": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def quiet_missing_bars() -> None:
    """Keep tqdm, which the hubs import, from warning in a notebook without ipywidgets: our bars need none."""
    warnings.filterwarnings("ignore", message="IProgress not found")


def block_tensorflow() -> None:
    """Keep keras-nlp from importing an installed TensorFlow: it costs seconds and is never used."""
    for name in ("tensorflow", "tensorflow_text"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
