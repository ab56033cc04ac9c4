"""promptlight as its users have it: from a wheel of the source archive, in an environment with nothing else in it.

`make test-wheel PYTHON=python3.13` runs this; it needs PyPI, some minutes and, for torch, some room.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.network

PYTHON = os.environ.get("PROMPTLIGHT_TEST_PYTHON", sys.executable)
LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
MADE = {"build", "dist", "results"}  # at the top only: io/results is a room
MORE_FILES = (
    "constraints.txt",
    "overrides.txt",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    "README.md",
    "pyproject.toml",
)


def call(*command: str | Path, cwd: Path, code: int = 0) -> str:
    """What a command prints; it finds nothing of the tree, and no setting of the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KERAS", "VIRTUAL"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, encoding="utf-8", env=kept, check=False
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def leave_behind(folder: str, names: list[str]) -> set[str]:
    """What is no part of the project, of the names in a folder."""
    return LEFT_BEHIND(folder, names) | (MADE if Path(folder) == ROOT else set())


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked, and the wheel that was built from it, not from the tree."""
    folder = tmp_path_factory.mktemp("archives")
    shutil.copytree(ROOT, folder / "tree", ignore=leave_behind)
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, folder / "tree", cwd=folder)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder / "unpacked", filter="data")
    return folder


@pytest.fixture(scope="module")
def installed(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and what it needs, in the pinned versions."""
    folder = tmp_path_factory.mktemp("installed")
    call(PYTHON, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    (constraints,) = archives.glob("unpacked/*/constraints.txt")
    (wheel,) = archives.glob("*.whl")
    install = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    call(*install, "-c", constraints, "torch", cwd=folder)
    call(*install, "--no-deps", "-r", constraints, wheel, cwd=folder)
    return python.parent


@pytest.fixture(scope="module")
def results(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two prompts, in a folder far from the tree."""
    folder = tmp_path_factory.mktemp("elsewhere")
    said = call(
        installed / "promptlight",
        "run",
        "sample_prompts",
        "--limit",
        "2",
        "--max-new-tokens",
        "8",
        "-o",
        "results",
        cwd=folder,
    )
    assert "2 explained" in said
    return folder / "results"


def test_the_source_archive_is_whole(archives: Path) -> None:
    (unpacked,) = archives.glob("unpacked/*")
    assert [name for name in MORE_FILES if not (unpacked / name).is_file()] == []
    assert {path.name for path in unpacked.iterdir() if path.is_dir()} >= {"cli", "salience", "io"}


def test_it_says_what_it_is(installed: Path, tmp_path: Path) -> None:
    said = call(installed / "promptlight", "--version", cwd=tmp_path)
    assert re.fullmatch(r"promptlight \d+\.\d+\.\d+\n", said)
    assert "export" in call(installed / "promptlight", "--help", cwd=tmp_path)
    assert "export" in call(installed / "python", "-m", "promptlight", "--help", cwd=tmp_path)


def test_a_stranger_sees_a_real_result_and_explains_a_prompt(installed: Path, tmp_path: Path) -> None:
    shown = call(installed / "promptlight", "show", "gemma-tutorial", "--target", "Recommendation", cwd=tmp_path)
    assert "Look first at line 9 of the prompt, “Recommendation: You have to try it.”" in shown
    own = ("-p", "Suggestion: Onion soup\nAnalysis:", "--max-new-tokens", "4")
    assert "Onion soup" in call(installed / "promptlight", "show", *own, cwd=tmp_path)


def test_results_are_shown_and_exported(installed: Path, results: Path) -> None:
    folder = results.parent
    assert "dish" in call(installed / "promptlight", "show", "results", cwd=folder)
    call(installed / "promptlight", "export", "results", "-o", "spans.parquet", "--by", "line", cwd=folder)
    call(installed / "promptlight", "report", "results", "-o", "report.html", cwd=folder)
    n_rows = call(
        installed / "python", "-c", "import pandas as p; print(len(p.read_parquet('spans.parquet')))", cwd=folder
    )
    assert int(n_rows) > 0
    assert (folder / "report.html").stat().st_size > 10_000


def test_doctor_misses_nothing(installed: Path, tmp_path: Path) -> None:
    found = json.loads(call(installed / "promptlight", "doctor", "--json", cwd=tmp_path))
    wanting = [check for check in found["checks"] if check["fix"] and not check["topic"].endswith(("login", "device"))]
    assert wanting == []


def test_no_development_package_is_needed(installed: Path, tmp_path: Path) -> None:
    """None is there, so none was imported by the commands above. Nor is TensorFlow."""
    lines = (ROOT / "constraints-dev.txt").read_text("utf-8").splitlines()
    development = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    there = json.loads(call(installed / "python", "-m", "pip", "list", "--format", "json", cwd=tmp_path))
    names = {one["name"].lower().replace("_", "-") for one in there}
    assert "promptlight" in names
    assert {name for name in names if name in development or name.startswith("tensorflow")} == set()


def test_only_what_is_left_out_is_missed(installed: Path, tmp_path: Path) -> None:
    missed = call(installed / "python", "-m", "pip", "check", cwd=tmp_path, code=1).splitlines()
    assert [line for line in missed if "tensorflow-text" not in line] == []
