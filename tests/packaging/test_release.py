"""Tests of the wheels of a release: reproducible bytes, an SBOM, licences, and no problems that tools report."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import imdskit

from .conftest import ROOT, built, environment

sys.path.insert(0, str(ROOT / "packaging"))
import notices
import release_check

pytestmark = pytest.mark.packaging

TOOLS = ROOT / ".venv-release" / "bin"
"""Environment that `make packages` creates."""


def dist_info(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name.partition(".dist-info/")[2]: archive.read(name) for name in archive.namelist() if ".dist-info/" in name}


def sbom(wheel: Path) -> dict[str, Any]:
    (content,) = [content for name, content in dist_info(wheel).items() if name.startswith("sboms/")]
    document: dict[str, Any] = json.loads(content)
    assert document["bomFormat"] == "CycloneDX"
    return document


@pytest.fixture(scope="session")
def linked() -> list[dict[str, Any]]:
    """Return the third-party crates that the extension links."""
    return notices.linked_crates("x86_64-unknown-linux-gnu")


@pytest.mark.parametrize(("kind", "options"), [("sdist", ()), ("wheel", ("-Cnative=off",))], ids=["sdist", "pure wheel"])
def test_build_is_independent_of_path_umask_and_time(kind: str, options: tuple[str, ...], sources: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(sources, copy, copy_function=shutil.copy)  # the copies have new times
    for path in copy.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    env = environment(SOURCE_DATE_EPOCH="1700000000")
    one = built(kind, sources, tmp_path / "one", *options, env=env)
    two = built(kind, copy, tmp_path / "two", *options, env=env)
    assert one.read_bytes() == two.read_bytes()


def test_pure_wheel_sbom_lists_only_the_package(pure_wheel: Path) -> None:
    document = sbom(pure_wheel)
    assert document["metadata"]["component"]["purl"] == f"pkg:pypi/imdskit@{imdskit.__version__}"
    assert document["components"] == []


def test_native_wheel_sbom_lists_everything_that_it_links(native_wheel: Path, linked: list[dict[str, Any]]) -> None:
    document = sbom(native_wheel)
    listed = {(one["name"], one["version"]) for one in document["components"]}
    assert {(one["name"], one["version"]) for one in linked} <= listed
    assert {"aws-lc-sys", "pyo3", "rust-std", "imdskit-core"} <= {name for name, _ in listed}
    assert "zig" not in {name for name, _ in listed}  # zig links only the wheels of a release
    known = {one["bom-ref"] for one in [document["metadata"]["component"], *document["components"]]}
    assert {name for entry in document["dependencies"] for name in entry.get("dependsOn", [])} <= known
    local = [one["bom-ref"] for one in document["components"] if one["bom-ref"].startswith("path+")]
    assert {ref.partition("#")[0] for ref in local} == {"path+file:///imdskit/rust/core", "path+file:///imdskit/rust/multibuffer"}


def test_native_wheel_has_the_licence_of_each_linked_crate(native_wheel: Path, linked: list[dict[str, Any]]) -> None:
    files = dist_info(native_wheel)
    text = files[f"licenses/{notices.LICENCES}"].decode()
    assert len(linked) > 10
    assert [one["name"] for one in linked if f"\n{one['name']} {one['version']} (" not in text] == []
    assert "Copyright (c) 2021 Nugine" in text  # the licence of a crate that is published without a licence text
    listed = [line.removeprefix("License-File: ") for line in files["METADATA"].decode().splitlines() if line.startswith("License-File: ")]
    assert listed == [name.removeprefix("licenses/") for name in files if name.startswith("licenses/")]


def test_crate_without_licence_text_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crate = {"name": "unheard-of", "version": "1.0.0", "license": "MIT", "manifest_path": str(tmp_path / "Cargo.toml")}
    monkeypatch.setattr(notices, "linked_crates", lambda target: [crate])
    with pytest.raises(SystemExit, match="the crate unheard-of has no licence text"):
        notices.licence_texts(["--target", "x86_64-unknown-linux-gnu"])


@pytest.mark.parametrize("kind", ["pure_wheel", "native_wheel"])
def test_record_of_a_wheel_is_correct(kind: str, request: pytest.FixtureRequest) -> None:
    wheel: Path = request.getfixturevalue(kind)
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    (record,) = [name for name in contents if name.endswith(".dist-info/RECORD")]
    rows = {row[0]: row[1:] for row in csv.reader(contents[record].decode().splitlines())}
    assert rows.pop(record) == ["", ""]
    del contents[record]
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=") for name, content in contents.items()}
    assert rows == {name: [f"sha256={digest}", str(len(contents[name]))] for name, digest in digests.items()}


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Path:
    """Return the folder of the programs that check artefacts."""
    if not (TOOLS / "auditwheel").is_file():
        (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)(
            "there is no .venv-release, which `make packages` makes"
        )
    return TOOLS


def test_tools_report_no_problems_in_the_artefacts(tools: Path, pure_wheel: Path, native_wheel: Path, sdist: Path) -> None:
    assert release_check.complaints(tools, [pure_wheel, native_wheel], [sdist]) == []


def test_problems_reported_by_tools_are_found(tools: Path, native_wheel: Path, tmp_path: Path) -> None:
    """Check a wheel with a wrong RECORD."""
    lying = tmp_path / f"imdskit-{imdskit.__version__}-cp311-abi3-manylinux_2_5_x86_64.whl"
    with zipfile.ZipFile(native_wheel) as old, zipfile.ZipFile(lying, "w") as new:
        for name in old.namelist():
            content = old.read(name).replace(b"imdskit/clock.py,", b"imdskit/clock.pyc,")  # in RECORD
            new.writestr(name.replace("METADATA", "OTHERDATA").replace("imdskit/clock.py", "imdskit/clock.pyc"), content)
    found = release_check.complaints(tools, [lying], [])
    assert [one.partition(":")[0].rpartition("/")[2] for one in found] == ["twine", "check-wheel-contents", "auditwheel"]


def test_builder_paths_are_found_in_each_kind_of_artefact(sdist: Path, pure_wheel: Path, zipapp: Path, tmp_path: Path) -> None:
    text = tmp_path / "SHA256SUMS"
    text.write_text("built in /home/builder/imdskit\n")
    with zipfile.ZipFile(shutil.copy(pure_wheel, tmp_path), "a") as wheel:
        wheel.writestr("imdskit/made.txt", "/home/builder/imdskit/python")
    assert list(release_check.paths_inside(text, ["/home/builder/"])) == [("SHA256SUMS", "/home/builder/")]
    assert list(release_check.paths_inside(tmp_path / pure_wheel.name, ["/home/builder/"])) == [("imdskit/made.txt", "/home/builder/")]
    only_there = "def " + "paths_inside"  # in two parts, because the source distribution has this file, too
    assert [name for name, _ in release_check.paths_inside(sdist, [only_there])] == [
        f"imdskit-{imdskit.__version__}/packaging/release_check.py"
    ]
    for artefact in (sdist, pure_wheel, zipapp):
        assert list(release_check.paths_inside(artefact, [str(ROOT), f"{Path.home()}/"])) == []


def test_different_and_missing_files_are_differences(tmp_path: Path) -> None:
    for name, files in {"one": {"same": "1", "other": "1", "first": "1"}, "two": {"same": "1", "other": "2"}}.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    assert release_check.differences(tmp_path / "one", tmp_path / "two") == ["first", "other"]


def test_release_refuses_uncommitted_changes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "packaging", tmp_path / "packaging", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    done = subprocess.run([sys.executable, "packaging/release.py", "out"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "There are changes that are not committed. A release is built from a commit.\n"
