"""Tests that the public names are those in ``docs/api.md``, and that ``import imdskit`` imports names only on first use."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path

import pytest

import imdskit

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "imdskit"
ROW = re.compile(r"^\| `(imdskit[a-z_.]*)` \| (.*) \|$", re.MULTILINE)
DOCUMENTED = {module: re.findall(r"`(\w+)`", names) for module, names in ROW.findall((ROOT / "docs" / "api.md").read_text("utf-8"))}
PLUGIN = "imdskit.pytest_plugin"  # it contains fixtures, which tests use by name without importing them
WSGI = "imdskit.attestation_service.wsgi"  # importing it reads the configuration of a service
INTERNAL_PACKAGES = ("admin", "authority", "scenario")
MODULES = {
    ".".join((path.parent if path.name == "__init__.py" else path.with_suffix("")).relative_to(PACKAGE.parent).parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def names(module: str) -> list[str] | None:
    """Return ``__all__`` of a module, as written in the source; None if there is none."""
    for statement in ast.parse(MODULES[module].read_bytes()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            found: list[str] = ast.literal_eval(statement.value)
            return found
    return None


def is_internal(module: str) -> bool:
    """Return whether a part of the name begins with an underscore, or the docstring of the module or of a parent package says so."""
    parts = module.split(".")
    around = [".".join(parts[:count]) for count in range(2, len(parts) + 1)]
    return any(part.startswith("_") for part in parts[1:]) or any(
        "internal" in (ast.get_docstring(ast.parse(MODULES[one].read_bytes())) or "") for one in around
    )


def loaded_by(program: str) -> set[str]:
    """Return the modules that a program imports beyond those of a bare interpreter."""
    program = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = set(sys.modules); {program}; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", sorted(set(DOCUMENTED) - {PLUGIN, WSGI}))
def test_public_module_has_exactly_the_documented_names(module: str) -> None:
    listed = names(module)
    assert listed is not None, "a public module needs __all__"
    assert sorted(DOCUMENTED[module]) == sorted(listed)
    assert len(set(listed)) == len(listed)
    if module not in (
        "imdskit.arrow",
        "imdskit.attestation_service.wsgi",
    ):  # importing these needs pyarrow or a configuration; other tests import them
        found = import_module(module)
        assert [name for name in listed if not hasattr(found, name)] == []


def test_the_documented_fixtures_exist() -> None:
    fixtures = [
        node.name
        for node in ast.parse(MODULES[PLUGIN].read_bytes()).body
        if isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]
    assert sorted(DOCUMENTED[PLUGIN]) == sorted(fixtures)


def test_every_other_module_is_internal_and_says_so() -> None:
    unclear = [module for module in MODULES if module not in DOCUMENTED and not is_internal(module)]
    assert unclear == []


def test_every_module_with_all_is_documented() -> None:
    private = {"imdskit.client.client", *(f"imdskit.emulator.{name}" for name in INTERNAL_PACKAGES)}  # names for the rest of the package
    assert {module for module in MODULES if names(module) is not None} - set(DOCUMENTED) <= private


def test_importing_the_package_imports_nothing_else() -> None:
    assert loaded_by("import imdskit") == {"imdskit"}


@pytest.mark.parametrize("name", imdskit.__all__)
def test_package_name_is_the_object_of_its_module(name: str) -> None:
    value = getattr(imdskit, name)
    assert value is getattr(imdskit, name)
    if isinstance(value, type):
        assert value is getattr(import_module(value.__module__), name)


def test_name_imports_only_the_modules_that_it_needs() -> None:
    assert not loaded_by("import imdskit; imdskit.Client") & {"imdskit.verify", "imdskit.emulator", "asyncio", "socket"}
    assert not loaded_by("import imdskit; imdskit.Verifier") & {"imdskit.client", "imdskit.emulator", "http.client", "sqlite3"}
    assert not loaded_by("import imdskit; imdskit.ImdskitError") & {"imdskit.codes", "imdskit.client", "imdskit.verify"}


@pytest.mark.parametrize("package", [module for module, path in MODULES.items() if path.name == "__init__.py" and module in DOCUMENTED])
def test_star_import_gives_the_public_names(package: str) -> None:
    members: dict[str, object] = {}
    exec(f"from {package} import *", members)
    assert set(members) - {"__builtins__"} == set(DOCUMENTED[package])


@pytest.mark.parametrize("package", ["imdskit", "imdskit.client"])
def test_unknown_name_raises_attribute_error(package: str) -> None:
    module = import_module(package)
    assert set(DOCUMENTED[package]) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Verifer'"):
        module.Verifer  # noqa: B018
    with pytest.raises(ImportError):
        exec(f"from {package} import Verifer")


def test_type_checkers_see_the_same_names(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="the development tool mypy")
    program = tmp_path / "program.py"
    uses = "\n".join(f"imdskit.{name}" for name in imdskit.__all__)
    program.write_text(
        f"import imdskit\nimport imdskit.client\n{uses}\nimdskit.client.AsyncClient\nimdskit.Verifer\nimdskit.client.Clinet\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path / "cache", program],
        env={"MYPYPATH": str(PACKAGE.parent), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert re.findall(r"has no attribute \"(\w+)\"", done.stdout) == ["Verifer", "Clinet"], done.stdout + done.stderr


SNIPPETS = {
    str(path.relative_to(ROOT)): text
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
    for text in [path.read_text("utf-8")]
    if "imdskit" in text
}


@pytest.mark.parametrize("page", SNIPPETS)
def test_documentation_and_examples_use_public_names_only(page: str) -> None:
    imports = re.findall(r"^\s*from (imdskit[\w.]*) import (\w+(?:, \w+)*)", SNIPPETS[page], re.MULTILINE)
    used = [(module, name) for module, names in imports for name in names.split(", ")]
    used += [("imdskit", name) for name in re.findall(r"(?<![\w./`-])imdskit\.([A-Z]\w+)", SNIPPETS[page])]
    private = [use for use in used if use[1] not in DOCUMENTED.get(use[0], ()) and ".".join(use) not in DOCUMENTED]
    assert private == []


def test_public_names_are_not_modules() -> None:
    assert not [name for name in imdskit.__all__ if isinstance(getattr(imdskit, name), types.ModuleType)]


def test_import_of_the_verifier_loads_no_parser_and_no_patterns() -> None:
    loaded = loaded_by("import imdskit.verify")
    needless = {"pathlib", "imdskit.verify.wrong_forms", "imdskit.pki.cms", "imdskit.asn1.reader", "imdskit.pki.x509.parser"}
    assert not loaded & needless
