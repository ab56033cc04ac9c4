"""What a run would take: counted, planned, and compared with what real runs took."""

# pyright: standard

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptlight.cli.views.estimate import count, spell_bytes, spell_seconds
from promptlight.cli.work.survey import SAMPLE, survey_records
from promptlight.io import ResultsWriter, read_results
from promptlight.io.files import measure_free_space
from promptlight.io.results.digits import Scores
from promptlight.io.results.done import Done
from promptlight.io.results.sizes import Kept, estimate_files, estimate_row
from promptlight.salience import Analysis, AnalysisOptions, Explain, Granularity, Method, Model, Prompt, analyze
from promptlight.salience.errors import OUT_OF_MEMORY
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.run import dry_run
from promptlight.salience.run.batches import complete
from promptlight.salience.run.dry_run import Sampled, Speed, estimate_seconds, measure_texts, try_out
from promptlight.salience.run.estimate import Range
from promptlight.salience.run.provenance import describe_settings
from promptlight.salience.run.workload import count_passes
from promptlight.salience.types import SetAside, SetAsideCode
from tests.benchmarks.sizes import cut_prompts
from tests.conftest import Command
from tests.support.paths import EXAMPLES
from tests.support.processes import PATIENCE, run_measured
from tests.support.warm import WarmProcess

SHORT = ("--max-new-tokens", 6, "--device", "cpu")
EVERYTHING = tuple(Granularity)
BROKEN = EXAMPLES / "broken.jsonl"


def write_prompts(path: Path, *texts: str) -> Path:
    lines = [json.dumps({"id": f"p{number}", "prompt": text}) + "\n" for number, text in enumerate(texts)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


# ---- the survey --------------------------------------------------------------------------------------------------


def test_records_are_counted_by_what_is_to_be_done_with_them() -> None:
    done = {
        "a": Done("1", Path("x")),
        "b": Done("1", Path("x"), "too long", SetAsideCode.TOO_LONG),
        "c": Done("1", Path("x"), "no room left, in whatever words", SetAsideCode.OUT_OF_MEMORY),
        "d": Done("0", Path("x"), "broken then, another record now", SetAsideCode.UNUSABLE),
    }
    records = [
        *(Prompt(id=id, text="", fingerprint="1") for id in "abcde"),
        SetAside(id="f", path="x", line=6, code=SetAsideCode.UNUSABLE, reason="no prompt"),
    ]
    found = survey_records(records, done)
    assert (found.n_to_do, found.n_done, found.n_set_aside, found.n_unusable) == (3, 1, 1, 1)
    assert found.n_records == len(records)
    assert [prompt.id for prompt in found.sample] == ["c", "d", "e"]


def test_of_many_an_even_sample_is_held_and_no_more() -> None:
    n = 100_000
    held: list[int] = []

    def records() -> Iterator[Prompt]:
        for number in range(n):
            yield Prompt(id=str(number), text="")

    found = survey_records(records(), {})
    held = [int(prompt.id) for prompt in found.sample]
    assert (found.n_to_do, len(held), len(set(held))) == (n, SAMPLE, SAMPLE)
    assert sum(held) / SAMPLE == pytest.approx(n / 2, rel=0.1)
    assert found.sample == survey_records(records(), {}).sample


def test_a_sample_stands_for_all(demo_model: Model) -> None:
    texts = ["Naan", "Onion soup and bread", "eggs " * 600]
    prompts = [Prompt(id=text[:4], text=text) for text in texts]
    options = AnalysisOptions(max_new_tokens=6)
    sampled = measure_texts(prompts, 300, demo_model, options)
    assert (len(sampled.texts), sampled.n_too_long, sampled.share, sampled.is_all) == (2, 1, 100, False)
    assert [text.n_new for text in sampled.texts] == [6, 6]
    whole = measure_texts(prompts, 3, demo_model, options)
    speed = Speed(per_token=1, per_pass=0, fill=1, n_completed=1, n_explained=1, spent=1)
    assert whole.is_all
    assert estimate_seconds(whole, speed, options, 0.5) == 6
    assert estimate_seconds(sampled, speed, options, 0.5) == 600


# ---- disk, against real files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "targets", "keep", "scores"),
    [
        ((Method.GRAD_L2,), Granularity.TOKEN, EVERYTHING, Scores.FLOAT32),
        ((Method.GRAD_L2,), Granularity.TOKEN, EVERYTHING, Scores.FLOAT16),
        ((Method.GRAD_L2,), Granularity.TOKEN, (Granularity.WORD, Granularity.LINE), Scores.FLOAT32),
        ((Method.GRAD_L2,), Granularity.WORD, EVERYTHING, Scores.FLOAT32),
        ((Method.GRAD_L2, Method.GRAD_DOT_INPUT), Granularity.TOKEN, EVERYTHING, Scores.FLOAT32),
        ((Method.OCCLUSION,), Granularity.TOKEN, EVERYTHING, Scores.FLOAT32),
        ((Method.LIME,), Granularity.TOKEN, EVERYTHING, Scores.FLOAT16),
    ],
)
def test_bytes_are_estimated_within_a_factor_of_one_and_a_half(
    demo_model: Model,
    tmp_path: Path,
    methods: tuple[Method, ...],
    targets: Granularity,
    keep: tuple[Granularity, ...],
    scores: Scores,
) -> None:
    options = AnalysisOptions(
        explain=Explain.TARGET,
        methods=methods,
        targets=targets,
        stored=keep,
        method_options=MethodOptions(ablations=16),
    )
    for n_prompt, n_new in ((40, 8), (160, 40)):
        prompts = cut_prompts(demo_model, n_prompt, n_new)[:4]
        sampled = measure_texts(prompts, len(prompts), demo_model, options)
        kept = Kept(
            methods=methods,
            targets=keep if targets is Granularity.TOKEN else (targets,),
            scores=scores,
            flush_every=4,
        )
        rows = [estimate_row(text.need.n_prompt, text.n_new, sampled.spans_per_token, kept) for text in sampled.texts]
        folder = tmp_path / f"{n_prompt}"
        settings = describe_settings(demo_model.facts, options) | {"scores": scores.value}
        with ResultsWriter(folder, settings, {}, 4) as writer:
            for result in analyze(prompts, demo_model, options):
                writer.add(result)
        real = sum(path.stat().st_size for path in folder.glob("*.parquet"))
        assert 1 / 1.5 < (sum(rows) + estimate_files(4, kept)) / real < 1.5


