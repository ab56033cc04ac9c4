"""Train the demo model from scratch and save it as a Keras preset.

    python examples/demo_model/train.py --out /tmp/demo --seed 0

Everything is drawn by ``promptlight.salience.demo.recipes`` and ``side_tasks.py``. The run logs to OUT/log.jsonl, saves
a checkpoint every few minutes and resumes from it when it is started again. ``evaluate.py`` measures the result on
prompts that were not used to choose a run.
"""

from __future__ import annotations

import argparse
import bisect
import dataclasses
import itertools
import json
import math
import os
import random
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import keras_nlp
import sentencepiece
import torch
from side_tasks import draw_side_task
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.demo.recipes import draw_restaurant_prompt
from promptlight.salience.loading.keras.backbone import borrow_decoder

PAD, EOS, BOS, UNK = 0, 1, 2, 3
LABEL_WEIGHT, PROMPT_WEIGHT = 2.5, 0.1
SIDE_SHARE = 0.15
MAX_TOKENS = 448


@dataclasses.dataclass(frozen=True)
class Stage:
    """Some steps with a warm-up and a cosine of their own; ``contradictions``: see ``draw_restaurant_prompt``."""

    steps: int
    rate: float
    contradictions: float


STAGES = (Stage(3000, 2e-3, 0.0), Stage(700, 1e-3, 0.35))


def train_tokenizer(folder: Path, seed: int, vocabulary_size: int) -> Path:
    """A SentencePiece BPE model with Gemma's special ids, trained on a sample of the prompts."""
    rng = random.Random(f"tokenizer {seed}")
    sample = folder / "tokenizer_sample.txt"
    texts = ["".join(text for part in draw_document(rng) for text, _ in part) for _ in range(6000)]
    sample.write_text("\n".join(line for text in texts for line in text.split("\n") if line), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(sample),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=vocabulary_size,
        pad_id=PAD,
        eos_id=EOS,
        bos_id=BOS,
        unk_id=UNK,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        unk_piece="<unk>",
        user_defined_symbols=["<start_of_turn>", "<end_of_turn>", "\n", "\n\n"],
        byte_fallback=True,
        split_digits=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        character_coverage=1.0,
        required_chars="".join(chr(code) for code in range(33, 127)) + "▁’“”–…éèêàçüöäñß",
        minloglevel=2,
    )
    return folder / "tokenizer.model"


def build_model(tokenizer_model: Path, args: argparse.Namespace) -> keras_nlp.models.GemmaCausalLM:
    """An untrained Gemma 2: soft-caps, post-norms, grouped queries, sliding window, tied embedding."""
    tokenizer = keras_nlp.models.GemmaTokenizer(proto=tokenizer_model.read_bytes())
    backbone = keras_nlp.models.GemmaBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=args.layers,
        num_query_heads=4,
        num_key_value_heads=2,
        hidden_dim=args.width,
        intermediate_dim=args.feed_forward * 2,  # keras-hub halves it
        head_dim=32,
        use_post_ffw_norm=True,
        use_post_attention_norm=True,
        attention_logit_soft_cap=50.0,
        final_logit_soft_cap=30.0,
        use_sliding_window_attention=True,
        sliding_window_size=256,
        dtype="float32",
    )
    with torch.no_grad():
        for variable in backbone.variables:
            if len(variable.shape) > 1:
                fan_in = args.width if "attention_output" not in variable.path else 4 * 32
                if "ffw_linear" in variable.path:
                    fan_in = args.feed_forward
                variable.value.normal_(std=fan_in**-0.5)
    preprocessor = keras_nlp.models.GemmaCausalLMPreprocessor(tokenizer, sequence_length=512)
    return keras_nlp.models.GemmaCausalLM(backbone, preprocessor)


Weighted = list[tuple[str, float]]  # pieces of text, each with its loss weight


def draw_document(rng: random.Random, contradictions: float = 0.0) -> tuple[Weighted, Weighted]:
    """One training text: its prompt and its completion."""
    if rng.random() < SIDE_SHARE:
        text, completion = draw_side_task(rng)
        return [(text, PROMPT_WEIGHT)], [(completion, 1.0)]
    prompt = draw_restaurant_prompt(rng, contradictions=contradictions)
    pieces: Weighted = []
    rest = prompt.text()
    seen: set[str] = set()
    for shot in prompt.shots:
        before, rest = rest.split(shot.question() + shot.answer(), 1)
        pieces.append((before + shot.question(), PROMPT_WEIGHT))
        pieces.append((f" {shot.analysis}\nRecommendation:", 1.0))
        # a recommendation can be inferred only from an earlier example of the same kind
        pieces.append((f" {shot.recommendation}", LABEL_WEIGHT if shot.kind in seen else 0.0))
        seen.add(shot.kind)
    pieces.append((rest, PROMPT_WEIGHT))
    query = prompt.query
    return pieces, [
        (f" {query.analysis}\nRecommendation:", 0.0 if query.given else 1.0),
        (f" {query.recommendation}", LABEL_WEIGHT),
    ]


