"""The bytes of results on disk, by what is stored, and of Inseq's JSON of the same matrix if it is installed.

The model is a tiny random Gemma 2 with the demo's vocabulary: how well scores compress depends little on the model.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptlight.io import ResultsWriter
from promptlight.io.results.digits import Scores
from promptlight.salience import Analysis, AnalysisOptions, Explain, Granularity, Model, Prompt, analyze, load_model
from promptlight.salience.run.provenance import describe_settings
from tests.benchmarks.measure import Settings, Table, judge
from tests.benchmarks.models import DEMO_SIZED, build_transformers, draw_ids
from tests.benchmarks.peers import build_tokenizer, spell
from tests.conftest import save_tiny_preset
from tests.support.paths import EXAMPLES

TOKEN, WORD, LINE = Granularity.TOKEN, Granularity.WORD, Granularity.LINE
KEPT: dict[str, tuple[Granularity, ...]] = {
    "all": tuple(Granularity),
    "token": (TOKEN,),
    "word,line": (WORD, LINE),
    "line": (LINE,),
}
GOAL = 20


def run(settings: Settings) -> list[Table]:
    """Make a table for each length."""
    lengths = [(200, 64)] if settings.quick else [(200, 64), (1000, 200)]
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(str(save_tiny_preset(Path(folder) / "preset")), device="cpu")
        return [measure(model, n_prompt, n_new, settings) for n_prompt, n_new in lengths]


def measure(model: Model, n_prompt: int, n_new: int, settings: Settings) -> Table:
    """Measure bytes per prompt for each setting of what to store."""
    title = f"Sizes: {n_prompt} tokens of prompt, {n_new} of completion"
    table = Table(title, ("--store", "--scores", "bytes a prompt"))
    prompts = cut_prompts(model, n_prompt, n_new)
    sizes: dict[tuple[str, Scores], float] = {}
    for name, keep in KEPT.items():
        options = AnalysisOptions(explain=Explain.TARGET, stored=keep)
        results = [result for result in analyze(prompts, model, options) if isinstance(result, Analysis)]
        for scores in Scores:
            sizes[name, scores] = store(results, describe_settings(model.facts, options) | {"scores": scores.value})
            table.rows.append((name, scores.value, f"{sizes[name, scores]:,.0f}"))
    table.figures |= {f"{name} {scores}": size for (name, scores), size in sizes.items()}
    for name, size in measure_inseq(n_prompt, n_new).items():
        table.rows.append((name, "", f"{size:,.0f}"))
        table.figures[name] = size
        for scores in Scores:
            times = size / sizes["token", scores]
            judge(table, settings, f"{GOAL} times smaller than {name} ({scores}: {times:.1f})", times >= GOAL)
    return table


def store(results: Sequence[Analysis], settings: dict[str, Any]) -> float:
    """Store results and return the bytes per prompt on disk."""
    with tempfile.TemporaryDirectory() as folder:
        with ResultsWriter(Path(folder) / "out", settings, {}) as writer:
            for result in results:
                writer.add(result)
        return sum(path.stat().st_size for path in Path(folder).glob("out/*.parquet")) / len(results)


def cut_prompts(model: Model, n_prompt: int, n_new: int) -> list[Prompt]:
    """Eight texts from the example prompts, each starting at another place."""
    lines = (EXAMPLES / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    text = "\n\n".join(json.loads(line)["prompt"] for line in lines * 3)

    def cut(start: int, n_tokens: int) -> str:
        ids = model.tokenizer.encode(text[start:])[:n_tokens]
        return "".join(model.tokenizer.pieces(ids)).replace("▁", " ")

    return [
        Prompt(id=str(number), text=cut(37 * number, n_prompt - 1), given_completion=cut(37 * number + 500, n_new))
        for number in range(8)
    ]


def measure_inseq(n_prompt: int, n_new: int) -> dict[str, int]:
    """Inseq's JSON as it is saved, and after summing over the embedding axis, which gives the same matrix as ours."""
    if importlib.util.find_spec("inseq") is None:
        return {}
    model = build_transformers(DEMO_SIZED)
    tokenizer = build_tokenizer(model.config.vocab_size)
    explainer = importlib.import_module("inseq").load_model(model, "saliency", tokenizer=tokenizer)
    ids = draw_ids(n_prompt + n_new, DEMO_SIZED)
    found = explainer.attribute(
        spell(ids[:n_prompt]), spell(ids), attributed_fn="logit", show_progress=False, pretty_progress=False
    )
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inseq.json"
        for name, result in (("Inseq's JSON, aggregated", found.aggregate()), ("Inseq's JSON, as it comes", found)):
            result.save(path, overwrite=True)
            sizes[name] = path.stat().st_size
    return sizes
