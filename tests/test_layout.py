"""The house keeps its plan: who imports whom, what the wheel holds, what loading a package costs."""

# pyright: standard

from __future__ import annotations

import ast
import re
import shutil
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.source_code import (
    PACKAGES,
    Module,
    files_of,
    imports_within,
    is_within,
    modules_loaded_by,
    modules_of,
    parse_module,
    run_python,
)

HOUSES: dict[str, tuple[tuple[str, ...], ...]] = {  # the rooms of each floor, from the ground up
    "salience": (
        ("lazy", "errors", "statistics", "progress", "demo"),
        ("types",),
        ("text",),
        ("options", "explain"),
        ("decoder",),
        ("model", "gradients", "ablation"),
        ("loading", "faithfulness", "regeneration"),
        ("run",),
        ("benchmark",),
    ),
    "io": (("places",), ("files",), ("prompts", "results"), ("tables", "page")),
    "cli": (
        ("views", "failures", "renamed"),
        ("options", "config"),
        ("work",),
        ("server",),
        ("explorer", "notebook"),
        ("commands",),
        ("app",),
        ("__main__",),
        ("face",),
    ),
}
FLOORS = {
    f"{house}.{room}": floor for house, floors in HOUSES.items() for floor, rooms in enumerate(floors) for room in rooms
}
BELOW = {"salience": (), "io": ("salience",), "cli": ("io", "salience")}  # whose rooms a house may use
WITHOUT_TORCH = {  # what lies below the decoder in the science, and all of the disk
    room
    for room, floor in FLOORS.items()
    if room.startswith("io.") or (room.startswith("salience.") and floor < FLOORS["salience.decoder"])
}
KERAS = {"keras", "keras_nlp", "keras_hub"}
N_FUNCTION_LINES = 60
OPTION = re.compile(r"--[a-z]| -[a-z]\b(?! /)")  # not the minus of a formula
FACE = "cli/face"  # what `import promptlight` gives


@pytest.fixture(scope="module", autouse=True)
def forget_modules() -> Iterator[None]:
    """The parsed files are large."""
    yield
    parse_module.cache_clear()


# Who may import whom


def room_of(name: str) -> str | None:
    """``salience.text`` for ``promptlight.salience.text.spans``; None for a house's own ``__init__``."""
    house, _, rest = name.removeprefix("promptlight.").partition(".")
    room = f"{house}.{rest.partition('.')[0]}"
    return room if room in FLOORS else None


def find_arrows() -> Iterator[tuple[str, str, str, str]]:
    """Every import within promptlight: the importing file and room, the imported name and room."""
    for module in modules_of(*PACKAGES):
        here = room_of(module.name)
        for name in module.imports:
            there = room_of(name) if is_within(name, "promptlight") else None
            if here is not None and there is not None and here != there:
                yield str(module.path), here, name, there


def test_every_file_is_in_a_room() -> None:
    outside = {str(module.path) for module in modules_of(*PACKAGES) if room_of(module.name) is None}
    assert outside == {f"{house}/__init__.py" for house in PACKAGES}


def test_a_room_imports_rooms_of_lower_floors_only() -> None:
    wrong = [
        (path, name)
        for path, here, name, there in find_arrows()
        if here.partition(".")[0] == there.partition(".")[0] and FLOORS[there] >= FLOORS[here]
    ]
    assert wrong == []


def test_a_house_imports_the_houses_below_it_only() -> None:
    wrong = [
        (path, name)
        for path, here, name, there in find_arrows()
        if (house := here.partition(".")[0]) != (other := there.partition(".")[0]) and other not in BELOW[house]
    ]
    assert wrong == []


def test_rooms_without_torch_import_none_and_no_room_that_does() -> None:
    heavy = [
        (str(module.path), name)
        for module in modules_of(*PACKAGES)
        if room_of(module.name) in WITHOUT_TORCH
        for name in module.imports
        if is_within(name, "torch", *KERAS)
    ]
    assert heavy == []
    assert [
        (path, name)
        for path, here, name, there in find_arrows()
        if here in WITHOUT_TORCH and there not in WITHOUT_TORCH
    ] == []


def test_every_room_says_what_it_does_not_know() -> None:
    silent = [
        str(module.path)
        for module in modules_of(*PACKAGES)
        if module.path.name == "__init__.py" and len(module.path.parts) == 3
        if module.path.parts[1] not in ("demo", "face")  # a model's files; what users see
        if "Does not know: " not in (ast.get_docstring(module.tree) or "")
    ]
    assert silent == []


def test_keras_is_imported_in_one_module() -> None:
    importers = {path for folder in PACKAGES for path, _ in imports_within(folder, *KERAS)}
    assert importers == {"salience/loading/keras/backbone.py"}


def test_nothing_is_imported_without_promptlight_in_front() -> None:
    """``import salience`` finds the folder when the root is on ``sys.path``, and loads a second copy of it."""
    inside_io = tuple(f"io.{path.stem}" for path in files_of("io"))
    bare = [
        (str(module.path), name)
        for module in modules_of(*PACKAGES, "tests", "examples")
        for name in module.imports
        if is_within(name, "cli", "salience", *inside_io)
    ]
    assert bare == []


def test_no_test_module_imports_another() -> None:
    """What tests share is in ``tests/support``."""
    wrong = [
        (str(module.path), name)
        for module in modules_of("tests")
        for name in module.imports
        if is_within(name, "tests") and any(part.startswith("test_") for part in name.split("."))
    ]
    assert wrong == []


