"""Wheels for a machine without a package index: fetch them where there is one, install them where there is none.

    python -m tests.support.wheelhouse fetch .wheelhouse --python-version 3.12 --platform manylinux_2_28_x86_64
    python -m tests.support.wheelhouse install .wheelhouse .venv

Both need the standard library alone. ``fetch`` takes the versions of constraints-dev.txt, but not torch: builds for
CUDA are large, and a machine with a GPU has the one that fits its driver. ``install`` makes an environment on top of
the torch that its Python has. The folder ``gpu`` has what `make gpu` needs, ``more`` the rest.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.paths import ROOT

RUNTIME, TOOLS = ROOT / "constraints.txt", ROOT / "constraints-dev.txt"

OLDEST_TORCH = (2, 9)

PIP = "pip==26.3"  # installs the others there, whichever pip that machine has, or none

# It comes with its own needs.
LEFT_OUT = {"torch", "filelock", "jinja2", "markupsafe", "mpmath", "networkx", "sympy"}

# What the tests and benchmarks on a GPU do without, of constraints.txt: they read and write no tables and draw nothing.
NO_GPU_NEEDS = {"pyarrow", "pandas", "textual", "linkify-it-py", "mdit-py-plugins", "tzdata"}
TEST_TOOLS = {"pytest", "iniconfig", "pluggy", "hypothesis", "sortedcontainers"}

N_NAMED = 8  # of the packages that are missing

# The manylinux names from before glibc's version was in the name, by that version.
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def main() -> None:
    """Fetch or install, as the command line says."""
    args = parse_arguments()
    if args.work == "fetch":
        fetch(args.folder, args.python_version, args.platform)
    else:
        install(args.folder, args.environment)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.wheelhouse")
    works = parser.add_subparsers(dest="work", required=True)
    fetching = works.add_parser("fetch")
    fetching.add_argument("folder", type=Path)
    fetching.add_argument("--python-version", default="3.12")
    fetching.add_argument("--platform", default="manylinux_2_28_x86_64")
    installing = works.add_parser("install")
    installing.add_argument("folder", type=Path)
    installing.add_argument("environment", type=Path)
    return parser.parse_args()


# ---- where there is an index -----------------------------------------------------------------------------------------


def fetch(folder: Path, python_version: str, platform: str) -> None:
    """Fetch the wheels into ``gpu`` and ``more``, in place of what was there; say how large they are and which of the
    packages have none."""
    needed, others = divide(read_pins(RUNTIME), read_pins(TOOLS))
    missing: list[str] = []
    for part, pins in (("gpu", [PIP, *needed]), ("more", others)):
        shutil.rmtree(folder / part, ignore_errors=True)
        missing += download(pins, folder / part, python_version, expand_platform(platform))
        size = sum(wheel.stat().st_size for wheel in (folder / part).glob("*.whl"))
        print(f"{folder / part}: {len(list((folder / part).glob('*.whl')))} wheels, {size / 1e6:.0f} MB")
    print(f"left out, expected on the other machine with torch: {', '.join(sorted(LEFT_OUT))}")
    if missing:
        print(f"no wheel for Python {python_version} on {platform}: {', '.join(missing)}")


def read_pins(path: Path) -> list[str]:
    """The lines `NAME==VERSION` of a list of constraints, without what it includes."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def divide(runtime: Iterable[str], tools: Iterable[str]) -> tuple[list[str], list[str]]:
    """The pins that `make gpu` needs, and the others; neither has torch."""
    needed: list[str] = []
    others: list[str] = []
    for pins, wanted in ((runtime, None), (tools, TEST_TOOLS)):
        for pin in pins:
            name = name_of(pin)
            if name in LEFT_OUT:
                continue
            is_needed = name not in NO_GPU_NEEDS if wanted is None else name in wanted
            (needed if is_needed else others).append(pin)
    return needed, others


