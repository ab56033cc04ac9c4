"""Wheels for a machine without a package index: what is fetched, and that it installs there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.wheelhouse import RUNTIME, TOOLS, divide, expand_platform, match_wheels, name_of, read_pins

OTHER_PYTHON = os.environ.get("PROMPTLIGHT_TEST_PYTHON", sys.executable)


def test_what_the_gpu_needs_is_part_of_all_and_torch_is_in_neither() -> None:
    needed, others = divide(read_pins(RUNTIME), read_pins(TOOLS))
    names = {name_of(pin) for pin in needed}
    assert {"keras", "keras-hub", "numpy", "pytest", "hypothesis", "setuptools"} <= names
    assert not names & {"torch", "pyarrow", "pandas", "ray", "transformers"}
    assert {"pyarrow", "pandas", "ray", "transformers"} <= {name_of(pin) for pin in others}
    assert "torch" not in {name_of(pin) for pin in others}


def test_a_platform_takes_the_wheels_of_all_older_ones() -> None:
    names = expand_platform("manylinux_2_28_x86_64")
    assert names[0] == "manylinux_2_28_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64"} <= set(names)
    assert "manylinux_2_29_x86_64" not in names
    assert expand_platform("macosx_14_0_arm64") == ["macosx_14_0_arm64"]


def test_pins_without_a_wheel_of_their_version_are_named() -> None:
    wheels = [Path("a/huggingface_hub-2.4.0-py3-none-any.whl"), Path("PyYAML-6.0.2-cp312-cp312-linux_x86_64.whl")]
    pins = ["huggingface_hub==2.4.0", "PyYAML==6.0.3", 'atheris==3.0.0; sys_platform == "linux"']
    assert match_wheels(pins, wheels) == (pins[:1], pins[1:])


def call(*command: str | Path, cwd: Path, settings: dict[str, str] | None = None) -> str:
    """What a command prints; with these settings, its environment has little else."""
    environment = None if settings is None else {"PATH": os.environ["PATH"], "HOME": str(cwd)} | settings
    parts = [str(part) for part in command]
    done = subprocess.run(parts, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.network
def test_a_machine_with_torch_and_no_index_runs_the_gpu_script(tmp_path: Path) -> None:
    """Another Python that has torch alone, and no index: `make gpu` there gets everything from the folder."""
    machine, checkout = tmp_path / "machine", tmp_path / "checkout"
    python = machine / "bin" / "python"
    call(OTHER_PYTHON, "-m", "venv", machine, cwd=tmp_path)
    call(python, "-m", "pip", "install", "-q", "-c", RUNTIME, "torch", cwd=tmp_path)
    version = call(python, "-c", "import sys; print(*sys.version_info[:2], sep='.')", cwd=tmp_path).strip()
    call("git", "clone", "-q", ROOT, checkout, cwd=tmp_path)
    assert "gpu: " in call("make", "wheelhouse", f"PYTHON_VERSION={version}", cwd=checkout)
    assert sum(wheel.stat().st_size for wheel in (checkout / ".wheelhouse" / "gpu").glob("*.whl")) < 60e6
    shutil.rmtree(checkout / ".wheelhouse" / "more")
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/"}
    made = call("make", "setup", "WHEELHOUSE=.wheelhouse", f"PYTHON={python}", cwd=checkout, settings=offline)
    assert f"torch and the rest from {python}" in made
    rehearse = (checkout / ".venv" / "bin" / "python", "-m", "tests.gpu", "--rehearse", "--part", "tests")
    assert call(*rehearse, cwd=checkout, settings=offline).count("done in") == 2
