"""Fixtures that build each artefact once per session, from a copy of the sources with extra files that must not be shipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STRAY = ("_native.abi3.so", "_native.cpython-311-x86_64-linux-gnu.so", "_native.pyd")
NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "target", "artifacts", "*.so", "*.pyd", "*.pyc", "*.egg-info")
NO_CARGO = "there is no cargo on the PATH"

Run = Callable[..., subprocess.CompletedProcess[str]]


def run(
    arguments: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, at most five minutes, and check its exit status."""
    done = subprocess.run(
        [*map(str, arguments)], cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


def environment(**changes: str | None) -> dict[str, str]:
    """Return the environment variables without those that configure the build, and with ``changes``."""
    chosen = {name: value for name, value in os.environ.items() if name not in ("IMDSKIT_NATIVE", "PYTHONPATH", "VIRTUAL_ENV")}
    for name, value in changes.items():
        if value is None:
            chosen.pop(name, None)
        else:
            chosen[name] = value
    return chosen


def built(kind: str, source: Path, out: Path, *options: str, env: Mapping[str, str] | None = None) -> Path:
    """Build ``source`` with the tools of this environment, and return the single file in ``out``."""
    run([sys.executable, "-m", "build", "--no-isolation", f"--{kind}", *options, "--outdir", out, source], env=env or environment())
    (artefact,) = out.iterdir()
    return artefact


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout, with libraries of an earlier build beside the sources and an old module in ``build``."""
    folder = tmp_path_factory.mktemp("sources") / "imdskit"
    shutil.copytree(ROOT, folder, ignore=NOT_SOURCES)
    for name in STRAY:
        (folder / "python" / "imdskit" / name).write_bytes(b"left by an earlier build")
    old = folder / "build" / "lib" / "imdskit"
    old.mkdir(parents=True)
    (old / "removed_long_ago.py").write_text("raise SystemExit\n")
    return folder


@pytest.fixture(scope="session")
def sdist(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source distribution."""
    return built("sdist", sources, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def pure_wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel without the extension, built from the checkout."""
    return built("wheel", sources, tmp_path_factory.mktemp("pure"), "-Cnative=off")


@pytest.fixture(scope="session")
def native_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the wheel with the extension, as a user's pip builds it: from the source distribution, in pip's isolated environment."""
    if shutil.which("cargo") is None:
        (pytest.fail if request.config.getoption("--require-native") else pytest.skip)(NO_CARGO)
    out = tmp_path_factory.mktemp("native")
    target = environment(CARGO_TARGET_DIR=str(ROOT / "target"))
    run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", out, "-Cnative=require", sdist], env=target)
    (wheel,) = out.iterdir()
    return wheel


@pytest.fixture(scope="session")
def zipapp(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the archive of the client and the verifier. The full archive is in the same folder."""
    folder = tmp_path_factory.mktemp("zipapp")
    run([sys.executable, sources / "packaging" / "make_zipapp.py", folder])
    return folder / "imdskit.pyz"


@pytest.fixture(scope="session")
def full_zipapp(zipapp: Path) -> Path:
    """Return the archive of the whole package."""
    return zipapp.with_name("imdskit-full.pyz")


@pytest.fixture
def empty_venv(tmp_path: Path) -> Path:
    """Return the interpreter of an empty environment, which does not even contain pip."""
    folder = tmp_path / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", folder])
    return folder / "bin" / "python"
