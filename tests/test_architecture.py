"""Tests of the allowed imports: every module is compared with the table in ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "python" / "imdskit"

BASE = {
    "imdskit.arguments",
    "imdskit.errors",
    "imdskit.reasons",
    "imdskit.codes",
    "imdskit.clock",
    "imdskit.fork",
    "imdskit.clouds",
    "imdskit.versions",
    "imdskit.single_flight",
    "imdskit",
}

ALLOWED: dict[str, set[str]] = {
    "imdskit.reasons": set(),
    "imdskit.codes": set(),
    "imdskit.errors": {"imdskit.reasons", "imdskit.codes"},
    "imdskit.arguments": {"imdskit.errors"},
    "imdskit.clock": set(),
    "imdskit.fork": set(),
    "imdskit.versions": {"imdskit.errors", "imdskit.reasons"},
    "imdskit.clouds": {"imdskit.arguments", "imdskit.errors", "imdskit.reasons"},
    "imdskit.single_flight": {"imdskit.errors", "imdskit.reasons"},
    "imdskit.asn1": {"imdskit.asn1", "imdskit.errors", "imdskit.reasons"},
    "imdskit.strict_json": {"imdskit.errors", "imdskit.reasons"},
    "imdskit.pki": {"imdskit.pki", "imdskit.asn1", "imdskit.errors", "imdskit.reasons"},
    "imdskit.backends": {
        "imdskit.backends",
        "imdskit.pki",
        "imdskit.strict_json",
        "imdskit.arguments",
        "imdskit.asn1",
        "imdskit.errors",
        "imdskit.reasons",
        "imdskit.fork",
        "imdskit._native",
    },
    "imdskit.protocol": {"imdskit.protocol"} | BASE,
    "imdskit.client": {"imdskit.client", "imdskit.protocol"} | BASE,
    "imdskit.verify": {"imdskit.verify", "imdskit.backends", "imdskit.pki", "imdskit.asn1", "imdskit.strict_json"} | BASE,
    "imdskit.emulator": {"imdskit.emulator", "imdskit.backends", "imdskit.asn1", "imdskit.protocol"} | BASE,
    "imdskit.attestation_service": {"imdskit.attestation_service", "imdskit.verify", "imdskit.backends", "imdskit.strict_json"} | BASE,
    "imdskit.emulator.http": {"imdskit.emulator.http", "imdskit.emulator.error_responses", "imdskit.emulator.published_urls"} | BASE,
    "imdskit.emulator.json_input": {"imdskit.errors"},
    "imdskit.emulator.scenario": {"imdskit.emulator.scenario", "imdskit.emulator.json_input", "imdskit.protocol"} | BASE,
    "imdskit.emulator.machine": {"imdskit.emulator.machine", "imdskit.emulator.scenario", "imdskit.backends", "imdskit.protocol"} | BASE,
    "imdskit.emulator.admin": {
        "imdskit.emulator.admin",
        "imdskit.emulator.host",
        "imdskit.emulator.options",
        "imdskit.emulator.snapshot",
        "imdskit.emulator.http",
        "imdskit.emulator.json_input",
    }
    | BASE,
    "imdskit.bench": {"imdskit.bench", "imdskit.emulator", "imdskit.backends", "imdskit.protocol"} | BASE,
    "imdskit.cli": {
        "imdskit.attestation_service",
        "imdskit.bench",
        "imdskit.cli",
        "imdskit.client",
        "imdskit.verify",
        "imdskit.emulator",
        "imdskit.backends",
        "imdskit.pki",
        "imdskit.strict_json",
        "imdskit.protocol",
        "imdskit.testing",
    }
    | BASE,
    "imdskit.testing": {"imdskit.emulator"} | BASE,
    "imdskit.pytest_plugin": {"imdskit.emulator", "imdskit.testing"} | BASE,
    "imdskit.arrow": {"imdskit.verify", "imdskit.backends", "imdskit.pki"} | BASE,
    "imdskit.__main__": {"imdskit.cli"},
}

ONLY_IN: dict[str, set[str]] = {
    "urllib.request": set(),
    "http.server": {"imdskit.emulator.http.server"},
    "http.client": {"imdskit.client.transport"},
    "imdskit.verify.aia.transport": {"imdskit.verify.aia.fetcher"},
    "sqlite3": {"imdskit.verify.stores.sqlite"},
    "socketserver": {"imdskit.emulator.http.server", "imdskit.attestation_service.development_server"},
    "wsgiref": {"imdskit.attestation_service.development_server"},
    "imdskit.attestation_service.wsgi": set(),
    "imdskit._native": {"imdskit.backends.rust"},
    "time": {"imdskit.clock"},
    "datetime.now": {"imdskit.clock"},
    "imdskit.asn1.writer": {
        "imdskit.emulator.authority",
        "imdskit.emulator.authority.signed_document",
        "imdskit.emulator.authority.certificates",
    },
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_bytes(), str(path))


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def allowed_for(module: str) -> set[str] | None:
    owners = [prefix for prefix in ALLOWED if within(module, prefix)]
    return ALLOWED[max(owners, key=len)] if owners else None


def test_every_import_is_in_the_table() -> None:
    wrong = []
    for module, tree in modules():
        if module == "imdskit":
            continue
        table = allowed_for(module)
        assert table is not None, f"{module} is not in the table of ARCHITECTURE.md"
        for name in imports(tree):
            if not within(name, "imdskit"):
                continue
            if name == "imdskit" or any(within(name, prefix) for prefix in table if prefix != "imdskit"):
                continue
            if name in ("imdskit.__version__", "imdskit.lazily"):
                continue
            wrong.append(f"{module} imports {name}")
    assert not wrong


def test_nothing_outside_the_standard_library_is_imported() -> None:
    foreign = {
        f"{module} imports {name}"
        for module, tree in modules()
        for name in imports(tree)
        if name.split(".")[0] not in sys.stdlib_module_names and name.split(".")[0] not in ("imdskit", "__future__")
    }
    own = ("imdskit.pytest_plugin imports pytest", "imdskit.arrow imports pyarrow")  # see the next test
    assert not {use for use in foreign if not use.startswith(own)}


def test_no_module_imports_those_that_need_a_package() -> None:
    assert not [module for module, tree in modules() if {"imdskit.pytest_plugin", "imdskit.arrow"} & set(imports(tree))]


def test_only_backends_import_the_python_backend() -> None:
    assert not [
        f"{module} imports {name}"
        for module, tree in modules()
        if not within(module, "imdskit.backends")
        for name in imports(tree)
        if within(name, "imdskit.backends.python")
    ]


def test_some_modules_are_imported_in_one_place_only() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules()
        for name in imports(tree)
        for prefix, locations in ONLY_IN.items()
        if within(name, prefix) and module not in locations
    ]
    assert not wrong


def test_no_exception_handler_is_broad() -> None:
    broad = [
        f"{module}:{node.lineno}"
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert not broad


def test_few_imports_are_inside_functions() -> None:
    late = [
        f"{module}:{node.lineno}"
        for module, tree in modules()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(late) < 23, late


def test_page_names_every_folder_and_only_existing_modules() -> None:
    root = PACKAGE.parent.parent
    page = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    files = [path for folder in ("python", "tests") for path in (root / folder).rglob("*.py")]
    named = re.findall(r"[\w/]+\.py\b", page)
    assert len(named) > 50
    assert not [name for name in named if not any(path.match(name) for path in files)]
    folders = [path.parent.name for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]
    assert not [folder for folder in folders if not re.search(rf"\b{folder}/", page)]


def test_no_file_is_longer_than_500_lines() -> None:
    root = PACKAGE.parent.parent
    folders = ("python", "rust", "tests", "packaging", "benches", "examples")
    sources = [path for folder in folders for suffix in ("py", "rs", "pyi") for path in (root / folder).rglob(f"*.{suffix}")]
    assert len(sources) > 200
    long = {path.relative_to(root).as_posix() for path in sources if path.read_bytes().count(b"\n") > 500 and "target" not in path.parts}
    assert not long
