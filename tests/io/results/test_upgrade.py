"""Folders that earlier versions wrote."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptlight.io.results._upgrade import upgrade_row
from promptlight.io.results.reader import find_result, read_results
from promptlight.io.results.shards import find_shards, read_metadata
from promptlight.salience.errors import OutputError
from promptlight.salience.types import SetAsideCode
from tests.support.handmade import assert_same_analysis
from tests.support.results import analysis, ids_of, open_writer, set_aside

OLD_RESULTS = Path(__file__).parent / "old_results"  # by the code of its time: "a", and "b" skipped; 4 has "c", too


def lay_out_version(folder: Path, version: int) -> Path:
    folder.mkdir()
    shard = folder / "part-00000.parquet"
    shard.write_bytes((OLD_RESULTS / f"version-{version}.parquet").read_bytes())
    return shard


@pytest.mark.parametrize("version", [3, 4])
def test_a_folder_of_an_earlier_version_is_read_and_goes_on(tmp_path: Path, version: int) -> None:
    folder = tmp_path / "out"
    lay_out_version(folder, version)
    found, aside, *_ = read_results(folder)
    assert_same_analysis(found, analysis("a"))
    assert aside == set_aside("b")
    with pytest.raises(OutputError, match=r"methods: there grad_l2, now smoothgrad\)"):
        open_writer(folder, methods=["smoothgrad"])
    with open_writer(folder) as writer:
        assert list(writer.done)[:2] == ["a", "b"]
        writer.forget("b")
        writer.add(analysis("d"))
        writer.add(set_aside("e"))
    assert ids_of(folder) == ["a", *["c"] * (version == 4), "d", "e"]
    assert_same_analysis(find_result(folder, id="a"), analysis("a"))
    assert_same_analysis(find_result(folder, id="d"), analysis("d"))
    assert find_result(folder, id="e") == set_aside("e")
    assert [read_metadata(shard)["schema_version"] for shard in find_shards(folder)] == [version, 5]


def test_what_ran_out_of_memory_in_version_4_is_tried_again(tmp_path: Path) -> None:
    lay_out_version(tmp_path / "out", 4)
    with open_writer(tmp_path / "out") as writer:
        settled = {id: done.settles(f"print-of-{id}") for id, done in writer.done.items()}
        assert settled == {"a": True, "b": True, "c": False}
        writer.forget("c")
        writer.add(analysis("c"))
    assert ids_of(tmp_path / "out") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("out of memory while its completion was generated: shorten the prompt", SetAsideCode.OUT_OF_MEMORY),
        ("the prompt has 604 tokens, but demo reads 512 with what it writes: shorten it", SetAsideCode.TOO_LONG),
        ("prompt and target have 604 tokens, but demo reads 512 with what it writes", SetAsideCode.TOO_LONG),
        ("foil 'tea→coffee': expected the objective logprob, found logit; leave one out", SetAsideCode.FOIL),
        ("expected at least 16 samples, four for each of 4 source spans, found 8", SetAsideCode.TOO_FEW_ABLATIONS),
        ("expected at least one record, found none; out of memory", SetAsideCode.UNUSABLE),
        (None, None),
    ],
)
def test_earlier_versions_said_the_code_in_words(error: str | None, code: SetAsideCode | None) -> None:
    assert upgrade_row({"id": "a", "error": error}) == {"id": "a", "error": error, "error_code": code}


@pytest.mark.parametrize(
    "use",
    [lambda folder: list(read_results(folder)), find_result, open_writer],
    ids=["read_results", "find_result", "writer"],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_folder_of_an_older_version_is_refused_with_the_way_out(
    tmp_path: Path, version: int, use: Callable[[Path], object]
) -> None:
    shard = lay_out_version(tmp_path / "out", version)
    before = shard.read_bytes()
    with pytest.raises(OutputError) as raised:
        use(tmp_path / "out")
    assert str(raised.value) == (
        f"{shard}: written with schema version {version}, this promptlight reads 3 to 5: run the prompts again into a "
        "new folder"
    )
    assert shard.read_bytes() == before
