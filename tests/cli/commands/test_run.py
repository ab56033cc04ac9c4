"""``promptlight run`` from outside: exit codes, what stands on which stream, and what a second run does and says."""

# pyright: standard

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promptlight.io.results.schema import build_schema
from promptlight.salience import Model
from promptlight.salience.decoder.generate import generate
from promptlight.salience.errors import OutOfMemoryError
from promptlight.salience.text.completion import encode_prompt
from promptlight.salience.types import Method, Prompt
from tests.conftest import Command, Outcome
from tests.support.paths import EXAMPLES
from tests.support.results import state_of

SOUP = {"id": "soup", "prompt": "What is in it?\n\nSuggestion: Onion soup\nAnalysis:"}
NAAN = {"id": "naan", "prompt": "What is in it?\n\nSuggestion: Naan\nAnalysis:"}
LONG = {"id": "long", "prompt": "eggs " * 600}
SHORT = ("--max-new-tokens", "6", "--device", "cpu")
PROGRESS = ("loading ", "writing ", "explaining ")  # on a slow machine alone


def write_prompts(folder: Path, *records: Any) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def complaints(outcome: Outcome) -> list[str]:
    """What is said of records, not of the model, of what is to do or, on a slow machine, of the progress."""
    others = ("model: ", "demo ", "to do: ", "note: ", *PROGRESS)
    return [line for line in outcome.stderr.splitlines() if not line.startswith(others)]


