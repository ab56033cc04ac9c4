"""``promptlight run``: from a prompt file to a results folder that can be trusted after anything that happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from promptlight.cli.app import app
from promptlight.io import read_results
from promptlight.salience import Analysis, Model, load_model
from promptlight.salience.completion import encode_prompt
from promptlight.salience.errors import InputError, OutputError
from promptlight.salience.generation import generate

EXAMPLES = Path(__file__).parent.parent / "examples"
RECORDS = [
    {"id": "soup", "source": "a", "prompt": "What is in it?\n\nSuggestion: Onion soup\nAnalysis:", "shelf": 7},
    {"id": "omelette", "prompt": "What is in it?\n\nSuggestion: Omelette\nAnalysis:", "target": " it has eggs in it."},
    {"prompt": "What is in it?\n\nSuggestion: Naan\nAnalysis:"},
]


@pytest.fixture(scope="module")
def demo() -> Model:
    return load_model("demo")


def write_prompts(folder: Path, records: list[Any] = RECORDS) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["run", *map(str, arguments), "--max-new-tokens", "12"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_writes_a_folder_that_pandas_reads_a_row_per_prompt(tmp_path: Path) -> None:
    result = run(write_prompts(tmp_path), "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "3 explained" in result.stdout
    assert "small demo model" in result.stderr
    rows: list[dict[str, Any]] = pd.read_parquet(tmp_path / "out").to_dict("records")
    assert [row["id"] for row in rows] == ["soup", "omelette", "prompts-3"]
    assert [row["source"] == "a" for row in rows] == [True, False, False]
    assert json.loads(rows[0]["fields"]) == {"shelf": 7}
    for row in rows:
        tokens, matrix, first = row["tokens"], row["grad_l2"], row["n_prompt_tokens"]
        assert len(matrix) == len(tokens) - first <= 12
        assert [len(scores) for scores in matrix] == list(range(first, len(tokens)))
        text = row["prompt"] + row["completion"]
        assert text == "".join(text[token["start"] : token["stop"]] for token in tokens)


def test_the_ids_explained_are_the_ids_generated(tmp_path: Path, demo: Model) -> None:
    run(write_prompts(tmp_path), "-o", tmp_path / "out")
    for analysis in read_results(tmp_path / "out"):
        assert isinstance(analysis, Analysis)
        ids = encode_prompt(demo.tokenizer, analysis.completion.prompt)
        (alone,) = generate(
            demo.decoder, [ids], max_new_tokens=12, context_length=demo.context_length, stops=demo.stops
        )
        assert analysis.completion.ids == (*ids, *alone.ids)


def test_batches_of_any_size_give_the_same_results(tmp_path: Path) -> None:
    path = write_prompts(tmp_path)
    frames = []
    for size in (1, 3):
        run(path, "-o", tmp_path / str(size), "--batch-size", size)
        frames.append(pd.read_parquet(tmp_path / str(size)))
    one, three = frames
    assert one["completion"].tolist() == three["completion"].tolist()
    for left, right in zip(one["grad_l2"], three["grad_l2"], strict=True):
        for row_left, row_right in zip(left, right, strict=True):
            assert row_left == pytest.approx(row_right, rel=1e-4, abs=1e-9)


def test_a_second_run_does_nothing_and_a_longer_file_only_what_is_new(tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, RECORDS[:2]), tmp_path / "out"
    run(path, "-o", out)
    before = files_of(out)
    assert "2 done before" in run(path, "-o", out).stdout
    assert files_of(out) == before
    write_prompts(tmp_path)
    assert "1 explained, 2 done before" in run(path, "-o", out).stdout
    assert before.items() <= files_of(out).items()
    assert len(pd.read_parquet(out)) == 3


def test_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path), tmp_path / "out"
    run(path, "-o", out, "--limit", 1)
    before = files_of(out)
    with pytest.raises(OutputError, match="explain: there response, now target"):
        run(path, "-o", out, "--explain", "target")
    assert files_of(out) == before


def test_a_changed_record_is_noticed(tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path), tmp_path / "out"
    run(path, "-o", out)
    before = files_of(out)
    write_prompts(tmp_path, [RECORDS[0], {**RECORDS[1], "prompt": "Something else"}])
    with pytest.raises(InputError, match=r"prompts.jsonl:2: .*omelette.*changed"):
        run(path, "-o", out)
    assert files_of(out) == before


def test_the_records_own_target_is_explained_where_asked_and_there_is_one(tmp_path: Path) -> None:
    run(write_prompts(tmp_path), "-o", tmp_path / "out", "--explain", "target")
    frame = pd.read_parquet(tmp_path / "out").set_index("id")
    assert frame["completion_is"].tolist() == ["generated", "given", "generated"]
    assert frame.loc["omelette", "completion"] == " it has eggs in it."
    assert frame.loc["omelette", "stop_reason"] == "given"


def test_what_cannot_be_used_is_set_aside_and_the_exit_code_says_so(tmp_path: Path) -> None:
    path = EXAMPLES / "broken.jsonl"
    for _ in range(2):  # a second run says the same
        assert run(path, "-o", tmp_path).exit_code == 3
    rows: list[dict[str, Any]] = pd.read_parquet(tmp_path).to_dict("records")
    assert [row["id"] for row in rows if not isinstance(row["error"], str)] == ["good-1", "good-2"]
    assert len(rows) == len({row["id"] for row in rows}) == 9


def test_every_fault_names_its_file_and_line(tmp_path: Path) -> None:
    result = run(EXAMPLES / "broken.jsonl", "-o", tmp_path)
    for line in (2, 4, 5, 6, 7, 8, 9):
        assert f"broken.jsonl:{line}: set aside: expected" in result.stderr
    assert "1 blank line skipped" in result.stdout


def test_a_mended_record_is_tried_again(tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, [RECORDS[0], {"id": "omelette", "prompt": None}]), tmp_path / "out"
    assert run(path, "-o", out).exit_code == 3
    write_prompts(tmp_path, RECORDS[:2])
    assert run(path, "-o", out).exit_code == 0
    rows: list[dict[str, Any]] = pd.read_parquet(out).to_dict("records")
    assert sorted(row["id"] for row in rows) == ["omelette", "soup"]
    assert not any(isinstance(row["error"], str) for row in rows)


def test_strict_stops_at_the_first_and_keeps_what_was_computed(tmp_path: Path) -> None:
    path, out = write_prompts(tmp_path, [*RECORDS, {"prompt": 5}, RECORDS[0]]), tmp_path / "out"
    with pytest.raises(InputError, match=r"prompts.jsonl:4: "):
        run(path, "-o", out, "--strict", "--batch-size", 1)
    assert len(pd.read_parquet(out)) == 3


def test_a_prompt_beyond_the_context_is_set_aside_with_its_length(tmp_path: Path) -> None:
    path = write_prompts(tmp_path, [RECORDS[0], {"id": "long", "prompt": "eggs " * 600}])
    result = run(path, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "prompts.jsonl:2: set aside: the prompt has 604 tokens, but demo reads 512" in result.stderr
    assert "1 explained" in result.stdout


def test_a_missing_file_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "promptlight.cli", "run", "nowhere.jsonl", "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "nowhere.jsonl" in done.stderr
    assert not (tmp_path / "out").exists()


def test_piped_output_is_plain_and_tensorflow_stays_out(tmp_path: Path) -> None:
    path = write_prompts(tmp_path, RECORDS[:1])
    code = (
        "import sys; from promptlight.cli.__main__ import main\n"
        "try: main()\n"
        "finally: print('tensorflow' in sys.modules and sys.modules['tensorflow'] is not None)"
    )
    command = [sys.executable, "-c", code, "run", str(path), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout + done.stderr
    assert "1 explained" in done.stdout
    assert done.stdout.endswith("False\n")
