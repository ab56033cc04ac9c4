"""Folders that earlier versions wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptlight.io.results.reader import find_result, read_results
from promptlight.salience.errors import OutputError
from tests.support.handmade import assert_same_analysis
from tests.support.results import analysis, ids_of, open_writer, set_aside

OLD_RESULTS = Path(__file__).parent / "old_results"  # each written by the code of its time: "a", and "b" set aside


def lay_out_version(folder: Path, version: int) -> Path:
    folder.mkdir()
    shard = folder / "part-00000.parquet"
    shard.write_bytes((OLD_RESULTS / f"version-{version}.parquet").read_bytes())
    return shard


def test_a_folder_of_version_3_is_read_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    lay_out_version(folder, 3)
    found, aside = read_results(folder)
    assert_same_analysis(found, analysis("a"))
    assert aside == set_aside("b")
    with pytest.raises(OutputError, match=r"methods: there grad_l2, now smoothgrad\)"):
        open_writer(folder, methods=["smoothgrad"])
    with open_writer(folder) as writer:
        assert list(writer.done) == ["a", "b"]
        writer.forget("b")
        writer.add(analysis("c"))
    assert ids_of(folder) == ["a", "c"]
    for result, id in zip(read_results(folder), "ac", strict=True):
        assert_same_analysis(result, analysis(id))


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
        f"{shard}: written with schema version {version}, this promptlight reads 3 and 4: run the prompts again into a "
        "new folder"
    )
    assert shard.read_bytes() == before
