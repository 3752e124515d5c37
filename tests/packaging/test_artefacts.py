"""Tests of the published artefacts: their content, and that they run in empty environments."""

from __future__ import annotations

import ast
import configparser
import email
import hashlib
import importlib
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import imdskit
from imdskit.cli import VERBS

from .conftest import ROOT, built, environment, run

pytestmark = pytest.mark.packaging

PACKAGE = ROOT / "python" / "imdskit"
RECORD = "imdskit/build-record.json"
"""File in a pure wheel that records why it is pure."""
SHIPPED = (".py", ".pyi", ".der", ".json", ".md", ".typed", ".html", ".js", ".css", ".svg")
LIBRARIES = (".so", ".pyd", ".dll", ".dylib")
SMALL_BYTES, FULL_BYTES = 300_000, 480_000
"""Largest sizes of the archives. Raising one needs a decision record (docs/decisions/0029-two-archives.md)."""
FULL_ONLY = ("serve", "run", "demo", "bench", "completion", "record", "verifier")


def shipped() -> set[str]:
    """Return every file of the package that must be shipped, from the folder of the sources."""
    return {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file()
        and path.suffix in SHIPPED
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(PACKAGE).parts)
    }


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if not name.endswith("/")}


def metadata(wheel: Path, name: str = "METADATA") -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [path for path in archive.namelist() if path.endswith(f".dist-info/{name}")]
        return email.message_from_bytes(archive.read(path))


