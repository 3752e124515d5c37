"""Tests that a Python that is too old is refused in one sentence, with exit status 2."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("make_zipapp", ROOT / "packaging" / "make_zipapp.py")
assert SPEC is not None
assert SPEC.loader is not None
make_zipapp = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_zipapp)
OLD = ("3.8", "3.9", "3.10")
DISGUISE = """\
import runpy, sys
sys.version_info = ({major}, {minor}, 18, "final", 0)
{start}
"""
STARTS = {
    "module": 'runpy.run_module("imdskit", run_name="__main__", alter_sys=True)',
    "import": "import imdskit",
    "submodule": "from imdskit.errors import ImdskitError",
    "imdskit.pyz": 'runpy.run_path("imdskit.pyz", run_name="__main__")',
    "imdskit-full.pyz": 'runpy.run_path("imdskit-full.pyz", run_name="__main__")',
}


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    for name in (make_zipapp.SMALL, make_zipapp.FULL):
        make_zipapp.build(folder / name)
    return folder


def refused(arguments: list[str], folder: Path, version: str) -> None:
    """Run a program, and check that it refuses the Python that runs it."""
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    complaints = [line for line in done.stderr.splitlines() if not re.match(r"make(\[\d+\])?: ", line)]
    assert len(complaints) == 1
    assert complaints[0].startswith(f"imdskit requires Python 3.11 or later, but this is Python {version} (")


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("version", OLD)
def test_simulated_old_python_is_refused_in_one_sentence(version: str, start: str, archives: Path) -> None:
    major, minor = version.split(".")
    refused([sys.executable, "-B", "-c", DISGUISE.format(major=major, minor=minor, start=STARTS[start])], archives, version)


@pytest.mark.parametrize("version", OLD)
def test_real_old_python_is_refused_in_one_sentence(version: str, archives: Path) -> None:
    python = _interpreter(version)
    for arguments in (
        ["-m", "imdskit", "demo"],
        ["-c", "import imdskit"],
        ["-c", STARTS["submodule"]],
        ["imdskit.pyz", "--version"],
        ["imdskit-full.pyz", "demo"],
    ):
        refused([python, "-B", *arguments], archives, version)
    refused(["make", "-s", "-C", str(ROOT), "demo", f"PYTHON={python}", "PYTHONDONTWRITEBYTECODE=1"], archives, version)


def test_build_backend_refuses_an_old_python_in_one_sentence() -> None:
    code = DISGUISE.format(major=3, minor=10, start="import backend")
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=ROOT / "packaging", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(r"imdskit requires Python 3\.11 or later, but this is Python 3\.10 \(.*\)\.\n", done.stderr)


@pytest.mark.parametrize("name", ["python/imdskit/__init__.py", "python/imdskit/__main__.py", "packaging/backend.py"])
def test_first_files_are_valid_python_3_8(name: str) -> None:
    source = (ROOT / name).read_text("utf-8")
    for text in (source, make_zipapp.condense(source), make_zipapp.MAIN):
        ast.parse(text, feature_version=(3, 8))


def test_only_sys_is_imported_before_the_version_check() -> None:
    tree = ast.parse((ROOT / "python" / "imdskit" / "__init__.py").read_text("utf-8"))
    docstring, imports, check = tree.body[:3]
    assert isinstance(docstring, ast.Expr)
    assert ast.unparse(imports) == "import sys"
    assert isinstance(check, ast.If)
    assert ast.unparse(check.test) == "sys.version_info < (3, 11)"


def _interpreter(version: str) -> str:
    """Return a Python of this version, or skip the test if this machine has none."""
    candidates = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for path in candidates:
        if path is not None:
            shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
            if re.match(rf"Python {re.escape(version)}\.", shown.stdout):
                return path
    pytest.skip(f"there is no Python {version} on this machine")