def name_of(pin: str) -> str:
    """The package's name in a pin or a wheel's file name, as the index compares names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=;\[ ]", pin)[0]).lower()


def expand_platform(platform: str) -> list[str]:
    """All platforms whose wheels run there: pip compares names, and does not know that 2.17 is older than 2.28."""
    match = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    if match is None:
        return [platform]
    newest, machine = int(match[1]), match[2]
    names: list[str] = []
    for version in range(newest, 4, -1):
        names.append(f"manylinux_2_{version}_{machine}")
        if version in LEGACY:
            names.append(f"{LEGACY[version]}_{machine}")
    return names


def download(pins: Sequence[str], folder: Path, python_version: str, platforms: Sequence[str]) -> list[str]:
    """Fetch all wheels at once, or one by one if some have none: those are returned."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python_version, "-d", str(folder)]
    command += [part for platform in platforms for part in ("--platform", platform)]
    if subprocess.run([*command, *pins], check=False, capture_output=True).returncode == 0:
        return []
    failed = [pin for pin in pins if subprocess.run([*command, pin], check=False, capture_output=True).returncode]
    if len(failed) == len(pins):
        subprocess.run([*command, pins[0]], check=False)  # pip says why
        raise SystemExit("No wheel could be fetched: does pip reach an index?")
    return failed


# ---- where there is none -----------------------------------------------------------------------------------------


def install(folder: Path, environment: Path) -> None:
    """Make an environment with the wheels of a folder and promptlight, on top of this Python's torch."""
    check_torch()
    wheels = sorted(folder.glob("**/*.whl"))
    carried_pip = next((wheel for wheel in wheels if name_of(wheel.name.split("-")[0]) == "pip"), None)
    if carried_pip is None:
        raise SystemExit(f"expected pip's wheel in {folder}, found none: fetch the folder with `make wheelhouse`")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins, absent = match_wheels(
        [pin for name in ("constraints.txt", "constraints-dev.txt") for pin in read_pins(ROOT / name)], wheels
    )
    venv.create(environment, clear=True, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    packages = environment / "lib" / f"python{here}" / "site-packages"
    (packages / "beneath.pth").write_text("".join(f"{path}\n" for path in find_site_folders()), encoding="utf-8")
    # A wheel is an archive that Python can run from; so that machine's Python needs no pip.
    pip = [
        str(python),
        str(carried_pip / "pip"),
        "install",
        "--disable-pip-version-check",
        "-q",
        "--no-index",
        "--no-deps",
    ]
    pip += ["--no-warn-script-location"]
    places = [part for place in sorted({wheel.parent for wheel in wheels}) for part in ("--find-links", str(place))]
    subprocess.run([*pip, *places, *pins], check=True)
    subprocess.run([*pip, "--no-build-isolation", "-e", str(ROOT)], check=True)
    print(f"{environment}: {len(pins)} packages from {folder}, torch and the rest from {sys.executable}")
    if absent:
        n_more = len(absent) - N_NAMED
        named = ", ".join(map(name_of, absent[:N_NAMED])) + f" and {n_more} more" * (n_more > 0)
        print(f"not in {folder}, so from {sys.executable} or missing: {named}")


def check_torch() -> None:
    """Stop unless this Python has a torch that promptlight runs on."""
    try:
        import torch
    except ImportError:
        raise SystemExit(
            f"expected torch in {sys.executable}, found none: name a Python that has it (PYTHON=...)"
        ) from None
    found = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if found < OLDEST_TORCH:
        raise SystemExit(f"expected torch 2.9 or later in {sys.executable}, found {torch.__version__}")


def find_site_folders() -> list[str]:
    """Where this Python has its packages; it may be a virtual environment itself, on which none can be based."""
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return [folder for folder in folders if os.path.isdir(folder)]


def match_wheels(pins: Iterable[str], wheels: Iterable[Path]) -> tuple[list[str], list[str]]:
    """The pins for which there is a wheel of that version, and those for which there is none."""
    there = {(name_of(wheel.name.split("-")[0]), wheel.name.split("-")[1]) for wheel in wheels}
    found: list[str] = []
    absent: list[str] = []
    for pin in pins:
        version = re.split(r"==|;", pin)[1].strip()
        (found if (name_of(pin), version) in there else absent).append(pin)
    return found, absent


if __name__ == "__main__":
    main()
