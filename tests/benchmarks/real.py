"""Salience and generation of a real Gemma, 3 270M, on the same weights; skipped unless its GGUF file is installed.

Ways that start over for each target run on a few of them. keras-hub's Gemma 3 has no ``score``, so LIT's way is what
``score`` does: logits at every position, the loss of one target, autograd down to the embeddings.
"""

# pyright: standard

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.load import load_model
from promptlight.salience.types import Method
from tests.benchmarks import generation
from tests.benchmarks.floor import share_of_need
from tests.benchmarks.loops import through_transformers, through_transformers_again
from tests.benchmarks.measure import Candidate, Settings, Table, alternate, compare, judge
from tests.benchmarks.models import BOS
from tests.benchmarks.peers import peer_candidates
from tests.benchmarks.salience import FLOOR, OURS, floor_candidate, make_cuts
from tests.oracles.plain import through_keras
from tests.support.real import find_real_gemma

LENGTHS = {60: 32, 208: 40, 900: 8, 2000: 4}  # prompt tokens: targets
TUTORIAL, LIT_UP_TO = 208, 900  # longer texts would take 6 GB of logits LIT's way
MODEL = "Gemma 3 270M"
LIT = "LIT's way: keras-hub, logits everywhere, autograd per target"


@dataclass(frozen=True)
class Same:
    """The same weights three times, float32."""

    decoder: Decoder
    theirs: Any  # transformers' Gemma3ForCausalLM, on the decoder's memory
    keras: Any  # keras-hub's Gemma3Backbone


def run(settings: Settings) -> list[Table]:
    """A table for each length, and one for generation."""
    path = find_real_gemma()
    if path is None:
        return [Table(f"{MODEL}: skipped, its packages are not installed (make real)", ("candidate",))]
    same = load_thrice(path)
    lengths = {TUTORIAL: 8} if settings.quick else LENGTHS
    tables = [run_length(same, n_prompt, n_targets, settings) for n_prompt, n_targets in lengths.items()]
    return [*tables, run_generation(same, 8 if settings.quick else 40, settings)]


