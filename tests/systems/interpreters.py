"""Run the suite without the extension on every interpreter that can be found, and print a table.
Run by `make interpreters`.

The program looks for an interpreter on the PATH and among the versions of pyenv. As root, and if
mmdebstrap is installed, it takes missing interpreters from a root file system of Debian testing.
The table lists interpreters that are not found. They make the run fail only with ``--require``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import debian_root

ROOT = Path(__file__).parents[2]
INTERPRETERS = ("python3.12", "python3.13", "python3.14", "python3.15", "pypy3")
SUITE = "forky"
NOT_COPIED = shutil.ignore_patterns(".venv*", ".git", "__pycache__", "build", "dist", "target", "*.so", "*.pyd", ".*_cache", ".hypothesis")
TREE, SHARED = "/home/imdskit", "/home/shared"


def on_host(name: str) -> str | None:
    """Return the path of an interpreter of this machine, or None."""
    folders = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{name.removeprefix('python')}.*/bin/python3")
    candidates = [shutil.which(name), *map(str, sorted(folders))] if name != "pypy3" else [shutil.which(name)]
    for candidate in candidates:
        if candidate is not None and subprocess.run([candidate, "-m", "venv", "-h"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


class System:
    """System in which an interpreter runs: this machine, or a root file system.

    Args:
        tree: a copy of the project.
        shared: folder of the shared test data, or None.
        root: a root file system, or None for this machine.
    """

    def __init__(self, tree: Path, shared: Path | None, root: Path | None = None) -> None:
        self._root, self._tree = root, tree
        self._shared = None if shared is None else str(shared) if root is None else SHARED
        self._binds = {tree: TREE} | ({} if shared is None else {shared: SHARED})

    def run(self, arguments: Sequence[str]) -> int:
        """Run a command in the folder of the project and return its exit status."""
        changes = {"PYTHONPATH": "python:tests/systems", "PYTHONDONTWRITEBYTECODE": "1"}
        if self._shared is not None:
            changes["IMDSKIT_SHARED"] = self._shared
        if self._root is None:
            return subprocess.call(arguments, cwd=self._tree, env={**os.environ, **changes})
        command = debian_root.command(self._root, arguments, folder=TREE, binds=self._binds)
        return subprocess.call(command, env={**debian_root.environment(), **changes})


def suite(interpreter: str, system: System, pytest_arguments: Sequence[str]) -> str:
    """Create an environment, run the suite in it, and return the row of the table."""
    venv = f".venv-{Path(interpreter).name}"
    python = f"{venv}/bin/python"
    start = time.monotonic()
    pip = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--require-hashes", "-r", "tests/systems/requirements.txt"]
    if system.run([interpreter, "-m", "venv", "--clear", venv]) or system.run(pip):
        return "no environment"
    status = system.run([python, "-m", "pytest", "-n", "auto", "-q", "-p", "absent", "-m", "not packaging", *pytest_arguments])
    return f"{'passed' if status == 0 else f'FAILED ({status})'} after {time.monotonic() - start:.0f} s"


def systems(names: Sequence[str], tree: Path, shared: Path | None, roots: Path) -> Iterator[tuple[str, str, System]]:
    """Yield the name, the path and the system of every interpreter that is available."""
    absent = []
    for name in names:
        path = on_host(name)
        if path is None:
            absent.append(name)
        else:
            yield name, path, System(tree, shared)
    if not absent or debian_root.missing():
        return
    packages = [package for name in absent for package in (name, f"{name}-venv")]
    root = roots / SUITE
    debian_root.make(root, SUITE, [*packages, "ca-certificates", "openssl", "redis-server", "iproute2", "procps", "git", "curl"])
    for name in absent:
        yield name, name, System(tree, shared, root)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--require", action="store_true", help="fail if an interpreter is absent")
    parser.add_argument("--only", choices=INTERPRETERS, action="append", help="run only this interpreter; may be repeated")
    parser.add_argument("pytest", nargs="*", help="further arguments for pytest, after --")
    chosen = parser.parse_args()
    build = ROOT / "build" / "interpreters"
    shutil.rmtree(build, ignore_errors=True)
    shutil.copytree(ROOT, build / "imdskit", ignore=NOT_COPIED)
    shared = Path(os.environ.get("IMDSKIT_SHARED") or ROOT.parent / "shared")
    names = chosen.only or INTERPRETERS
    table = dict.fromkeys(names, "absent")
    for name, path, system in systems(names, build / "imdskit", shared if shared.is_dir() else None, build):
        print(f"\n== {name} ({path})", flush=True)
        table[name] = suite(path, system, chosen.pytest)
    print()
    for name, result in table.items():
        print(f"{name:<12} {result}")
    good = ("passed", *(() if chosen.require else ("absent",)))
    return 0 if all(result.startswith(good) for result in table.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
