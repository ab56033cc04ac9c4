"""Memory beside the model: the peak resident memory of an explanation, minus that after the model was built.

Each candidate runs in its own process, so that none reuses memory that another has freed. Linux only.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from promptlight.salience.gradients.compute import compute_salience
from tests.benchmarks.loops import through_decoder, through_transformers
from tests.benchmarks.measure import Settings, Table, judge
from tests.benchmarks.models import BIG_VOCABULARY, build_decoder, build_keras, build_transformers, draw_ids

Job = Callable[[], object]

N_TOKENS = 1200
THEIRS = "transformers, one forward, backward per target"
OURS = "promptlight, with words, sentences and lines"


def run(settings: Settings) -> list[Table]:
    """Measure all candidates."""
    n_targets = 4 if settings.quick else 32
    title = f"Memory: {N_TOKENS} tokens, {n_targets} of them targets, {BIG_VOCABULARY.name}, float32"
    table = Table(title, ("candidate", "MB beside the model", "model MB"))
    for name in [THEIRS, OURS] if settings.quick else PREPARE:
        command = [sys.executable, "-m", "tests.benchmarks.memory", name, str(n_targets), str(settings.threads)]
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        table.figures[name] = json.loads(finished.stdout.splitlines()[-1])
        table.rows.append((name, *(f"{table.figures[name][key] / 1e6:.0f}" for key in ("extra", "model"))))
    extra = table.figures[OURS]["extra"]
    judge(table, settings, f"at most 500 MB beside the model ({extra / 1e6:.0f})", extra <= 500e6)
    return [table]


def prepare_lit(n_targets: int) -> Job:
    """LIT's way with one target; further targets need no more memory."""
    import keras_nlp

    from tests.oracles.plain import keras_score_grad_l2

    backbone = build_keras(BIG_VOCABULARY, torch.device("cpu"), torch.float32)
    task = keras_nlp.models.GemmaCausalLM(backbone, preprocessor=None)
    ids = draw_ids(N_TOKENS, BIG_VOCABULARY)
    return lambda: keras_score_grad_l2(task, ids, N_TOKENS - 1)


def prepare_whole_logits(n_targets: int) -> Job:
    """transformers with logits at every position, which is the default; one target."""
    model, ids = build_transformers(BIG_VOCABULARY), draw_ids(N_TOKENS, BIG_VOCABULARY)

    def work() -> None:
        embeddings = model.get_input_embeddings()(torch.tensor([ids])).detach().requires_grad_()
        log_probs = model(inputs_embeds=embeddings, use_cache=False).logits.log_softmax(-1)
        torch.autograd.grad(log_probs[0, -2, ids[-1]], embeddings)

    return work


def prepare_transformers(n_targets: int) -> Job:
    """transformers with one forward and logits of the targets alone."""
    model, ids = build_transformers(BIG_VOCABULARY), draw_ids(N_TOKENS, BIG_VOCABULARY)
    return lambda: through_transformers(model, ids, list(range(N_TOKENS - n_targets, N_TOKENS)))


def prepare_plain(n_targets: int) -> Job:
    """The same through our decoder's forward."""
    decoder, ids = build_decoder(BIG_VOCABULARY), draw_ids(N_TOKENS, BIG_VOCABULARY)
    return lambda: through_decoder(decoder, ids, list(range(N_TOKENS - n_targets, N_TOKENS)))


def prepare_ours(n_targets: int) -> Job:
    """The work of ``promptlight run`` for a prompt."""
    from tests.benchmarks.salience import make_cuts

    decoder, ids = build_decoder(BIG_VOCABULARY), draw_ids(N_TOKENS, BIG_VOCABULARY)
    cuts = make_cuts(N_TOKENS - n_targets, N_TOKENS)
    return lambda: compute_salience(decoder, ids, N_TOKENS - n_targets, cuts)


PREPARE: dict[str, Callable[[int], Job]] = {
    "LIT's way: keras-hub score, autograd per target": prepare_lit,
    "transformers, logits of every position": prepare_whole_logits,
    THEIRS: prepare_transformers,
    "pure torch, one forward, backward per target": prepare_plain,
    OURS: prepare_ours,
}


def main() -> None:
    """Measure one candidate in this process, and print JSON."""
    from tests.benchmarks.__main__ import prepare_libraries

    prepare_libraries("cpu")
    name, n_targets, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    before = resident_bytes()
    job = PREPARE[name](int(n_targets))
    start = settle()
    job()
    print(json.dumps({"extra": peak_bytes() - start, "model": start - before}))


def settle() -> int:
    """Return freed memory to the system and reset the peak; returns the bytes that are resident now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets VmHWM
    return resident_bytes()


def resident_bytes() -> int:
    """Resident memory of this process."""
    return read_status("VmRSS")


def peak_bytes() -> int:
    """Its highest value since ``settle``."""
    return read_status("VmHWM")


def read_status(key: str) -> int:
    """Read a size of this process from Linux, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) * 1024


if __name__ == "__main__":
    main()
