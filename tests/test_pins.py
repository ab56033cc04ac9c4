"""What is pinned is exact, complete and what is installed; and what an audit of it says."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.audit import judge
from tests.support.paths import ROOT
from tests.support.source_code import PACKAGES, modules_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PIN = re.compile(r"[A-Za-z0-9][\w.-]*==\d[\w.]*(; .+)?")  # with a marker, where there are wheels for some machines only
OF_CUDA = re.compile(r"nvidia-.*|triton|cuda-.*")  # what builds of torch for CUDA bring; constraints.txt says so
LEFT_OUT = {"tensorflow-text"}


def read_pins(name: str) -> dict[Any, str]:
    lines = [line.strip() for line in (ROOT / name).read_text("utf-8").splitlines()]
    pins = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert [pin for pin in pins if not PIN.fullmatch(pin)] == []
    asked = [one for one in map(Requirement, pins) if one.marker is None or one.marker.evaluate()]
    versions = {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in asked}
    assert len(versions) == len(asked)
    return versions


TO_RUN, TO_DEVELOP = read_pins("constraints.txt"), read_pins("constraints-dev.txt")
PINNED = TO_RUN | TO_DEVELOP
INSTALLED = {canonicalize_name(one.metadata["Name"]): one for one in distributions()}


def test_nothing_is_pinned_twice() -> None:
    assert set(TO_RUN) & set(TO_DEVELOP) == set()
    assert "-r constraints.txt" in (ROOT / "constraints-dev.txt").read_text("utf-8").splitlines()


def test_what_is_pinned_is_installed() -> None:
    """A local part such as +cpu says which build it is, not which version."""
    versions = {name: Version(one.version).public for name, one in INSTALLED.items() if name in PINNED}
    assert versions == {name: Version(version).public for name, version in PINNED.items()}


def test_what_is_asked_for_is_pinned_within_its_bounds() -> None:
    for text in PROJECT["dependencies"]:
        asked = Requirement(text)
        assert asked.specifier.contains(TO_RUN[canonicalize_name(asked.name)]), text


def needs(asked: Requirement) -> list[Requirement]:
    """What a package asks for, with those extras that are asked of it."""
    wanted = map(Requirement, INSTALLED[canonicalize_name(asked.name)].requires or [])
    extras = ["", *asked.extras]
    return [one for one in wanted if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in extras)]


def test_what_runs_is_complete_and_nothing_more() -> None:
    """From promptlight's own dependencies one reaches all that is pinned to run, and no other package."""
    extras = [text for group in PROJECT["optional-dependencies"].values() for text in group]
    waiting = [Requirement(text) for text in [*PROJECT["dependencies"], *extras]]
    waiting = [one for one in waiting if str(one) not in extras or canonicalize_name(one.name) in TO_RUN]
    reached: dict[str, str] = {}
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if f"{name}{one.extras}" not in reached and name not in LEFT_OUT and not OF_CUDA.fullmatch(name):
            reached[f"{name}{one.extras}"] = name
            waiting += needs(one)
    assert sorted(set(reached.values())) == sorted(TO_RUN)


def test_tensorflow_is_not_there() -> None:
    assert [name for name in INSTALLED if name.startswith("tensorflow")] == []


# ---- what is imported -----------------------------------------------------------------------------------------------

LOADED_BY_OTHERS = {
    "s3fs": "fsspec",
    "gcsfs": "fsspec",
    "adlfs": "fsspec",
    "jupyterlab": "its own command",
    "ipywidgets": "rich",
    "manimgx-fonts-cjk": "Pillow, which opens its font",
}

OF_NOTEBOOKS = ("IPython", "google")  # there where a notebook runs, and only then imported


def find_imports() -> set[str]:
    """Top-level names of all that the packages import, ``import_module("...")`` included."""
    imported: set[str] = set()
    for module in modules_of(*PACKAGES):
        imported |= set(module.imports)
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(name)), *_]):
                    imported.add(name)
                case _:
                    pass
    return {name.partition(".")[0] for name in imported} - {*sys.stdlib_module_names, *OF_NOTEBOOKS, "promptlight"}


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    providers = packages_distributions()
    imported = {canonicalize_name(one) for name in find_imports() for one in providers[name]}
    extras = [text for group in PROJECT["optional-dependencies"].values() for text in group]
    declared = {canonicalize_name(Requirement(text).name) for text in [*PROJECT["dependencies"], *extras]}
    assert declared - {"promptlight"} == imported | set(LOADED_BY_OTHERS)
    assert imported & set(LOADED_BY_OTHERS) == set()


def test_every_dependency_has_a_floor() -> None:
    groups = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(text for name in set(groups) - {"all"} for text in groups[name])]
    assert [text for text in asked if ">=" not in text] == []


def test_all_is_all_extras_but_the_large_fonts() -> None:
    groups = PROJECT["optional-dependencies"]
    (everything,) = map(Requirement, groups["all"])
    assert (everything.name, everything.extras) == (PROJECT["name"], set(groups) - {"all", "png-cjk"})


# ---- the audit ------------------------------------------------------------------------------------------------------

CLEAN: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
FLAWED: dict[str, Any] = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED: dict[str, Any] = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "says"),
    [
        ([CLEAN], 0, "1 packages audited: no known vulnerability"),
        ([CLEAN, FLAWED], 1, "b 2: PYSEC-1, fixed in 3"),
        ([CLEAN, SKIPPED], 2, "1 of 2 packages could not be looked up: c"),
        ([FLAWED, SKIPPED], 1, "1 of 2 packages could not be looked up: c"),
        ([SKIPPED], 2, "Nothing was audited: the advisories could not be reached"),
        ([], 2, "Nothing was audited: the advisories could not be reached"),
    ],
)
def test_an_audit_that_asked_nobody_is_not_a_clean_one(packages: list[dict[str, Any]], code: int, says: str) -> None:
    found, lines = judge(packages)
    assert found == code
    assert any(says in line for line in lines)


# ---- public CI ------------------------------------------------------------------------------------------------------

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_public_ci_may_only_read_and_runs_pinned_actions() -> None:
    assert WORKFLOW["permissions"] == {}
    assert [job["permissions"] for job in WORKFLOW["jobs"].values()] == [{"contents": "read"}] * len(WORKFLOW["jobs"])
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert [name for name in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name)] == []


def test_public_ci_calls_our_own_targets() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for step in STEPS:
        if "run" in step:
            assert re.fullmatch(r"make ([a-z-]+)( PYTHON=python)?", step["run"])
            assert step["run"].split()[1] in targets


def test_the_versions_of_python_are_those_that_are_tested() -> None:
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert named == WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={named[0]}"
