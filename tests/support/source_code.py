"""Parse the project's own source: its files, modules and imports."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("cli", "salience", "io")


@dataclass(frozen=True, kw_only=True)
class Module:
    """One parsed file: ``path`` is relative to the root, ``name`` is what the code imports it as."""

    path: Path
    name: str
    tree: ast.Module

    @functools.cached_property
    def imports(self) -> tuple[str, ...]:
        """Full names of all imports in the file, including those in functions and under ``if TYPE_CHECKING``."""
        return tuple(self._find_imports())

    def _find_imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                yield from (f"{base}.{alias.name}" for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        n_up = node.level - (self.path.name == "__init__.py")
        parents = self.name.split(".")
        return ".".join([*parents[: len(parents) - n_up], *([node.module] if node.module else [])])


def files_of(*folders: str) -> list[Path]:
    """Every file of the folders that belongs to the project, relative to the root."""
    found = (path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith((".", "__pycache__")) for part in path.parts))


def modules_of(*folders: str) -> list[Module]:
    return [parse_module(path) for path in files_of(*folders) if path.suffix == ".py"]


@functools.cache
def parse_module(path: Path) -> Module:
    """Parse a file once; ``parse_module.cache_clear()`` gives the memory back."""
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    full_name = f"promptlight.{name}" if path.parts[0] in PACKAGES else name
    tree = ast.parse((ROOT / path).read_text("utf-8"), filename=str(path))
    return Module(path=path, name=full_name, tree=tree)


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imports_within(folder: str, *packages: str) -> list[tuple[str, str]]:
    """(importing file, imported name) for everything in ``folder`` that imports from ``packages``."""
    return [
        (str(module.path), name)
        for module in modules_of(folder)
        for name in module.imports
        if is_within(name, *packages)
    ]


def run_python(*arguments: str, cwd: Path) -> str:
    """Run a new interpreter and return its stderr; it runs outside the root, so it only finds installed packages."""
    result = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stderr


def modules_loaded_by(code: str, cwd: Path) -> set[str]:
    """Top-level modules that a new interpreter loads when it runs ``code``."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    return set(run_python("-c", f"{code}\n{report}", cwd=cwd).split())
