"""Tests that imports have no cycles, and that no folder has too many modules.

Imports under ``TYPE_CHECKING`` and inside functions count, because they hide a cycle without removing it. Re-exports in an ``__init__``
that are loaded on first use do not count, and neither does the import of a module's own parent package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "python" / "imdskit"

MODULES_IN_A_FOLDER = 13
"""Maximum number of modules in a folder, without ``__init__`` and ``__main__``."""


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def ancestors(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def imported(tree: ast.Module, known: dict[str, Path]) -> Iterator[str]:
    """Return the modules that a module imports: those of ``from package import module``, and the parents of each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            names = [target, *ancestors(target)]
            yield from (name for name in names if name in known)


def graph() -> dict[str, set[str]]:
    known = modules()
    edges = {}
    for name, path in known.items():
        tree = ast.parse(path.read_bytes(), str(path))
        own = {name, *ancestors(name)}
        edges[name] = {each for each in imported(tree, known) if each not in own}
        if path.name == "__init__.py" and any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body):
            edges[name] = {each for each in edges[name] if not each.startswith(f"{name}.")}
    return edges


def circles(edges: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the strongly connected components with more than one module (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: set[frozenset[str]] = set()

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            component = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(component) > 1:
                found.add(frozenset(component))

    for name in edges:
        if name not in index:
            visit(name)
    return found


def test_modules_have_no_import_cycles() -> None:
    assert {tuple(sorted(circle)) for circle in circles(graph())} == set()


def test_search_finds_import_cycles() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {frozenset({"b", "c"})}


def test_no_folder_has_too_many_modules() -> None:
    sizes: dict[str, int] = {}
    for name, path in modules().items():
        folder = name if path.name == "__init__.py" else name.rpartition(".")[0]
        sizes[folder] = sizes.get(folder, 0) + (not path.name.startswith("__"))
    large = {folder for folder, size in sizes.items() if size > MODULES_IN_A_FOLDER}
    assert not large