def entry_points(wheel: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [path for path in archive.namelist() if path.endswith(".dist-info/entry_points.txt")]
        parser.read_string(archive.read(path).decode())
    return {name: dict(parser[name]) for name in parser.sections()}


def code(wheel: Path) -> dict[str, str]:
    return {name: digest for name, digest in contents(wheel).items() if ".dist-info/" not in name}


def test_pure_wheel_supports_every_python_and_has_no_library(pure_wheel: Path) -> None:
    assert pure_wheel.name == f"imdskit-{imdskit.__version__}-py3-none-any.whl"
    assert not [name for name in contents(pure_wheel) if name.endswith(LIBRARIES)]
    assert metadata(pure_wheel, "WHEEL")["Root-Is-Purelib"] == "true"


def test_pure_wheel_contains_only_the_package(pure_wheel: Path) -> None:
    assert set(code(pure_wheel)) == shipped() | {RECORD}


def test_native_wheel_is_the_pure_one_plus_the_extension(native_wheel: Path, pure_wheel: Path) -> None:
    assert native_wheel.name.startswith(f"imdskit-{imdskit.__version__}-cp311-abi3-")
    pure, native = code(pure_wheel), code(native_wheel)
    extension = {name for name in native if name.endswith(LIBRARIES)}
    assert [name.split(".")[0] for name in extension] == ["imdskit/_native"]
    del pure[RECORD]
    assert {name: digest for name, digest in native.items() if name not in extension} == pure


CRATES = ("core", "multibuffer", "python")


@pytest.mark.parametrize("wheel", ["pure_wheel", "native_wheel"])
def test_wheel_metadata_describes_the_package(wheel: str, request: pytest.FixtureRequest) -> None:
    file: Path = request.getfixturevalue(wheel)
    fields = metadata(file)
    assert (fields["Name"], fields["Version"], fields["Requires-Python"]) == ("imdskit", imdskit.__version__, ">=3.11")
    assert fields["License-Expression"] == "Apache-2.0"
    assert entry_points(file) == {"console_scripts": {"imdskit": "imdskit.cli:main"}, "pytest11": {"imdskit": "imdskit.pytest_plugin"}}
    assert [needed for needed in fields.get_all("Requires-Dist", []) if "extra ==" not in needed] == []
    names = {Path(name).name for name in contents(file)}
    assert {"LICENSE", "entry_points.txt"} <= names


def test_wheel_description_has_no_relative_links(pure_wheel: Path) -> None:
    fields = metadata(pure_wheel)
    urls = dict(entry.split(", ", 1) for entry in fields.get_all("Project-URL", []))
    assert {"Repository", "Documentation", "Changelog", "Issues", "Security"} <= urls.keys()
    assert all(url.startswith(urls["Repository"]) for url in urls.values())
    assert fields["Description-Content-Type"] == "text/markdown"
    description = fields.get_payload(decode=True)
    assert isinstance(description, bytes)
    assert description.decode() == (ROOT / "README.md").read_text("utf-8")


def test_wheels_from_sdist_and_checkout_are_equal(sdist: Path, pure_wheel: Path, tmp_path: Path) -> None:
    run(["tar", "-xzf", sdist, "-C", tmp_path])
    again = built("wheel", tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "out", "-Cnative=off")
    assert contents(again) == contents(pure_wheel)


def test_sdist_contains_the_build_inputs_and_no_library(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    rust = {path.relative_to(ROOT).as_posix() for crate in CRATES for path in (ROOT / "rust" / crate).rglob("*.rs")}
    assert (
        rust | {"Cargo.toml", "Cargo.lock", *(f"rust/{crate}/Cargo.toml" for crate in CRATES), "packaging/backend.py", "LICENSE"} <= names
    )
    assert not [name for name in names if name.endswith(LIBRARIES) or "__pycache__" in name]


FOLDERS = ("benches", "changelog.d", "docs", "examples", "packaging", "rust", "tests")


def test_sdist_contains_every_page_test_and_example(sources: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {path.relative_to(sources).as_posix() for folder in FOLDERS for path in (sources / folder).rglob("*") if path.is_file()}
    wanted |= {path.name for path in sources.iterdir() if path.is_file()}
    assert len(wanted) > 500
    assert wanted - names == set()


def test_tests_and_documentation_run_from_the_sdist(sdist: Path, tmp_path: Path) -> None:
    run(["tar", "-xzf", sdist, "-C", tmp_path])
    root = tmp_path / sdist.name.removesuffix(".tar.gz")
    pytest_there = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    env = environment(PYTEST_ADDOPTS=None, PYTEST_XDIST_WORKER=None)
    run([*pytest_there, "--collect-only"], cwd=root, env=env)
    run([*pytest_there, "tests/test_documentation.py", "tests/test_changelog.py", "tests/test_crates.py"], cwd=root, env=env)


def test_pure_wheel_runs_in_an_empty_environment(pure_wheel: Path, empty_venv: Path) -> None:
    install(pure_wheel, empty_venv)
    done = run([empty_venv, "-I", "-W", "error", "-c", "from imdskit import backends; print(backends.best().name)"])
    assert done.stdout == "python\n"
    assert run([empty_venv.parent / "imdskit", "--version"], env={}).stdout == f"imdskit {imdskit.__version__}\n"


def test_native_wheel_runs_in_an_empty_environment(native_wheel: Path, empty_venv: Path) -> None:
    install(native_wheel, empty_venv)
    question = "from imdskit import backends; b = backends.best(); print(b.name, type(b.document(b'{}')).__module__)"
    assert run([empty_venv, "-I", "-W", "error", "-c", question]).stdout == "rust imdskit._native\n"
    has_parts = "import imdskit._native; print(hasattr(imdskit._native, 'parts'))"  # a function that exists only in test builds
    assert run([empty_venv, "-I", "-W", "error", "-c", has_parts]).stdout == "False\n"
    assert run([empty_venv.parent / "imdskit", "--version"], env={}).stdout == f"imdskit {imdskit.__version__}\n"


def test_archives_are_small_and_contain_no_library(zipapp: Path, full_zipapp: Path) -> None:
    assert zipapp.stat().st_size <= SMALL_BYTES
    assert full_zipapp.stat().st_size <= FULL_BYTES
    for archive in (zipapp, full_zipapp):
        assert not [name for name in contents(archive) if name.endswith(LIBRARIES)]
        assert archive.read_bytes().startswith(b"#!/usr/bin/env python3\n")


def test_archives_are_reproducible(zipapp: Path, full_zipapp: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "python", elsewhere / "python", copy_function=shutil.copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copytree(ROOT / "packaging", elsewhere / "packaging", ignore=shutil.ignore_patterns("__pycache__"))
    run([sys.executable, elsewhere / "packaging" / "make_zipapp.py"])
    for archive in (zipapp, full_zipapp):
        assert (elsewhere / "dist" / archive.name).read_bytes() == archive.read_bytes()


def test_small_archive_is_the_full_one_without_the_emulator(zipapp: Path, full_zipapp: Path) -> None:
    small, full = contents(zipapp), contents(full_zipapp)
    assert small.items() <= full.items()
    assert {name for name in full if name.startswith("imdskit/emulator/")} <= full.keys() - small.keys()
    assert sum(name.endswith((".pem", ".der")) for name in small) == 2  # each certificate is stored once


def test_small_archive_imports_only_its_own_modules(zipapp: Path) -> None:
    with zipfile.ZipFile(zipapp) as archive:
        sources = {name: archive.read(name) for name in archive.namelist() if name.endswith(".py")}
    found = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in sources}
    wanted = {
        (name, node.module)
        for name, source in sources.items()
        if name != "imdskit/__init__.py"  # it names the emulator, but imports it on first use
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "imdskit"
    }
    assert len(wanted) > 100
    assert {(name, module) for name, module in wanted if module not in found} == {("imdskit/backends/rust.py", "imdskit._native")} & wanted


def test_archives_run_without_site_packages_or_environment(zipapp: Path, full_zipapp: Path, tmp_path: Path) -> None:
    document = tmp_path / "document.json"
    document.write_text('{"encoding":"pkcs7","signature":"MII="}')
    for archive in (zipapp, full_zipapp):
        alone = [sys.executable, "-I", "-S", archive]
        assert "verify" in run([*alone, "--help"], cwd=tmp_path, env={}).stdout
        refused = run([*alone, "verify", document], cwd=tmp_path, env={}, status=1)
        assert "bad-der" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_every_verb_of_an_archive_has_help(zipapp: Path, full_zipapp: Path, tmp_path: Path) -> None:
    for verb in VERBS:
        for archive in (full_zipapp,) if verb in FULL_ONLY else (zipapp, full_zipapp):
            assert run([sys.executable, "-I", "-S", archive, verb, "--help"], cwd=tmp_path, env={}).stdout.startswith(
                f"usage: imdskit {verb}"
            )


@pytest.mark.parametrize("verb", FULL_ONLY)
def test_small_archive_names_a_verb_that_it_lacks(verb: str, zipapp: Path, tmp_path: Path) -> None:
    done = run([sys.executable, "-I", "-S", zipapp, verb, "--help"], cwd=tmp_path, env={}, status=2)
    assert done.stderr.splitlines()[0] == f"error: bad-argument: `{verb}` is not part of imdskit.pyz."
    assert "It is part of imdskit-full.pyz" in done.stderr
    listed = f"Only in imdskit-full.pyz: {', '.join(one for one in VERBS if one in FULL_ONLY)}"
    assert listed in one_line(run([sys.executable, zipapp, "--help"]).stdout)


def test_demo_runs_from_the_full_archive(full_zipapp: Path, tmp_path: Path) -> None:
    run([sys.executable, "-I", "-S", full_zipapp, "demo"], cwd=tmp_path, env={})


def test_pip_installation_falls_back_to_the_pure_package(sources: Path, empty_venv: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", empty_venv, "install", "--verbose", "--no-deps"]
    done = run([*pip, sources], env=environment(PATH=str(tmp_path)))
    assert "Building the pure Python wheel" in done.stdout + done.stderr
    assert run([empty_venv, "-I", "-c", "from imdskit import backends; print(backends.best().name)"]).stdout == "python\n"


def scripts(folder: Path, **bodies: str) -> Path:
    """Create a folder with a shell script for each name, to put first on the PATH."""
    folder.mkdir()
    for name, body in bodies.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


def one_line(text: str) -> str:
    """Return the text without its line breaks, which depend on the width of the terminal."""
    return " ".join(text.split())


RECENT = {
    "cargo": 'case "$1" in --version) echo "cargo 1.95.0" ;; *) {} ;; esac',
    "rustc": 'case "$1" in --version) echo "rustc 1.95.0" ;; *) {} ;; esac',
}
NO_TOOLCHAIN = [
    pytest.param({}, "There is no cargo on the PATH.", id="absent"),
    pytest.param({"cargo": "echo cargo 1.65.0"}, "There is no rustc on the PATH.", id="no compiler"),
    pytest.param(
        {"cargo": "echo cargo 1.65.0", "rustc": "echo rustc 1.63.0"}, "cargo 1.65 is too old; 1.85 or later is needed.", id="an old cargo"
    ),
    pytest.param({"cargo": "echo cargo 1.95.0", "rustc": "echo rustc 1.84.1"}, "rustc 1.84 is too old", id="a compiler that is too old"),
    pytest.param({"cargo": "echo broken >&2; exit 1", "rustc": "exit 1"}, "`cargo --version` failed: broken", id="broken"),
    pytest.param(
        {"cargo": RECENT["cargo"].format("exit 0"), "rustc": RECENT["rustc"].format('echo "error: linker cc not found" >&2; exit 1')},
        "rustc cannot link a library, perhaps because there is no C compiler: error: linker cc not found",
        id="no linker",
    ),
    pytest.param(
        {"cargo": RECENT["cargo"].format('echo "error: no index" >&2; exit 101'), "rustc": RECENT["rustc"].format("exit 0")},
        "The crates cannot be fetched: error: no index",
        id="no crate index",
    ),
]


@pytest.mark.parametrize(("programs", "why"), NO_TOOLCHAIN)
def test_pure_fallback_records_why(programs: dict[str, str], why: str, sources: Path, empty_venv: Path, tmp_path: Path) -> None:
    folder = scripts(tmp_path / "programs", **programs)
    env = environment(PATH=f"{folder}:/nowhere")
    done = run([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "out", sources], env=env)
    assert f"imdskit: {why}" in done.stdout + done.stderr
    (wheel,) = (tmp_path / "out").iterdir()
    install(wheel, empty_venv)
    doctor = run([empty_venv, "-I", "-m", "imdskit", "doctor"])
    assert why in one_line(doctor.stdout)
    assert not (sources / "python" / RECORD).exists()


@pytest.mark.parametrize(("version", "without"), [("1.85.1", True), ("1.88.0", True), ("1.89.0", False)])
def test_avx512_kernels_are_left_out_if_rust_is_too_old(
    version: str, without: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    monkeypatch.setenv("PATH", str(scripts(tmp_path / "programs", rustc=f"echo rustc {version}")))
    monkeypatch.setenv("MATURIN_PEP517_ARGS", "--offline")
    settings = importlib.import_module("backend")._for_maturin({"native": "require"})
    assert settings == ({"build-args": "--offline --no-default-features --features abi3"} if without else None)


@pytest.mark.parametrize(
    ("mode", "path", "complaint"),
    [
        ("require", "", "native=require, but the extension cannot be built here. There is no cargo on the PATH."),
        ("maybe", None, "native=maybe is none of auto, require, off"),
    ],
    ids=["required-without-cargo", "unknown-mode"],
)
def test_impossible_build_mode_is_refused(mode: str, path: str | None, complaint: str, sources: Path, tmp_path: Path) -> None:
    env = environment(IMDSKIT_NATIVE=mode) if path is None else environment(IMDSKIT_NATIVE=mode, PATH=str(tmp_path))
    done = run([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "out", sources], env=env, status=1)
    assert complaint in done.stdout + done.stderr


def test_failed_build_of_our_code_fails_the_installation(sources: Path, tmp_path: Path) -> None:
    """Break the sources while all checks of the toolchain pass. A pure wheel would hide this fault of the project."""
    broken = tmp_path / "broken"
    shutil.copytree(sources, broken)
    (broken / "rust" / "core" / "src" / "lib.rs").write_text("this is not Rust\n")
    env = environment(CARGO_TARGET_DIR=str(tmp_path / "target"))
    done = run([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "out", broken], env=env, status=1)
    assert "Building the pure Python wheel" not in done.stdout + done.stderr
    assert "maturin" in done.stdout + done.stderr
    assert not list(tmp_path.glob("out/*"))


def install(wheel: Path, python: Path) -> None:
    run([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel])
    known = run([python, "-I", "-c", "import importlib.metadata as m, json; print(json.dumps(sorted(d.name for d in m.distributions())))"])
    assert json.loads(known.stdout) == ["imdskit"]
