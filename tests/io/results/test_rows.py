"""Results as rows: what goes in comes out."""

# pyright: standard

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from promptlight.io.results.reader import read_results
from promptlight.io.results.shards import find_shards
from promptlight.salience.types import (
    Analysis,
    Foil,
    Granularity,
    Method,
    Objective,
    Prompt,
    SetAside,
    SetAsideCode,
    StopReason,
    Turn,
)
from tests.support.handmade import assert_same_analysis, make_analysis, make_completion
from tests.support.results import analysis, open_writer, set_aside, write

EXAMPLES: dict[str, Analysis] = {
    "as usual": analysis("a"),
    "many targets": analysis("a", n_targets=7),
    "no targets": analysis("a", n_targets=0),
    "token rows only": analysis("a", exact=()),
    "span rows only": analysis("a", with_tokens=False),
    "words only": analysis("a", exact=(Granularity.WORD,), with_tokens=False),
    "given target": make_analysis(
        make_completion(
            ["<bos>", "a"], ["b"], prompt=Prompt(id="a", text="a", given_completion="b"), stop_reason=StopReason.GIVEN
        )
    ),
    "a chat": make_analysis(
        make_completion(
            ["<bos>", "<start_of_turn>", "user\n", "a", "<end_of_turn>", "\n", "<start_of_turn>", "model\n"],
            ["b"],
            prompt=Prompt(id="a", text="user\na\nmodel\n", turns=(Turn(role="user", start=5, stop=6),)),
        )
    ),
    "stopped before a text": make_analysis(
        dataclasses.replace(
            make_completion(["<bos>", "a"], ["b"], stop_reason=StopReason.STOP_TEXT), stop_text='\n"Réc" \\n'
        )
    ),
    "typed prompt": make_analysis(make_completion(["<bos>", "a"], ["b", "<eos>"])),
    "emoji and a broken character": make_analysis(
        make_completion(
            ["<bos>", "<0xF0>", "<0x9F>", "<0x8D>", "<0x95>", "\x1b[31m"], ["<0xF0>", "<0x9F>", "\x00", "x"]
        )
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_analysis_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    (found,) = read_results(write(tmp_path / "out", EXAMPLES[name]))
    assert_same_analysis(found, EXAMPLES[name])


def test_the_objective_comes_back(tmp_path: Path) -> None:
    expected = analysis("a")
    salience = dataclasses.replace(expected.map_by(), objective=Objective.MARGIN)
    expected = dataclasses.replace(expected, maps={salience.method: salience})
    with open_writer(tmp_path, objective="margin") as writer:
        writer.add(expected)
    (found,) = read_results(tmp_path)
    assert_same_analysis(found, expected)


def test_scores_of_both_signs_come_back(tmp_path: Path) -> None:
    expected = analysis("a", method=Method.GRAD_DOT_INPUT)
    with open_writer(tmp_path, methods=["grad_dot_input"]) as writer:
        writer.add(expected)
    (found,) = read_results(tmp_path)
    assert_same_analysis(found, expected)


def with_errors(result: Analysis) -> Analysis:
    """Three methods' maps, with all that a map can hold, and a foil."""
    (plain,) = result.maps.values()
    assert plain.scores is not None
    tables = {Granularity.TOKEN: plain.scores, **plain.span_scores}
    maps = (
        dataclasses.replace(plain, method=Method.SMOOTHGRAD, standard_errors={k: v / 3 for k, v in tables.items()}),
        dataclasses.replace(
            plain,
            method=Method.INTEGRATED_GRADIENTS,
            completeness_error={name: rows.sum(axis=1) for name, rows in tables.items()},
        ),
        dataclasses.replace(plain, method=Method.SHAP, scores=-plain.scores, sources=Granularity.LINE),
    )
    foil = Foil(request="oats=>rye", tokens=(None, "▁rye", ""))
    return dataclasses.replace(result, maps={found.method: found for found in maps}, foil=foil)


def test_several_methods_their_errors_and_a_foil_come_back(tmp_path: Path) -> None:
    expected = with_errors(analysis("a"))
    names = [method.value for method in expected.maps]
    with open_writer(tmp_path, methods=names) as writer:
        writer.add(expected)
    (found,) = read_results(tmp_path)
    assert_same_analysis(found, expected)
    schema = pq.read_schema(tmp_path / "part-00000.parquet")
    assert [name for name in schema.names if name.endswith("_line")] == [f"{name}_line" for name in names]
    assert "integrated_gradients_line_gap" in schema.names
    assert "smoothgrad_error" in schema.names
    assert "shap_sources" in schema.names


@pytest.mark.parametrize(
    "expected",
    [
        set_aside("a"),
        dataclasses.replace(set_aside("a"), prompt=" Buy", label=None),
        SetAside(id="a", path="<prompt>", line=None, code=SetAsideCode.TOO_LONG, reason="too long"),
    ],
)
def test_a_record_that_was_skipped_comes_back_as_it_was(tmp_path: Path, expected: SetAside) -> None:
    assert list(read_results(write(tmp_path, expected))) == [expected]


def test_rows_are_ragged(tmp_path: Path) -> None:
    """A row keeps its earlier tokens only: P + g of a token, up to its last token's place of a span."""
    write(tmp_path, analysis("a", n_targets=4))  # P = 6; words ' oat' 's' '.' | ' And'
    (shard,) = find_shards(tmp_path)
    row = pq.read_table(shard).to_pylist()[0]
    assert [len(scores) for scores in row["grad_l2"]] == [6, 7, 8, 9]
    assert row["word_bounds"] == [0, 1, 2, 6, 9, 10]
    assert [len(scores) for scores in row["grad_l2_word"]] == [8, 9]
    assert [len(scores) for scores in row["grad_l2_line"]] == [9]
