"""Generation by the number of prompts: one step after the other, a CUDA graph of a step, a compiled step.

Beside each stand the bytes of weights that a step reads: a step that only reads them would be the floor.
"""

# pyright: standard

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Sequence
from unittest import mock

import torch

from promptlight.salience.decoder import generate as generation
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.generate import generate
from promptlight.salience.decoder.tensors import count_bytes
from tests.benchmarks.measure import Candidate, Settings, Table, alternate
from tests.benchmarks.models import Shape, draw_ids
from tests.gpu.shapes import build_decoder

N_PROMPT = 200
EAGER, AHEAD, COMPILED = "each step", "a CUDA graph", "torch.compile"

Write = Callable[[Sequence[Sequence[int]], int], list[tuple[int, ...]]]


def run(shape: Shape, settings: Settings) -> list[Table]:
    """Steps one after the other against a CUDA graph, for 1 to 64 prompts."""
    decoder = build_decoder(shape, settings.device)
    ways = {EAGER: functools.partial(write, decoder, False), AHEAD: functools.partial(write, decoder, True)}
    return [race(shape, decoder, ways, (1, 2) if settings.quick else (1, 8, 32, 64), settings)]


def run_compiled(shape: Shape, settings: Settings) -> list[Table]:
    """The same against a step that torch compiles, for 1 and 8 prompts: each number is compiled anew."""
    decoder = build_decoder(shape, settings.device)
    backend = "eager" if settings.quick else "inductor"  # a rehearsal traces, and compiles nothing
    step = torch.compile(generation.decode_step, dynamic=False, backend=backend)

    def compiled(prompts: Sequence[Sequence[int]], n_new: int) -> list[tuple[int, ...]]:
        with (
            mock.patch("promptlight.salience.decoder._steps.decode_step", step),
            mock.patch("promptlight.salience.decoder._steps.StepsAhead._capture"),
        ):
            return write(decoder, True, prompts, n_new)

    ways: dict[str, Write] = {EAGER: functools.partial(write, decoder, False), COMPILED: compiled}
    return [race(shape, decoder, ways, (1,) if settings.quick else (1, 8), settings)]


def race(shape: Shape, decoder: Decoder, ways: dict[str, Write], numbers: Sequence[int], settings: Settings) -> Table:
    """Time whole completions and first tokens, so that a step is what lies between."""
    n_new, weights = 9 if settings.quick else 65, count_bytes(decoder)
    columns = ("prompts", "way", "s as a whole", "ms a step", "tokens a second", "GB of weights read a second")
    table = Table(f"Generation, shapes of {shape.name}: {n_new} tokens after {N_PROMPT}, greedy, bfloat16", columns)
    for n_prompts in numbers:
        prompts = [draw_ids(N_PROMPT, shape, seed) for seed in range(n_prompts)]
        written = {name: way(prompts, n_new) for name, way in ways.items()}
        racing = {
            (name, n): Candidate(functools.partial(way, prompts, n)) for name, way in ways.items() for n in (1, n_new)
        }
        seconds = alternate(racing, settings)
        for name in ways:
            whole, first = (statistics.median(seconds[name, n]) for n in (n_new, 1))
            step = (whole - first) / (n_new - 1)
            speeds = (f"{n_prompts / step:,.0f}", f"{weights / step / 1e9:,.0f}")
            table.rows.append((str(n_prompts), name, f"{whole:.3g}", f"{step * 1000:.3g}", *speeds))
            table.figures[f"{n_prompts} prompts, {name}"] = {"whole": seconds[name, n_new], "first": seconds[name, 1]}
        same = len(set(map(str, written.values()))) == 1
        table.notes.append(f"{n_prompts} prompts: the ids are {'equal' if same else 'DIFFERENT'}.")
    table.notes.append(f"The weights are {weights / 1e9:.2f} GB. A step is the mean of all after the first token.")
    return table


def write(decoder: Decoder, ahead: bool, prompts: Sequence[Sequence[int]], n_new: int) -> list[tuple[int, ...]]:
    """Greedy ids; only the limit stops a row."""
    options = {"max_new_tokens": n_new, "context_length": 8192, "stops": {}, "ahead": ahead}
    return [one.ids for one in generate(decoder, prompts, **options)]