def run_length(same: Same, n_prompt: int, n_targets: int, settings: Settings) -> Table:
    """Time all candidates on one text of random tokens."""
    ids = draw_ids(n_prompt + n_targets)
    places = list(range(n_prompt, len(ids)))
    check_scores(same, ids)
    sampled = places[len(places) // 2 :][:2]  # from the middle, where prefixes have mean length
    peers, notes = peer_candidates(same.theirs, ids, n_prompt, sampled)
    cuts = make_cuts(n_prompt, len(ids))
    racing = {
        **peers,
        LIT: Candidate(lambda: through_keras_again(same.keras, ids, sampled), len(sampled)),
        "transformers, forward and backward per target": Candidate(
            lambda: through_transformers_again(same.theirs, ids, sampled), len(sampled)
        ),
        "transformers, one forward, backward per target": Candidate(
            lambda: through_transformers(same.theirs, ids, places), n_targets
        ),
        OURS: Candidate(lambda: compute_salience(same.decoder, ids, n_prompt, cuts), n_targets),
        FLOOR: floor_candidate(same.decoder, len(ids), n_targets),
    }
    if n_prompt > LIT_UP_TO:
        del racing[LIT]
    seconds = alternate(racing, settings)
    title = f"Salience, {MODEL}: {n_targets} targets after {n_prompt} tokens, float32"
    table = compare(title, seconds, OURS, unit="CPU ms a target", scale=1000)
    table.notes += notes
    above = statistics.median(a / b for a, b in zip(seconds[OURS], seconds[FLOOR], strict=True))
    share = share_of_need(same.decoder)
    table.notes.append(
        f"Ours takes {above:.2f} times the floor, {above / share:.2f} times the part of it that is left with the top"
        " layer at target rows alone."
    )
    table.figures["times the floor"] = above
    if n_prompt == TUTORIAL:
        judge_tutorial(table, settings, above)
    return table


def judge_tutorial(table: Table, settings: Settings, above: float) -> None:
    """Judge the goals, which are for the tutorial's length."""
    lit = table.figures[LIT]["times_ours"]
    judge(table, settings, f"at least 2.5 times faster than LIT's way ({lit:.2f})", lit >= 2.5)
    judge(table, settings, f"at most 1.3 times the floor ({above:.2f})", above <= 1.3)
    if peer := table.figures.get("Interpreto, Saliency"):
        times = peer["times_ours"]
        judge(table, settings, f"at least 1.4 times faster than Interpreto ({times:.2f})", times >= 1.4)


def run_generation(same: Same, n_new: int, settings: Settings) -> Table:
    """Time greedy generation from one prompt, after a check that the ids are equal."""
    prompts = [draw_ids(TUTORIAL)]
    ours = generation.through_decoder(same.decoder, prompts, n_new)
    theirs = generation.through_transformers(same.theirs, prompts, n_new)
    racing = {
        generation.THEIRS: Candidate(lambda: generation.through_transformers(same.theirs, prompts, n_new)),
        generation.OURS: Candidate(lambda: generation.through_decoder(same.decoder, prompts, n_new)),
    }
    title = f"Generation, {MODEL}: {n_new} new tokens after {TUTORIAL}, greedy, float32"
    table = compare(title, alternate(racing, settings), generation.OURS, unit="CPU s")
    table.notes.append(f"The ids are {'equal' if ours == theirs else 'DIFFERENT'}.")
    times = table.figures[generation.THEIRS]["times_ours"]
    judge(table, settings, f"not slower than transformers ({times:.2f})", times >= 1)
    return table


# ---- the three models ----------------------------------------------------------------------------------------------


def load_thrice(path: Path) -> Same:
    """Ours from the GGUF file, transformers' on the same memory, and keras-hub's from a folder of that."""
    import keras_nlp

    decoder = load_model(str(path), device="cpu", dtype="float32").decoder
    theirs = build_transformers(decoder)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        keras = keras_nlp.models.CausalLM.from_preset(folder, dtype="float32", preprocessor=None)
    return Same(decoder, theirs, keras.backbone)


def build_transformers(decoder: Decoder) -> Any:
    """A Gemma3ForCausalLM whose parameters are the decoder's tensors; they need no gradients."""
    import transformers

    first = decoder.layers[0]
    heads = first.attention.heads
    ropes = {layer.window: layer.rope for layer in decoder.layers}
    config = transformers.Gemma3TextConfig(
        vocab_size=decoder.embedding.shape[0],
        hidden_size=decoder.embedding.shape[1],
        intermediate_size=first.feed_forward.gate.shape[1],
        num_hidden_layers=len(decoder.layers),
        num_attention_heads=heads.n_query_heads,
        num_key_value_heads=heads.n_key_value_heads,
        head_dim=heads.head_dim,
        query_pre_attn_scalar=round(heads.query_scale**-2),
        rms_norm_eps=heads.norm.epsilon,
        sliding_window=first.window,
        layer_types=["sliding_attention" if layer.window else "full_attention" for layer in decoder.layers],
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": ropes[None].wavelength},
            "sliding_attention": {"rope_type": "default", "rope_theta": ropes[first.window].wavelength},
        },
        max_position_embeddings=32768,
        bos_token_id=BOS,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = transformers.Gemma3ForCausalLM(config)
    model.load_state_dict(name_tensors(decoder), strict=False, assign=True)
    model.tie_weights()
    return model.eval().requires_grad_(requires_grad=False)


def name_tensors(decoder: Decoder) -> dict[str, torch.Tensor]:
    """The decoder's tensors by transformers' names, matrices [out, in]."""
    named = {"model.embed_tokens.weight": decoder.embedding, "model.norm.weight": decoder.final_norm.scale}
    for number, layer in enumerate(decoder.layers):
        heads, inner = layer.attention.heads, layer.feed_forward
        keys = heads.n_key_value_heads * heads.head_dim
        query, key, value = heads.query_key_value.T.split([heads.n_query_heads * heads.head_dim, keys, keys])
        norms = {
            "input_layernorm": heads.norm,
            "self_attn.q_norm": heads.query_norm,
            "self_attn.k_norm": heads.key_norm,
            "post_attention_layernorm": layer.post_attention_norm,
            "pre_feedforward_layernorm": inner.norm,
            "post_feedforward_layernorm": layer.post_feedforward_norm,
        }
        matrices = {"q_proj": query, "k_proj": key, "v_proj": value, "o_proj": layer.attention.output.T}
        parts = {name: norm.scale for name, norm in norms.items() if norm is not None}
        parts |= {f"self_attn.{name}": matrix for name, matrix in matrices.items()}
        parts |= {"mlp.gate_proj": inner.gate.T, "mlp.up_proj": inner.up.T, "mlp.down_proj": inner.down.T}
        named |= {f"model.layers.{number}.{name}.weight": part.contiguous() for name, part in parts.items()}
    return named


def through_keras_again(backbone: Any, ids: Sequence[int], places: Sequence[int]) -> torch.Tensor:
    """A forward with logits at every position and a backward for each target, over the whole text."""
    rows = []
    for place in places:
        embeddings = backbone.token_embedding.embeddings.value.detach()[torch.tensor(ids)].requires_grad_()
        log_probs = through_keras(backbone, embeddings).log_softmax(dim=-1)
        rows.append(torch.autograd.grad(log_probs[place - 1, ids[place]], embeddings)[0].norm(dim=-1))
    return torch.stack(rows)


def draw_ids(n: int) -> list[int]:
    """<bos> and random pieces of text."""
    generator = torch.Generator().manual_seed(0)
    return [BOS, *torch.randint(300, 200_000, (n - 1,), generator=generator).tolist()]


def check_scores(same: Same, ids: Sequence[int]) -> None:
    """Check that all ways agree on the last target before they are timed."""
    last = len(ids) - 1
    scores = compute_salience(same.decoder, ids, last, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    expected = torch.from_numpy(scores)[0, :-1]
    ways = {"transformers": through_transformers(same.theirs, ids, [last])[0]}
    if len(ids) <= LIT_UP_TO:
        ways[LIT] = through_keras_again(same.keras, ids, [last])[0, :-1]
    for name, found in ways.items():
        error = float((found - expected).norm() / expected.norm())
        if error > 1e-2:
            raise SystemExit(f"{name} and promptlight differ by {error:.1e}: nothing to compare")