# ---- trying out ----------------------------------------------------------------------------------------------------


def test_trying_out_completes_and_explains_and_says_how_much_of_the_limit_was_used(demo_model: Model) -> None:
    options = AnalysisOptions(max_new_tokens=4)
    texts = ["Naan", "Onion soup and bread", "What is in it?\n\nSuggestion: Naan\nAnalysis:"]
    sampled = measure_texts([Prompt(id=text[:4], text=text) for text in texts], 3, demo_model, options)
    speed = try_out(sampled, demo_model, options, None)
    assert speed is not None
    assert speed.n_completed == 3
    assert 1 <= speed.n_explained <= 3
    assert speed.per_token > 0
    assert speed.per_pass > 0
    assert speed.fill is not None
    assert 0 < speed.fill <= 1
    assert try_out(Sampled(texts=[], n_prompts=0), demo_model, options, None) is None


def test_on_a_slow_machine_few_prompts_and_few_tokens_are_tried(
    demo_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that goes on by ten seconds for each prompt: sixteen at once would take minutes, and ever longer."""
    now = 0.0
    tried: list[tuple[int, int]] = []

    def complete_slowly(prompts: list[Prompt], model: Model, options: AnalysisOptions, *, at_most: int) -> Any:
        nonlocal now
        now += 10 * len(prompts)
        tried.append((len(prompts), at_most))
        return complete(prompts, model, options, at_most=at_most)

    monkeypatch.setattr("promptlight.salience.run.dry_run.complete", complete_slowly)
    monkeypatch.setattr(dry_run.time, "monotonic", lambda: now)
    options = AnalysisOptions(max_new_tokens=100)
    prompts = [Prompt(id=str(number), text="Naan " * number) for number in range(1, 17)]
    speed = try_out(measure_texts(prompts, 16, demo_model, options), demo_model, options, None)
    assert tried == [(1, dry_run.FEW_TOKENS), (2, dry_run.FEW_TOKENS)]
    assert speed is not None
    assert (speed.n_completed, speed.fill) == (2, None)


def test_passes_grow_with_what_is_asked_for() -> None:
    cut = {Granularity.LINE: 0.1, Granularity.TOKEN: 1.0}

    def passes(n_new: int = 10, **options: Any) -> float:
        return count_passes(90, n_new, cut, AnalysisOptions(**options))

    assert passes() == 100 * (2 + 10)
    assert passes(targets=Granularity.LINE) == 100 * (2 + 1)
    assert passes(methods=(Method.SMOOTHGRAD,)) == 100 * 25 * (2 + 10)
    assert passes(methods=(Method.INTEGRATED_GRADIENTS,)) == 100 * (64 * (2 + 10) + 64)
    assert passes(methods=(Method.OCCLUSION,)) == 100 * 10
    assert passes(methods=(Method.LIME,)) == 100 * 256


# ---- the command ---------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_it_takes_and_writes_nothing(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path / "prompts.jsonl", "Onion soup", "Naan", "eggs " * 600)
    done = promptlight("run", path, "-o", tmp_path / "out", "--dry-run", *SHORT)
    assert (done.exit_code, done.stderr) == (0, "")
    names = [line.split(" ")[0] for line in done.stdout.splitlines()[:6]]
    assert names == ["model", "prompts", "tokens", "memory", "disk", "time"]
    assert "3 to do, 1 of them too long for the model" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.jsonl"]


def test_a_dry_runs_figures_hold_for_the_run(promptlight: Command, tmp_path: Path) -> None:
    arguments = ("run", EXAMPLES / "prompts.jsonl", "-o", tmp_path / "out", "--device", "cpu", "--limit", 6)
    found = json.loads(promptlight(*arguments, "--dry-run", "--json").stdout)
    promptlight(*arguments)
    results = [result for result in read_results(tmp_path / "out") if isinstance(result, Analysis)]
    assert found["n_prompt_tokens"] == sum(one.completion.n_prompt_tokens for one in results)
    assert found["new_tokens"]["most"] == 6 * 64
    n_new = sum(one.completion.n_targets for one in results)
    if found["speed"]["fill"] is not None:  # it was quick enough to complete them
        assert found["new_tokens"]["expected"] == pytest.approx(n_new, abs=1)
        real = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.parquet"))
        assert 1 / 1.5 < found["disk"]["expected"] / real < 1.5
    assert found["disk"]["most"] > found["disk"]["expected"] or found["speed"]["fill"] is None
    assert found["memory"]["peak"] >= found["memory"]["weights"] + found["memory"]["explaining"]


def test_a_dry_run_counts_what_a_folder_holds_and_leaves_it_alone(promptlight: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    promptlight("run", BROKEN, "-o", out, "--limit", 3, *SHORT)
    before = state_of(out)
    done = promptlight("run", BROKEN, "-o", out, "--dry-run", *SHORT)
    assert done.exit_code == 0
    line = done.stdout.splitlines()[1]
    assert line == "prompts  1 to do, 1 done before, 2 skipped before, 5 that can't be used"
    assert state_of(out) == before
    refused = promptlight("run", BROKEN, "-o", out, "--dry-run", "--max-new-tokens", 7, "--device", "cpu")
    assert refused.exit_code == 5
    assert "max_new_tokens: there 6, now 7" in refused.stderr
    other = promptlight("run", BROKEN, "-o", EXAMPLES, "--dry-run", *SHORT)
    assert (other.exit_code, "holds other files" in other.stderr) == (5, True)


def test_a_run_says_in_one_line_what_is_to_do_and_nothing_if_nothing_is(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path / "prompts.jsonl", "Onion soup", "Naan")
    first, second = (promptlight("run", path, "-o", tmp_path / "out", *SHORT) for _ in range(2))
    (line,) = [line for line in first.stderr.splitlines() if line.startswith("to do: ")]
    assert line.startswith("to do: 2 prompts, 9 tokens; the model adds at most 12; needs at most ")
    assert line.endswith(" kB on disk")
    assert "to do" not in second.stderr


def test_a_disk_that_is_too_small_is_said_before_the_run(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = write_prompts(tmp_path / "prompts.jsonl", "Onion soup"), tmp_path / "not" / "there"
    assert measure_free_space(out) == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    monkeypatch.setattr("promptlight.cli.work.estimate.measure_free_space", lambda _: 10_000)
    done = promptlight("run", path, "-o", out, *SHORT)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("to do: ")]
    assert line.endswith(" kB on disk; only 10 kB of disk are free")
    tried = promptlight("run", path, "-o", out.with_name("other"), "--dry-run", *SHORT)
    (line,) = [line for line in tried.stdout.splitlines() if line.startswith("disk ")]
    assert line.endswith(" kB; 10 kB are free")


def test_json_is_of_a_dry_run_alone(promptlight: Command, tmp_path: Path) -> None:
    refused = promptlight("run", BROKEN, "-o", tmp_path / "out", "--json")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--json: expected --dry-run with it" in refused.stderr


def test_figures_are_spelt_for_people() -> None:
    assert [spell_bytes(size) for size in (0, 950, 65_000, 1.26e6, 2.34e9, 5e12)] == [
        *("0.0 kB", "0.9 kB", "65 kB", "1.3 MB", "2.3 GB", "5.0 TB")
    ]
    assert [spell_seconds(s) for s in (0.26, 42, 200, 5000, 90_000)] == ["0.3 s", "42 s", "3 min", "83 min", "25.0 h"]
    assert (count(1, "prompt"), count(1200, "prompt")) == ("1 prompt", "1,200 prompts")
    assert Range(expected=3, most=5).spell() == "3 to 5"
    assert Range(expected=5, most=5).spell() == "at most 5"


# ---- killed, and short of memory, as processes of their own ------------------------------------------------------


def test_a_runs_memory_is_estimated_with_its_libraries(tmp_path: Path) -> None:
    """However much the process held that started it."""
    arguments = ("run", str(EXAMPLES / "prompts.jsonl"), "-o", str(tmp_path / "out"), "--limit", "2", "--device", "cpu")
    held = np.ones(1_000_000_000, dtype=np.uint8)  # more than the run takes
    said, taken = run_measured([sys.executable, "-m", "promptlight", *arguments])
    found = re.search(r"at most (\d+) MB of memory", said)
    assert found, said
    assert 0.8 < int(found[1]) * 1e6 / taken < 1.25, said
    alone = subprocess.run(
        [sys.executable, "-m", "promptlight", *arguments[:-4], "--limit", "4", "--device", "cpu"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert held.all()
    again = re.search(r"at most (\d+) MB of memory", alone.stderr)
    assert again, alone.stderr
    assert int(again[1]) == pytest.approx(int(found[1]), rel=0.1)


def test_kill_in_the_midst_of_a_window_leaves_no_gap_and_nothing_twice(promptlight: Command, tmp_path: Path) -> None:
    texts = ["Naan " * (1 + number * 7 % 12) for number in range(16)]  # of mixed lengths: batches are not in order
    path, out = write_prompts(tmp_path / "prompts.jsonl", *texts), tmp_path / "out"
    arguments = ("run", path, "-o", out, "--batch-size", 4, "--flush-every", 1, *SHORT)
    run = WarmProcess(arguments)
    while len(list(out.glob("part-*.parquet")) if out.exists() else []) < 6 and run.poll() is None:
        time.sleep(0.01)
    run.kill()
    run.communicate(timeout=PATIENCE)
    names = [f"p{number}" for number in range(16)]
    stored = [one.completion.prompt.id for one in read_results(out) if isinstance(one, Analysis)]
    assert stored == names[: len(stored)]
    assert len(stored) >= 6
    assert promptlight(*arguments).exit_code == 0
    assert [one.completion.prompt.id for one in read_results(out) if isinstance(one, Analysis)] == names


CRAMPED = """
import json, resource, sys
from promptlight.cli.__main__ import main
from promptlight.salience import AnalysisOptions, Prompt, SetAside, analyze, load_model

for name in ("tensorflow", "tensorflow_text"):
    sys.modules[name] = None
model = load_model("demo", device="cpu")
short = [Prompt(id=str(n), text="What is in it?\\n\\nSuggestion: Naan " + "la " * n) for n in range(6)]
long = Prompt(id="long", text="eggs and " * 220)
options = AnalysisOptions(max_new_tokens=4)
list(analyze(short[:1], model, options))  # all libraries are warm
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + {room} * 10**6,) * 2)
results = list(analyze([*short[:3], long, *short[3:]], model, options))
reasons = [result.reason if isinstance(result, SetAside) else "" for result in results]
print(json.dumps(reasons))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no Linux")
def test_a_process_that_gets_no_more_memory_sets_the_long_prompt_aside_and_goes_on() -> None:
    """The system itself refuses, where the plan thought that there was room."""
    outcomes = {}
    for room in (8, 400):
        done = subprocess.run(
            [sys.executable, "-c", CRAMPED.replace("{room}", str(room))],
            capture_output=True,
            text=True,
            check=False,
            env={"OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch", "HOME": "/tmp", "PATH": "/usr/bin:/bin"},
        )
        assert done.returncode == 0, done.stderr
        outcomes[room] = json.loads(done.stdout.splitlines()[-1])
    assert outcomes[400] == [""] * 7
    assert outcomes[8][3].startswith(OUT_OF_MEMORY)
    assert [reason for number, reason in enumerate(outcomes[8]) if number != 3] == [""] * 6