def test_the_columns_are_the_schemas_and_the_rows_are_the_first_records(
    promptlight: Command, tmp_path: Path, demo_model: Model
) -> None:
    out = tmp_path / "out"
    done = promptlight("run", EXAMPLES / "prompts.jsonl", "-o", out, "--limit", 3, *SHORT)
    assert done.exit_code == 0
    assert "3 explained" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1:] == [f"next: promptlight show {out}"]
    assert complaints(done) == []
    frame = pd.read_parquet(out)
    assert list(frame.columns) == build_schema([Method.GRAD_L2]).names
    records = [json.loads(line) for line in (EXAMPLES / "prompts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert frame["id"].tolist() == [record["id"] for record in records[:3]]
    for row in frame.to_dict("records"):
        ids = encode_prompt(demo_model.tokenizer, Prompt(id="x", text=row["prompt"])).ids
        (alone,) = generate(
            demo_model.decoder,
            [ids],
            max_new_tokens=6,
            context_length=demo_model.facts.context_length,
            stops=demo_model.stops,
        )
        assert [token["id"] for token in row["tokens"]] == [*ids, *alone.ids]


def test_a_row_holds_the_text_its_tokens_and_a_score_for_every_earlier_token(
    promptlight: Command, tmp_path: Path
) -> None:
    shelf = {**SOUP, "source": "a", "shelf": 7}
    path, out = write_prompts(tmp_path, shelf, {"prompt": NAAN["prompt"]}), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    rows: list[dict[str, Any]] = pd.read_parquet(out).to_dict("records")
    assert [row["id"] for row in rows] == ["soup", "prompts-2"]
    assert [row["source"] == "a" for row in rows] == [True, False]
    assert json.loads(rows[0]["fields"]) == {"shelf": 7}
    for row in rows:
        tokens, matrix, first = row["tokens"], row["grad_l2"], row["n_prompt_tokens"]
        assert len(matrix) == len(tokens) - first <= 6
        assert [len(scores) for scores in matrix] == list(range(first, len(tokens)))
        text = row["prompt"] + row["completion"]
        assert text == "".join(text[token["start"] : token["stop"]] for token in tokens)


def test_batches_of_any_size_give_the_same_results(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, SOUP, {"id": "short", "prompt": "Analysis:"}, NAAN)
    frames: list[pd.DataFrame] = []
    for size in (1, 3):
        promptlight("run", path, "-o", tmp_path / str(size), "--batch-size", size, *SHORT)
        frames.append(pd.read_parquet(tmp_path / str(size)))
    one, three = frames
    assert one["completion"].tolist() == three["completion"].tolist()
    for left, right in zip(one["grad_l2"], three["grad_l2"], strict=True):
        for row_left, row_right in zip(left, right, strict=True):
            assert row_left == pytest.approx(row_right, rel=1e-4, abs=1e-9)


def test_a_longer_file_has_only_what_is_new_computed(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    before = state_of(out)
    write_prompts(tmp_path, SOUP, NAAN)
    assert "1 explained, 1 done before" in promptlight("run", path, "-o", out, *SHORT).stdout
    assert before.items() <= state_of(out).items()
    assert sorted(pd.read_parquet(out)["id"]) == ["naan", "soup"]


def test_the_records_own_target_is_explained_where_asked_and_there_is_one(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, {**SOUP, "target": " it has onions in it."}, NAAN)
    promptlight("run", path, "-o", tmp_path / "out", "--explain", "target", *SHORT)
    frame = pd.read_parquet(tmp_path / "out").set_index("id")
    assert frame["completion_is"].to_dict() == {"soup": "given", "naan": "generated"}
    assert (frame.loc["soup", "completion"], frame.loc["soup", "stop_reason"]) == (" it has onions in it.", "given")


def test_a_second_run_touches_no_file(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP, NAAN), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    before = state_of(out)
    again = promptlight("run", path, "-o", out, *SHORT)
    assert again.exit_code == 0
    assert "0 explained, 2 done before" in again.stdout
    assert state_of(out) == before


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loads a model fails."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("promptlight.salience.loading.load.load_model", refuse)


def make_finished(promptlight: Command, folder: Path) -> tuple[Path, Path]:
    """Prompts of which each is explained, or was skipped for good."""
    path, out = write_prompts(folder, SOUP, LONG), folder / "out"
    assert promptlight("run", path, "-o", out, *SHORT).exit_code == 3
    return path, out


def test_a_finished_folder_needs_no_model(promptlight: Command, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path, out = make_finished(promptlight, tmp_path)
    before = state_of(out)
    request.getfixturevalue("without_models")
    again = promptlight("run", path, "-o", out, *SHORT)
    assert again.exit_code == 3
    assert "0 explained, 1 done before, 1 skipped (see above)" in again.stdout
    (line,) = again.stderr.splitlines()
    assert line.startswith(f"{path}:2: skipped: ")
    assert promptlight("run", path, "-o", out, "--strict", *SHORT).exit_code == 3
    assert state_of(out) == before
    write_prompts(tmp_path, SOUP, LONG, NAAN)
    with pytest.raises(AssertionError, match="a model was loaded"):
        promptlight("run", path, "-o", out, *SHORT)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--model", "gemma3_270m"), "model: there demo, now gemma3_270m"),
        (("--max-new-tokens", 7), "max_new_tokens: there 6, now 7"),
        (("--stop", "eggs"), "stop: there None, now eggs"),
        (("--chat",), "chat: there False, now True"),
        (("--method", "grad_dot_input"), "methods: there grad_l2, now grad_dot_input"),
        (("--scores", "float16"), "scores: there float32, now float16"),
        (("--dtype", "bfloat16"), "dtype: there float32, now bfloat16"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_finished_folder_is_not_said_to_be_done_with_other_settings(
    promptlight: Command,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    options: tuple[object, ...],
    named: str,
) -> None:
    path, out = write_prompts(tmp_path, SOUP), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    request.getfixturevalue("without_models")
    done = promptlight("run", path, "-o", out, *SHORT, *options)
    assert (done.exit_code, done.stdout) == (5, "")
    assert f"made with other settings ({named})" in done.stderr


@pytest.mark.parametrize("choice", [(), ("--where", "source=x"), ("--sample", 1), ("--id", "soup"), ("--limit", 2)])
def test_the_file_is_read_once_to_survey_it_and_once_to_run(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: tuple[object, ...]
) -> None:
    """And its first record is looked at, unless --explain says what a log of an evaluation would."""
    path, n_reads = write_prompts(tmp_path, SOUP | {"source": "x"}, NAAN | {"source": "x"}), 0

    def count_and_open(*arguments: Any, **options: Any) -> Any:
        nonlocal n_reads
        n_reads += 1
        return open(*arguments, **options)

    monkeypatch.setattr("promptlight.io.prompts.files.rows.open", count_and_open, raising=False)
    assert promptlight("run", path, "-o", tmp_path / "out", "--dry-run", *choice, *SHORT).exit_code == 0
    assert n_reads == 1 + 1
    assert promptlight("run", path, "-o", tmp_path / "out", *choice, *SHORT).exit_code == 0
    assert n_reads == 2 + 1 + 2
    n_reads = 0
    assert promptlight("run", path, "-o", tmp_path / "other", *choice, *SHORT, "--explain", "response").exit_code == 0
    assert n_reads == 2


def test_another_setting_is_refused_with_both_values(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    before = state_of(out)
    refused = promptlight("run", path, "-o", out, "--max-new-tokens", 7, "--device", "cpu")
    assert (refused.exit_code, refused.stdout) == (5, "")
    (line,) = refused.stderr.splitlines()
    assert "max_new_tokens: there 6, now 7" in line
    assert state_of(out) == before


def test_a_changed_record_is_refused_with_its_line(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP, NAAN), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    before = state_of(out)
    write_prompts(tmp_path, SOUP, {**NAAN, "prompt": "Something else"})
    refused = promptlight("run", path, "-o", out, *SHORT)
    assert refused.exit_code == 3
    assert refused.stderr.splitlines()[-1].startswith(f"promptlight: {path}:2: id 'naan' was explained before")
    assert state_of(out) == before


def test_each_run_says_once_per_record_why_it_cannot_be_used(promptlight: Command, tmp_path: Path) -> None:
    path = EXAMPLES / "broken.jsonl"
    first, second = (promptlight("run", path, "-o", tmp_path, *SHORT) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (3, 3)
    places = [line.split(": skipped: ")[0] for line in complaints(first)]
    assert places == [f"{path}:{line}" for line in (2, 4, 5, 6, 7, 8, 9)]
    assert complaints(second) == complaints(first)
    assert "0 explained, 2 done before, 7 skipped (see above)" in second.stdout
    errors = pd.read_parquet(tmp_path)["error"]
    assert (len(errors), errors.notna().sum()) == (9, 7)


def test_a_prompt_beyond_the_context_has_its_length_told_again(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP, LONG), tmp_path / "out"
    first, second = (promptlight("run", path, "-o", out, *SHORT) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (3, 3)
    (line,) = complaints(first)
    assert line.startswith(f"{path}:2: skipped: the prompt has 604 tokens, but demo reads 512")
    assert complaints(second) == [line]
    shown = promptlight("show", out, "--id", "long")
    assert shown.exit_code == 2
    assert "604 tokens, but demo reads 512" in shown.stderr


def test_a_broken_record_that_is_broken_otherwise_now_keeps_one_row(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP, {"id": "naan", "prompt": None}), tmp_path / "out"
    promptlight("run", path, "-o", out, *SHORT)
    write_prompts(tmp_path, SOUP, {"id": "naan", "prompt": 5})
    assert promptlight("run", path, "-o", out, *SHORT).exit_code == 3
    rows = pd.read_parquet(out).set_index("id")
    assert sorted(rows.index) == ["naan", "soup"]
    assert "found a number" in str(rows.loc["naan", "error"])
    write_prompts(tmp_path, SOUP, NAAN)
    assert promptlight("run", path, "-o", out, *SHORT).exit_code == 0
    rows = pd.read_parquet(out)
    assert sorted(rows["id"]) == ["naan", "soup"]
    assert list(rows["error"].dropna()) == []


@pytest.mark.parametrize("bad", [{"id": "bad", "prompt": 5}, LONG], ids=["broken", "too long"])
def test_strict_stops_at_the_first_and_keeps_what_was_computed(
    promptlight: Command, tmp_path: Path, bad: dict[str, Any]
) -> None:
    path, out = write_prompts(tmp_path, SOUP, bad, NAAN), tmp_path / "out"
    stopped = promptlight("run", path, "-o", out, "--strict", "--batch-size", 1, *SHORT)
    assert stopped.exit_code == 3
    assert stopped.stdout == ""
    assert stopped.stderr.splitlines()[-1].startswith(f"promptlight: {path}:2: ")
    assert pd.read_parquet(out)["id"].tolist() == ["soup"]


def test_strict_also_stops_at_what_an_earlier_run_skipped(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, LONG, SOUP), tmp_path / "out"
    promptlight("run", path, "-o", out, "--limit", 1, *SHORT)
    stopped = promptlight("run", path, "-o", out, "--strict", *SHORT)
    assert stopped.exit_code == 3
    assert f"{path}:1: the prompt has 604 tokens" in stopped.stderr.splitlines()[-1]
    assert pd.read_parquet(out)["id"].tolist() == ["long"]


def test_what_ran_out_of_memory_is_tried_again(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = write_prompts(tmp_path, SOUP, NAAN), tmp_path / "out"
    with monkeypatch.context() as cramped:

        def fail(*_: Any, **__: Any) -> Any:
            raise OutOfMemoryError("no room left, in whatever words")

        cramped.setattr("promptlight.salience.run.pipeline.compute_salience", fail)
        first = promptlight("run", path, "-o", out, *SHORT)
    assert first.exit_code == 3
    assert len(complaints(first)) == 2
    again = promptlight("run", path, "-o", out, *SHORT)
    assert (again.exit_code, complaints(again)) == (0, [])
    assert sorted(pd.read_parquet(out)["id"]) == ["naan", "soup"]


def test_limit_counts_records_not_those_still_to_do(promptlight: Command, tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, SOUP, NAAN), tmp_path / "out"
    for _ in range(2):
        assert promptlight("run", path, "-o", out, "--limit", 1, *SHORT).exit_code == 0
        assert pd.read_parquet(out)["id"].tolist() == ["soup"]
    assert promptlight("run", path, "-o", out, "--limit", 0).exit_code == 2


@pytest.mark.parametrize("what", ["missing", "a folder", "empty"])
def test_a_file_that_cannot_be_read_is_one_line_and_leaves_nothing(
    promptlight: Command, tmp_path: Path, what: str
) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "empty").touch()
    path = tmp_path / what
    refused = promptlight("run", path, "-o", tmp_path / "out")
    assert (refused.exit_code, refused.stdout) == (3, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"promptlight: {path}: ")
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_left_alone(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, SOUP)
    before = path.read_bytes()
    refused = promptlight("run", path, "-o", path, *SHORT)
    assert refused.exit_code == 5
    assert "choose another folder (--output)" in refused.stderr.splitlines()[-1]
    assert path.read_bytes() == before


def test_what_a_record_says_cannot_command_the_terminal_or_add_a_line(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, {"a\x1b[31m\u202eb\nc": 1}, SOUP)
    for arguments in ((), ("--strict",)):
        done = promptlight("run", path, "-o", tmp_path / "out", *arguments, *SHORT)
        assert done.exit_code == 3
        (line,) = complaints(done)
        assert "a␛[31m⟨U+202E⟩b↵c" in line
        assert not set("\x1b\u202e") & set(done.stderr)


def test_piped_output_of_the_real_command_is_plain_and_complete(tmp_path: Path) -> None:
    path = write_prompts(tmp_path, SOUP, {"id": "bad"})
    command = [sys.executable, "-m", "promptlight.cli", "run", str(path), "-o", str(tmp_path / "out"), *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith(PROGRESS)]  # on a slow machine
    model, note, plan, fault, limit = said  # and no warning of any library
    assert plan.startswith("to do: 1 prompt, ")
    assert model == "model: demo in float32 on cpu"
    assert note.startswith("demo is a small demo model")
    assert fault.startswith(f"{path}:2: skipped: expected a field `prompt`")
    assert limit.startswith("note: 1 completion reached --max-new-tokens. ")


@pytest.mark.parametrize("targets", ["word", "line"])
def test_coarser_targets_are_all_that_is_stored_and_equal_the_exact_ones(
    promptlight: Command, tmp_path: Path, targets: str
) -> None:
    path = write_prompts(tmp_path, SOUP)
    rows: list[dict[str, Any]] = []
    for name in ("token", targets):
        promptlight("run", path, "-o", tmp_path / name, "--targets", name, *SHORT)
        rows += pd.read_parquet(tmp_path / name).to_dict("records")
    whole, coarse = rows
    column = f"grad_l2_{targets}"
    kept = [name for name in coarse if name.startswith("grad_l2") and coarse[name] is not None]
    assert kept == [column]
    for full, alone in zip(whole[column], coarse[column], strict=True):
        assert alone == pytest.approx(full, rel=1e-4, abs=1e-9)
    assert "strongest tokens" in promptlight("show", tmp_path / targets, "--by", "token").stdout
    exported = tmp_path / "spans.csv"
    assert promptlight("export", tmp_path / targets, "-o", exported, "--by", "token").exit_code == 0
    frame = pd.read_csv(exported)
    assert set(frame["exact"].tolist()) == {True}
    assert 0 < len(set(frame["target_number"].tolist())) <= len(coarse[column])


def test_only_the_scores_asked_for_are_stored(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, SOUP)
    for name, options in (("all", ()), ("few", ("--store", "word, line"))):
        assert promptlight("run", path, "-o", tmp_path / name, *options, *SHORT).exit_code == 0
    (whole,), (few,) = (pd.read_parquet(tmp_path / name).to_dict("records") for name in ("all", "few"))
    assert [name for name in few if name.startswith("grad_l2") and few[name] is not None] == [
        "grad_l2_word",
        "grad_l2_line",
    ]
    for column in ("grad_l2_word", "grad_l2_line"):
        for full, kept in zip(whole[column], few[column], strict=True):
            assert kept.tolist() == full.tolist()
    assert "strongest sentences" in promptlight("show", tmp_path / "few", "--by", "sentence").stdout
    refused = promptlight("show", tmp_path / "few", "--target-by", "token")
    assert refused.exit_code == 2
    assert "found word, line" in refused.stderr
    assert "keep: there word, line, now token, word" in promptlight("run", path, "-o", tmp_path / "few", *SHORT).stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [(("--store", "letter"), "expected some of token,word"), (("--store", "word", "--targets", "line"), "add line")],
)
def test_what_cannot_be_stored_is_refused(
    promptlight: Command, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    refused = promptlight("run", write_prompts(tmp_path, SOUP), "-o", tmp_path / "out", *options)
    assert refused.exit_code == 2
    assert reason in refused.stderr
    assert not (tmp_path / "out").exists()


def test_an_objective_is_stored_and_shown(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, SOUP)
    frames: dict[str, pd.DataFrame] = {}
    for objective in ("logprob", "logit", "margin"):
        promptlight("run", path, "-o", tmp_path / objective, "--objective", objective, *SHORT)
        frames[objective] = pd.read_parquet(tmp_path / objective)
        assert ("score: grad_l2 of the " in promptlight("show", tmp_path / objective).stdout) == (
            objective != "logprob"
        )
    firsts = [float(frame["grad_l2"].iloc[0][0].sum()) for frame in frames.values()]
    assert len({round(first, 6) for first in firsts}) == 3


@pytest.mark.parametrize(("is_fast", "n_lines"), [(True, 0), (False, 1)])
def test_bfloat16_on_a_cpu_that_is_slow_at_it_is_told_first(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_lines: int, *, is_fast: bool
) -> None:
    monkeypatch.setattr("promptlight.salience.decoder.processor.has_fast_bfloat16", lambda: is_fast)
    options = (write_prompts(tmp_path, NAAN), "-o", tmp_path / "out", *SHORT, "--dtype", "bfloat16")
    told = promptlight("run", *options).stderr.splitlines()
    assert sum("slower than float32 on this CPU" in line for line in told) == n_lines


def test_a_file_that_was_fixed_leaves_no_rows_of_what_was_wrong(promptlight: Command, tmp_path: Path) -> None:
    path, other, out = tmp_path / "prompts.jsonl", tmp_path / "other.jsonl", tmp_path / "out"
    path.write_text('{"id": "a", "prompt": "Good"}\n{"id": "b"}\n3\n', encoding="utf-8")
    other.write_text("3\n", encoding="utf-8")
    command = ("run", path, "-o", out, "--max-new-tokens", "2", "--device", "cpu")
    assert promptlight(*command, other).exit_code == 3
    assert set(pd.read_parquet(out)["id"]) == {"a", "b", "prompts-3", "other-1"}
    path.write_text('{"id": "a", "prompt": "Good"}\n', encoding="utf-8")
    promptlight(*command, "--limit", "1")
    assert len(pd.read_parquet(out)) == 4  # the rest of the file was not read
    fixed = promptlight(*command)
    assert fixed.stdout.startswith("0 explained, 1 done before, 2 skipped before, no longer in the file")
    assert set(pd.read_parquet(out)["id"]) == {"a", "other-1"}
    assert "no longer" not in promptlight(*command).stdout