def encode_document(
    tokenizer: sentencepiece.SentencePieceProcessor, rng: random.Random, contradictions: float
) -> tuple[list[int], list[float]]:
    """Ids with <bos> and <eos>, and the loss weight of each; prompt and completion are tokenised apart, as in use."""
    ids, weights = [BOS], [0.0]
    for part in draw_document(rng, contradictions):
        ends = list(itertools.accumulate(len(text) for text, _ in part))
        mapping = tokenizer.encode("".join(text for text, _ in part), return_type="offset_mapping")
        ids += mapping["ids"]
        weights += [part[bisect.bisect_right(ends, start)][1] for start, _ in mapping["offsets"]]
    return [*ids, EOS], [*weights, 1.0]


def draw_batch(
    tokenizer: sentencepiece.SentencePieceProcessor, rng: random.Random, size: int, contradictions: float
) -> tuple[Tensor, Tensor]:
    """Right-padded ids and loss weights, both [size, T]."""
    documents = [encode_document(tokenizer, rng, contradictions) for _ in range(size)]
    length = min(MAX_TOKENS, max(len(ids) for ids, _ in documents))
    ids = torch.full((size, length), PAD)
    weights = torch.zeros(size, length)
    for row, (row_ids, row_weights) in enumerate(documents):
        ids[row, : len(row_ids)] = torch.tensor(row_ids[:length])
        weights[row, : len(row_ids)] = torch.tensor(row_weights[:length])
    return ids, weights


def weighted_loss(decoder: Decoder, ids: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of -log p over the positions that carry weight."""
    hidden = decoder.hidden(decoder.embed(ids))[:, :-1]
    wanted = weights[:, 1:] > 0
    losses = torch.nn.functional.cross_entropy(decoder.logits(hidden[wanted]), ids[:, 1:][wanted], reduction="none")
    chosen = weights[:, 1:][wanted]
    return (losses * chosen).sum() / chosen.sum()


def simplify_attention(decoder: Decoder) -> Decoder:
    """Early steps leave soft-cap and window out: they bind late, and torch has a fast attention without them."""
    attentions = (dataclasses.replace(layer.attention, soft_cap=None, window=None) for layer in decoder.layers)
    layers = (dataclasses.replace(layer, attention=one) for layer, one in zip(decoder.layers, attentions, strict=True))
    return dataclasses.replace(decoder, layers=tuple(layers))


def learning_rate(step: int, stage: Stage) -> float:
    """Warm-up over 100 steps, then a cosine down to a twentieth; ``step`` counts within the stage."""
    if step < 100:
        return stage.rate * (step + 1) / 100
    part = (step - 100) / max(1, stage.steps - 100)
    return stage.rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * part)))


def find_stage(step: int) -> tuple[Stage, int]:
    """The stage that a step belongs to, and its number within it."""
    for stage in STAGES:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise ValueError("no such step")


def train(args: argparse.Namespace) -> None:
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    keras.utils.set_random_seed(args.seed)
    tokenizer_model = out / "tokenizer.model"
    if not tokenizer_model.exists():
        train_tokenizer(out, args.seed, args.vocabulary)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_model))
    model = build_model(tokenizer_model, args)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parameters = [variable.value for variable in model.backbone.trainable_variables]
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}], betas=(0.9, 0.98)
    )
    checkpoint, start, tokens = out / "checkpoint.pt", 0, 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        start, tokens = state["step"], state["tokens"]
        with torch.no_grad():
            for parameter, saved in zip(parameters, state["parameters"], strict=True):
                parameter.copy_(saved)
        optimizer.load_state_dict(state["optimizer"])
    print(f"{sum(p.numel() for p in parameters):,} parameters, {len(tokenizer)} pieces, from step {start}", flush=True)
    clock = last_saved = time.monotonic()
    running = 0.0
    n_steps = sum(stage.steps for stage in STAGES)
    for step in range(start, n_steps):
        stage, within = find_stage(step)
        rng = random.Random(f"{args.seed} {step}")
        ids, weights = draw_batch(tokenizer, rng, args.batch, stage.contradictions)
        ids, weights = ids.to(device), weights.to(device)
        decoder = borrow_decoder(model.backbone)
        if step < STAGES[0].steps * 0.8:
            decoder = simplify_attention(decoder)
        loss = weighted_loss(decoder, ids, weights)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(within, stage)
        optimizer.step()
        tokens += int((ids != PAD).sum())
        running = loss.item() if step == start else 0.95 * running + 0.05 * loss.item()
        if step % 25 == 0 or step == n_steps - 1:
            line = {"step": step, "loss": round(running, 4), "tokens": tokens, "s": round(time.monotonic() - clock, 1)}
            print(json.dumps(line), flush=True)
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if time.monotonic() - last_saved > 120 or step == n_steps - 1:
            last_saved = time.monotonic()
            state = {"step": step + 1, "tokens": tokens, "parameters": [p.detach() for p in parameters]}
            torch.save({**state, "optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            save_preset(model, out / "preset")


def save_preset(model: keras_nlp.models.GemmaCausalLM, folder: Path) -> None:
    """The trained model as a float16 Keras preset."""
    config = {**model.backbone.get_config(), "dtype": "float16"}
    half = keras_nlp.models.GemmaBackbone.from_config(config)
    for target, source in zip(half.variables, model.backbone.variables, strict=True):
        target.assign(source.value.detach())
    keras_nlp.models.GemmaCausalLM(half, model.preprocessor).save_to_preset(str(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for the log, the checkpoint and the preset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--feed-forward", type=int, default=384)
    parser.add_argument("--vocabulary", type=int, default=1536)
    parser.add_argument("--threads", type=int, default=1)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
