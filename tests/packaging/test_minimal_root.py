"""Tests that the single file runs on a root file system with only Debian's python3 and its libraries, without even a shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imdskit.emulator import Emulator

from .conftest import run

pytestmark = pytest.mark.packaging

NONCE = "4071882193"
APT_OPTIONS = ("-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2")
CLOSURE = (
    "--recurse",
    "--important",
    "--no-recommends",
    "--no-suggests",
    "--no-conflicts",
    "--no-breaks",
    "--no-replaces",
    "--no-enhances",
)
LIBRARIES_AND_PYTHON = re.compile(r"(?!libperl)(?:lib|zlib1g|python3)[a-z0-9.+-]*")
"""Dependencies of python3 that are unpacked. The others, such as dpkg and perl, are needed to install packages, not to run Python."""

InRoot = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the file system, unpacked from Debian's packages."""
    absent = [program for program in ("apt-get", "apt-cache", "dpkg", "chroot") if shutil.which(program) is None]
    if os.geteuid() != 0 or absent:
        why = f"there is no {absent[0]}" if absent else "only root may change the root of the file system"
        (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)(f"no minimal root file system: {why}")
    packages = tmp_path_factory.mktemp("packages")
    closure = run(["apt-cache", "depends", *CLOSURE, "python3"]).stdout
    names = sorted({line for line in closure.splitlines() if LIBRARIES_AND_PYTHON.fullmatch(line)})
    run(["apt-get", *APT_OPTIONS, "download", *names], cwd=packages)
    folder = tmp_path_factory.mktemp("root")
    for package in sorted(packages.iterdir()):
        run(["dpkg", "-x", package, folder])
    return folder


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("linux", seed=1) as running:
        yield running


@pytest.fixture(scope="module")
def in_root(root: Path, zipapp: Path) -> InRoot:
    """Run ``python3 /imdskit.pyz`` in that file system with these arguments."""
    shutil.copy(zipapp, root / "imdskit.pyz")

    def call(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        program = ["chroot", str(root), "/usr/bin/python3", "-B", "-W", "error", "/imdskit.pyz", *arguments]
        done = run(program, env={"PATH": os.environ["PATH"]}, status=status)
        assert "Traceback" not in done.stderr
        return done

    return call


def test_root_contains_only_python(root: Path) -> None:
    programs = {
        path.name for folder in ("bin", "sbin", "usr/bin", "usr/sbin") if (root / folder).is_dir() for path in (root / folder).iterdir()
    }
    assert "python3" in programs
    assert not programs & {"sh", "bash", "dash", "env", "openssl", "perl"}
    assert not [path for path in root.rglob("*") if path.name == "pip" or path.name.startswith("cryptography")]


def test_requests_instance_metadata(in_root: InRoot, emulator: Emulator) -> None:
    vm_id = in_root("get", "compute/vmId", "--base-url", emulator.url).stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", vm_id)
    detected = json.loads(in_root("detect", "--json", "--base-url", emulator.url).stdout)
    assert (detected["conclusion"], detected["vmId"]) == ("likely", vm_id)


def test_fetches_and_verifies_a_document(in_root: InRoot, emulator: Emulator, root: Path) -> None:
    (root / "trust.pem").write_text(emulator.trust_pem)
    in_root("attest", "--nonce", NONCE, "-o", "/document.json", "--base-url", emulator.url)
    claims = json.loads(in_root("verify", "/document.json", "--trust", "/trust.pem", "--nonce", NONCE).stdout)
    assert claims["nonce"] == NONCE
    assert claims["vmId"] == in_root("get", "compute/vmId", "--base-url", emulator.url).stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [((), "unknown-issuer"), (("--trust", "/trust.pem", "--nonce", "1234567890"), "nonce-mismatch")],
    ids=["not Azure's", "another nonce"],
)
def test_refuses_an_invalid_document(in_root: InRoot, emulator: Emulator, root: Path, arguments: tuple[str, ...], reason: str) -> None:
    (root / "trust.pem").write_text(emulator.trust_pem)
    in_root("attest", "--nonce", NONCE, "-o", "/document.json", "--base-url", emulator.url)
    assert reason in in_root("verify", "/document.json", *arguments, status=1).stderr