def test_the_core_speaks_no_command_line() -> None:
    """Its errors name parameters; ``cli/failures.py`` makes options of them."""
    spoken = [
        (f"{module.path}:{node.lineno}", node.value)
        for module in modules_of("salience", "io")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OPTION.search(node.value)
    ]
    assert spoken == []


# What is whose own


def find_uses(module: Module) -> set[str]:
    """Full names that a file imports or spells in its strings, and every attribute and word that it names alone."""
    uses = set(module.imports)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            uses.add(f".{node.attr}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            dotted = re.findall(r"promptlight(?:\.\w+)+", node.value)
            uses |= {*dotted, *(name.rpartition(".")[0] for name in dotted)}
            uses |= {f".{word}" for word in re.findall(r"\w+", node.value if dotted else "")}
            uses |= {f".{node.value}"} if re.fullmatch(r"\w+", node.value) else set()
    return uses


def test_what_only_its_own_room_or_module_needs_begins_with_an_underscore() -> None:
    """Modules that no other room and no test imports, and functions that no other module uses."""
    users: dict[str, set[str]] = defaultdict(set)  # of a name
    users_within: dict[str, set[str]] = defaultdict(set)  # of a module or of what is in it
    for user in modules_of(*PACKAGES, "tests", "examples"):
        for used in find_uses(user):
            users[used].add(user.name)
            for end in range(len(parts := used.split("."))):
                users_within[".".join(parts[: end + 1])].add(user.name)
    homes = {f"promptlight.{house}.{home}" for house in ("salience", "io") for home in homes_of(house)}
    own: list[str] = []
    for module in modules_of(*PACKAGES):
        name = module.name.rpartition(".")[2]
        room = room_of(module.name)
        if module.path.name in ("__init__.py", "__main__.py") or room is None:
            continue
        is_used = any(room_of(user) != room for user in users_within[module.name]) or module.name in homes
        if len(module.path.parts) > 2 and not name.startswith("_") and not is_used:
            own.append(str(module.path))
        own += [
            f"{module.path}: {node.name}"
            for node in module.tree.body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if not (users[f"{module.name}.{node.name}"] | users[f".{node.name}"]) - {module.name}
        ]
    assert own == []


def homes_of(house: str) -> set[str]:
    """The modules of a house's public names."""
    return set(re.findall(r'": "([\w.]+)"', (ROOT / house / "__init__.py").read_text(encoding="utf-8")))


# What is packaged


def test_every_folder_is_a_listed_package() -> None:
    """setuptools leaves a folder out of the wheel without a word when it is not listed."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {path.parent.as_posix() for path in files_of(*PACKAGES)}
    expected = {f"promptlight.{folder.replace('/', '.')}": folder for folder in folders - {FACE}} | {
        "promptlight": FACE
    }
    assert setuptools["package-dir"] == expected
    assert sorted(setuptools["packages"]) == sorted(expected)


def test_wheel_holds_the_tree(tmp_path: Path) -> None:
    for path in [*files_of(*PACKAGES), Path("pyproject.toml"), Path("README.md"), Path("LICENSE")]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    run_python("-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", ".", cwd=tmp_path)

    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    packaged = {name for name in names if ".dist-info/" not in name}
    expected = {f"promptlight/{path.as_posix()}" for path in files_of(*PACKAGES)}
    assert packaged == {name.replace(f"/{FACE}/", "/") for name in expected}
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


# What loading costs


def test_importing_the_packages_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = modules_loaded_by("import promptlight.salience, promptlight.io, promptlight.cli", tmp_path)
    assert "promptlight" in loaded
    assert loaded & {"torch", "numpy", "pyarrow", "pandas", "typer", *KERAS} == set()


def test_help_loads_neither_torch_nor_keras(tmp_path: Path) -> None:
    code = """
import sys
from promptlight.cli.__main__ import main
sys.argv = ["promptlight", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
    loaded = modules_loaded_by(code, tmp_path)
    assert "typer" in loaded
    assert loaded & {"torch", *KERAS} == set()


# What a page looks like


def test_every_module_says_what_it_is() -> None:
    assert [str(module.path) for module in modules_of(*PACKAGES) if not ast.get_docstring(module.tree)] == []


NAMED_FILE = re.compile(r"``([\w./-]+\.(?:py|js|css|html|md))``")


def find_stale_names(path: Path) -> list[str]:
    """Files that the text of a module names and that exist neither beside it, nor in its house, nor at the root."""
    homes = (ROOT / path.parent, ROOT / path.parts[0], ROOT)
    named = NAMED_FILE.findall((ROOT / path).read_text("utf-8"))
    return [name for name in named if not any((home / name).is_file() for home in homes)]


def test_every_file_that_is_named_exists() -> None:
    """A bare name is a file in the same folder; one of another room has the room in front."""
    stale = [
        (str(module.path), name)
        for module in modules_of(*PACKAGES, "tests", "examples")
        for name in find_stale_names(module.path)
    ]
    assert stale == []


def n_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the last statement, the docstring left out."""
    documented = ast.get_docstring(function) is not None
    body = function.body[0]
    n_docstring = (body.end_lineno or body.lineno) - body.lineno + 1 if documented else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - n_docstring


@pytest.mark.parametrize(
    ("source", "expected"), [("def f():\n  '''A\n  B'''\n  return 1", 2), ("@d\ndef f(\n  a,\n):\n  return a", 4)]
)
def test_n_lines_leaves_docstring_and_decorators_out(source: str, expected: int) -> None:
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert n_lines(function) == expected


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        (f"{module.path}:{node.lineno}", node.name, n_lines(node))
        for module in modules_of(*PACKAGES)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and n_lines(node) > N_FUNCTION_LINES
    ]
    assert long == []
