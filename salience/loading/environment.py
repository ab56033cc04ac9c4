"""What a process needs before torch and Keras are loaded into it: the command line's, and a cluster's workers."""

from __future__ import annotations

import sys

# Download bars of the model hubs would tear our own. And torch's threads spin while they wait: beside another busy
# program, that made a run forty times slower.
VARIABLES = {"TQDM_DISABLE": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def block_tensorflow() -> None:
    """keras-nlp imports TensorFlow where it is installed, which costs seconds and is never used here."""
    for name in ("tensorflow", "tensorflow_text"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
